"""Tables are made once. One that is stale, damaged or of another tokenizer never gives wrong tokens."""

import json
import os
import shutil

import pytest

from clipsearch.encoders.tokenizers import cache, compact, open_tokenizer
from clipsearch.encoders.tokenizers.gemma import GemmaTokenizer
from clipsearch.encoders.tokenizers.library import LibraryTokenizer
from clipsearch.encoders.tokenizers.table_file import _BLOCK
from clipsearch.errors import ModelError
from tests.encoders.support import change_json
from tests.encoders.tokenizers.support import AnyShape, opened

TEXTS = ["a dog on the beach", "Zwei Hunde", "狗 🐶", "<eos>x"]


@pytest.fixture
def expected(gemma):
    return LibraryTokenizer(gemma, AnyShape()).encode(TEXTS)


def encode(folder):
    return open_tokenizer(folder, AnyShape()).encode(TEXTS)


@pytest.fixture
def forbidden(monkeypatch):
    """A function that forbids to load the library, or to read tokenizer.json into memory."""

    def forbid():
        def fail(*_):
            raise AssertionError("the tokenizer was loaded")

        monkeypatch.setattr(LibraryTokenizer, "_load", fail)
        monkeypatch.setattr(compact, "read_json", fail)

    return forbid


def test_tables_are_made_once(gemma, expected, forbidden):
    assert encode(gemma) == expected
    assert len(list(cache.cache_folder().glob("*.table"))) == 1
    forbidden()
    assert encode(gemma) == expected


def test_a_copy_of_a_checkpoint_shares_its_tables(gemma, table, expected, tmp_path, forbidden):
    copy = shutil.copytree(gemma, tmp_path / "copy")
    forbidden()
    assert encode(copy) == expected


def test_a_changed_tokenizer_of_the_same_size_and_time_has_new_tables(gemma, table, expected):
    file = gemma / "tokenizer.json"
    times = file.stat()
    text = file.read_text("utf-8")
    vocabulary = json.loads(text)["model"]["vocab"]
    first, second = f'"o": {vocabulary["o"]}', f'"d": {vocabulary["d"]}'
    text = text.replace(first, "SWAPPED").replace(second, f'"d": {vocabulary["o"]}')
    file.write_text(text.replace("SWAPPED", f'"o": {vocabulary["d"]}'), "utf-8")
    assert file.stat().st_size == times.st_size
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed = LibraryTokenizer(gemma, AnyShape()).encode(TEXTS)
    assert changed != expected
    assert encode(gemma) == changed


@pytest.mark.parametrize("block", range(0, 60, 3))
def test_a_damaged_block_is_noticed(gemma, table, expected, block):
    content = bytearray(table.read_bytes())
    place = min(block * _BLOCK + 7, len(content) - 1)
    content[place : place + 900] = bytes(byte ^ 1 for byte in content[place : place + 900])
    table.write_bytes(content)
    assert encode(gemma) == expected


def test_a_damaged_entry_is_noticed_when_it_is_read(gemma, table, expected):
    content = bytearray(table.read_bytes())
    header_end = content.index(b"}", content.index(b'"checksum"'))
    content[-(len(content) - header_end) // 2 :] = bytes((len(content) - header_end) // 2)
    table.write_bytes(content)
    tokenizer = open_tokenizer(gemma, AnyShape())
    assert tokenizer.encode(TEXTS) == expected
    assert [tokenizer.pieces(text) for text in TEXTS] == [
        LibraryTokenizer(gemma, AnyShape()).pieces(text) for text in TEXTS
    ]


@pytest.mark.parametrize("content", [b"", b"x", b"clipsearch table 1\n" + bytes(40), b"\xff" * 5000])
def test_a_file_that_is_no_table_is_made_again(gemma, table, expected, content, forbidden):
    table.write_bytes(content)
    assert encode(gemma) == expected
    forbidden()
    assert encode(gemma) == expected


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_table_that_is_cut_is_made_again(gemma, table, expected, share):
    content = table.read_bytes()
    table.write_bytes(content[: int(len(content) * share)])
    assert encode(gemma) == expected
    assert table.read_bytes() == content


def test_the_table_of_another_tokenizer_is_made_again(gemma, table, expected):
    change_json(gemma / "tokenizer_config.json", lambda values: values.update(add_bos_token=True))
    changed = encode(gemma)
    assert changed != expected
    (other,) = set(cache.cache_folder().glob("*.table")) - {table}
    shutil.copy(table, other)
    assert encode(gemma) == changed


def test_a_cache_that_cannot_be_written_is_done_without(gemma, expected, monkeypatch):
    monkeypatch.setattr(compact, "_write", lambda *_: pytest.fail("work for nothing"))
    cache.cache_folder().parent.mkdir(parents=True)
    cache.cache_folder().write_text("in the way")
    assert encode(gemma) == expected


def test_an_incomplete_tokenizer_is_an_error_if_no_table_can_be_written(gemma):
    cache.cache_folder().parent.mkdir(parents=True)
    cache.cache_folder().write_text("in the way")
    change_json(gemma / "tokenizer.json", lambda values: values["model"].update(merges=[]))
    with pytest.raises(ModelError, match="so it is incomplete"):
        encode(gemma)


def test_files_that_change_while_they_are_read_have_no_table(gemma, monkeypatch):
    def change_and_write(*arguments, real=compact._write):
        change_json(gemma / "tokenizer_config.json", lambda values: values.update(add_bos_token=True))
        return real(*arguments)

    monkeypatch.setattr(compact, "_write", change_and_write)
    changed = encode(gemma)
    assert changed[0][0] == 2 and not [*cache.cache_folder().iterdir()]


def test_a_full_disk_is_harmless(gemma, expected, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compact, "write_tables", fail)
    assert encode(gemma) == expected
    assert not [*cache.cache_folder().iterdir()]


def test_tables_that_disagree_with_the_library_are_not_used(gemma, expected, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr(GemmaTokenizer, "encode", lambda self, text: [5])
        assert encode(gemma) == expected
    assert "disagree with the tokenizers library" in caplog.text
    assert opened(gemma)[0] is None
    assert encode(gemma) == expected


def test_a_large_file_is_hashed_again_only_if_it_has_changed(gemma, monkeypatch):
    monkeypatch.setattr(cache, "_SMALL_BYTES", 0)
    monkeypatch.setattr(cache, "_SETTLED_SECONDS", -1)
    file = gemma / "tokenizer.json"
    before = cache.digest([file])
    reads = []
    monkeypatch.setattr(
        cache.hashlib, "sha256", lambda *start, real=cache.hashlib.sha256: reads.append(1) or real(*start)
    )
    assert cache.digest([file]) == before and len(reads) == 1
    file.write_text(file.read_text("utf-8").replace("<unused5>", "<unusedX>"), "utf-8")
    assert cache.digest([file]) != before


def test_a_file_that_changed_a_moment_ago_is_hashed_each_time(gemma, monkeypatch):
    monkeypatch.setattr(cache, "_SMALL_BYTES", 0)
    cache.digest([gemma / "tokenizer.json"])
    assert not (cache.cache_folder() / "digests.json").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", "null", '{"a": 1}', "[" * 10_000, '{"FILE": [[1], "x"]}', '{"FILE": "x"}']
)
def test_a_damaged_list_of_digests_is_not_believed(gemma, monkeypatch, content):
    monkeypatch.setattr(cache, "_SMALL_BYTES", 0)
    file = gemma / "tokenizer.json"
    expected = cache.digest([file])
    cache.cache_folder().mkdir(parents=True)
    (cache.cache_folder() / "digests.json").write_text(content.replace("FILE", str(file)))
    assert cache.digest([file]) == expected


def test_old_tables_are_removed(gemma, monkeypatch):
    monkeypatch.setattr(cache, "_MAX_TABLES", 1)
    encode(gemma)
    change_json(gemma / "tokenizer_config.json", lambda values: values.update(add_bos_token=True))
    encode(gemma)
    assert len([*cache.cache_folder().glob("*.table")]) == 1


def test_a_tokenizer_of_another_model_is_an_error_each_time(gemma, table):
    class Small(AnyShape):
        def require_vocabulary(self, tokens, folder):
            raise ModelError(f"{tokens} tokens are another model's")

    tokenizer = open_tokenizer(gemma, Small())
    for _ in range(2):
        with pytest.raises(ModelError, match="2500 tokens"):
            tokenizer.encode(TEXTS)
