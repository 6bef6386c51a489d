"""Commands in messages are right and harmless: if pasted into the same shell, they act on the index in question."""

import ast
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

import clipsearch.cli
from clipsearch._internal.commands import command, quoted, with_index
from clipsearch.cli import cli
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.hints import completed, hint, use
from tests.cli.running import run_here
from tests.conftest import index_with_colours, save_photo

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="another shell")


@pytest.fixture(scope="module")
def far_photos(tmp_path_factory):
    """Three photos, one of them twice, and a broken file, indexed."""
    far = tmp_path_factory.mktemp("far") / "of mine"
    for colour in ("red", "green", "blue"):
        save_photo(far / f"{colour}.jpg", colour)
    (far / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    shutil.copy(far / "red.jpg", far / "same.jpg")
    assert index_with_colours(far).failed == 1
    return far


@pytest.fixture
def lost(far_photos, encoder, tmp_path):
    """An index elsewhere with a broken file, a missing photo and a new photo; another index here; and an empty folder."""
    far = shutil.copytree(far_photos, tmp_path / "far photos" / "of mine")
    remember_index(far / ".clipsearch")
    save_photo(tmp_path / "near" / "grey.jpg", "grey")
    (tmp_path / "empty").mkdir()
    return far


def proposed(text):
    """The commands in a message: they are between backticks, or after a colon."""
    matches = re.findall(r"`(clipsearch [^`]+)`|: (clipsearch (?:[^\n;.`]|\.(?=\S))+)", text)
    return [shlex.split(quoted or bare) for quoted, bare in matches]


def assert_for(index, lines, at_least=1):
    assert len(lines) >= at_least
    for line in lines:
        assert line[1] in cli.list_commands(None) and "--index" in line, line
        assert Path(line[line.index("--index") + 1]) == index, line


@pytest.mark.parametrize("here", ["near", "empty", "deleted"])
@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["status"], 2),
        (["index"], 1),
        (["duplicates", "--exact", "-q"], 1),
        (["index", "FAR/nowhere-indexed"], 0),
        (["doctor"], 1),
        (["index", "GONE"], 1),
        (["forget", "elsewhere"], 1),
    ],
)
def test_a_hint_names_the_index_where_another_or_none_is_near(lost, here, arguments, count, tmp_path):
    index, folder = lost / ".clipsearch", tmp_path / here
    if here == "near":
        assert run_here("index", folder, cwd=folder)[0] == 0
    elif here == "deleted" and sys.platform == "win32":
        pytest.skip("a folder in use cannot be deleted there")
    if "duplicates" in arguments:
        os.remove(lost / "same.jpg")
    save_photo(lost / "new.jpg", "yellow")
    gone = tmp_path / "other photos"
    if "GONE" in arguments:
        save_photo(gone / "x.jpg", "yellow")
        run_here("index", gone, "--index", index, cwd=tmp_path)
        shutil.rmtree(gone)
    for name, path in (("FAR", lost), ("GONE", gone), ("elsewhere", tmp_path / "empty")):
        arguments = [word.replace(name, str(path)) for word in arguments]
    folder.mkdir(exist_ok=True)
    _, output, errors = run_here(*arguments, "--index", lost, cwd=folder, gone=here == "deleted")
    if count:
        assert_for(index, proposed(output.decode() + errors), count)


def test_a_hint_is_short_where_the_index_is_the_nearest_or_the_one_of_the_environment(lost, tmp_path):
    for folder, environment in ((lost, {}), (tmp_path, {"CLIPSEARCH_INDEX": str(lost)})):
        output = run_here("status", cwd=folder, **environment)[1].decode()
        assert "see: clipsearch failures\n" in output


def test_a_hint_names_the_index_used_last_since_another_may_be_soon(lost, tmp_path):
    output = run_here("status", cwd=tmp_path / "empty")[1].decode()
    assert f'see: clipsearch failures --index "{lost / ".clipsearch"}"\n' in output


def test_commands_in_messages_of_the_library_are_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = tmp_path / "it's mine" / ".clipsearch"
    use(index)
    try:
        assert hint("failures") == f"clipsearch failures --index {shlex.quote(str(index))}"
        message = completed(
            "damaged; `clipsearch verify` says what, `clipsearch forget 'a b'` and `clipsearch models pull x`"
        )
    finally:
        use(None)
    lines = [shlex.split(line) for line in re.findall("`([^`]+)`", message)]
    assert_for(index, lines[:2], 2)
    assert lines[1][:3] == ["clipsearch", "forget", "a b"] and lines[2] == ["clipsearch", "models", "pull", "x"]
    assert with_index("`clipsearch index A --index B`", index) == "`clipsearch index A --index B`"
    assert completed("`clipsearch verify`") == "`clipsearch verify`"
    assert (
        with_index("`clipsearch verify` `clipsearch index`", index, near=True)
        == "`clipsearch verify` `clipsearch index`"
    )
    assert "--index" in with_index("`clipsearch index s3://x --ray local`", index, near=True)


@POSIX
@pytest.mark.parametrize(
    "word", ["a", "a b", "a'b", 'a"b c', "$HOME x", "a\\b", "`x`", "ü é", "a!b c", "-x", "*", "~/x y"]
)
def test_a_quoted_word_is_one_word_for_a_shell(word):
    assert shlex.split(command("query", word)) == ["clipsearch", "query", word]


@POSIX
def test_a_word_of_other_bytes_is_quoted_for_a_shell():
    assert quoted(os.fsdecode(b"a\xff\n'b")) == r"$'a\xff\x0a\'b'"


def test_messages_of_the_library_put_commands_between_backticks_or_make_them():
    """Commands in messages are between backticks, so that the command line can add `--index` to them."""
    bare = []
    for path in Path(clipsearch.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                names = "|".join(cli.list_commands(None))
                if re.search(rf"(?<![`\w])clipsearch ({names})\b(?! FOLDER)", node.value):
                    bare.append(f"{path.name}:{node.lineno}: {node.value}")
    allowed = ('query "a dog on a beach"',)  # this command does not depend on an index
    assert [line for line in bare if not any(text in line for text in allowed)] == []


# Without an index


def test_an_index_that_is_not_there_is_proposed_to_be_made_as_it_was_named(tmp_path, photos):
    nowhere = tmp_path / "no where"
    for arguments in (
        ["query", "dog"],
        ["status"],
        ["label", "--label", "x"],
        ["duplicates"],
        ["verify"],
        ["export", "x.npy"],
    ):
        status, _, errors = run_here(*arguments, "--index", nowhere, cwd=tmp_path)
        assert status == 2 and f'clipsearch index PHOTOS --index "{nowhere}"' in errors
    assert run_here("index", "--index", nowhere, cwd=tmp_path)[0] == 2 and not nowhere.exists()
    errors = run_here("query", "dog", "--index", photos, cwd=tmp_path)[2]
    assert errors.endswith(f"To index the photos in that folder: clipsearch index {quoted(photos)}\n")
    errors = run_here("query", "dog", "--index", photos / ".clipsearch", cwd=tmp_path)[2]
    assert f"clipsearch index {quoted(photos)}\n" in errors
    errors = run_here("query", "dog", cwd=tmp_path, CLIPSEARCH_INDEX=nowhere)[2]
    assert "from $CLIPSEARCH_INDEX" in errors


def test_a_folder_below_an_indexed_one_is_no_index_but_may_be_searched(lost, tmp_path):
    (lost / "trip").mkdir()
    errors = run_here("query", "red", "--index", lost / "trip", cwd=tmp_path)[2]
    inside = run_here("query", "red", "--index", lost / ".clipsearch" / "segments", cwd=tmp_path)[2]
    assert f"name its folder: --index {quoted(lost / '.clipsearch')}\n" in inside
    assert "To index the photos in that folder" in run_here("query", "red", "--index", "..", cwd=lost)[2]
    around = [quoted(lost / part) for part in (".clipsearch", "trip")]
    assert f"--index {around[0]} --in {around[1]}" in errors


def test_a_file_is_no_index(lost, tmp_path):
    catalog = lost / ".clipsearch" / "catalog.sqlite"
    for arguments in (["query", "x"], ["index", lost], ["index"], ["pull", "--store", "milvus://127.0.0.1:1/x"]):
        status, _, errors = run_here(*arguments, "--index", catalog, cwd=tmp_path)
        assert status == 2 and f'is a file; give its folder: --index "{catalog.parent}"' in errors


@pytest.mark.parametrize("last", [True, False])
def test_index_in_a_folder_without_an_index_does_not_touch_the_one_used_last(lost, last, tmp_path):
    if not last:
        remember_index(tmp_path / "nothing")
    save_photo(lost / "new.jpg", "yellow")
    status, output, errors = run_here("index", cwd=tmp_path / "empty")
    assert status == 2 and output == b"" and "clipsearch index ." in errors
    assert (f'clipsearch index --index "{lost / ".clipsearch"}"' in errors) == last
    assert not (tmp_path / "empty" / ".clipsearch").exists()
    assert b"1 new" in run_here("status", "--index", lost, cwd=tmp_path)[1]


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_index_asks_on_a_terminal_before_it_indexes_the_current_folder(lost, answer, status, tmp_path, monkeypatch):
    here = tmp_path / "near"
    monkeypatch.setattr("clipsearch.cli.choose_index._can_ask", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: answer.strip())
    assert run_here("index", cwd=here)[0] == status
    assert (here / ".clipsearch").exists() == (status == 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["query", "red"], ["similar", "FAR/red.jpg"], ["duplicates", "--exact"], ["label", "--label", "red"], ["stats"],
        ["status"], ["failures"], ["verify"], ["export", "x.npy"], ["forget", "FAR/red.jpg"], ["optimize", "--remove"],
        ["repair"],
    ],
)  # fmt: skip
def test_a_command_says_which_index_answers_where_it_is_not_the_nearest(lost, arguments, tmp_path):
    words = [word.replace("FAR", str(lost)) for word in arguments]
    note = f"note: no index at or above the current folder; using {lost / '.clipsearch'}, as last time"
    assert note in run_here(*words, cwd=tmp_path / "empty")[2]
    words = [word.replace("red.jpg", "green.jpg") if word.startswith(str(lost)) else word for word in words]
    assert note not in run_here(*(word.replace("x.npy", "y.npy") for word in words), cwd=lost)[2]


# Missing folders


def test_a_mistyped_folder_is_no_folder_and_gets_the_nearest_name(lost, tmp_path):
    (lost / "Flickr").mkdir()
    for name, arguments in (("flikr", ["--prune"]), ("flikr", []), ("flickr2/a", [])):
        status, _, errors = run_here("index", lost / name, *arguments, cwd=tmp_path)
        assert status == 2 and "there is no folder" in errors and f"did you mean {lost / 'Flickr'}?" in errors
        assert "--prune" not in errors
    (tmp_path / "Łódź").mkdir()  # as people type it without a Polish keyboard
    assert f"did you mean {tmp_path / 'Łódź'}?" in run_here("index", "Lodz", cwd=tmp_path)[2]
    assert "did you mean" not in run_here("index", lost / "xyz", cwd=tmp_path)[2]


def test_an_index_is_not_taken_for_a_folder_of_photos(lost, tmp_path):
    index = lost / ".clipsearch"
    status, output, errors = run_here("index", index, cwd=tmp_path)
    assert (status, output) == (2, b"")
    assert f"{index} is an index; to update it: {command('index', index=index)}" in errors


def test_an_indexed_folder_that_is_gone_may_be_pruned(lost, tmp_path):
    save_photo(lost / "trip" / "a.jpg", "yellow")
    run_here("index", lost, cwd=tmp_path)
    shutil.rmtree(lost / "trip")
    status, _, errors = run_here("index", lost / "trip", cwd=tmp_path)
    assert status == 1 and "was indexed and is not there now" in errors and "--prune" in errors
    assert run_here("index", lost / "trip", "--prune", cwd=tmp_path)[0] == 0


# Unknown commands


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "a dog"], 'Did you mean: clipsearch query "a dog"'),
        (["find", "dog", "-k", "5"], "Did you mean: clipsearch query dog -k 5"),
        (["quer", "dog"], "Did you mean: clipsearch query dog"),
        (["serch", "dog"], "Did you mean: clipsearch query dog"),
        (["a dog"], 'To search for these words: clipsearch query "a dog"'),
        (["a", "dog", "on", "a", "beach"], 'clipsearch query "a dog on a beach"'),
        (["a dog", "-k", "3"], 'clipsearch query "a dog" -k 3'),
        (["PHOTOS"], "is a folder, not a command. To index its photos: clipsearch index"),
        (["PHOTOS/red.jpg"], "is a file, not a command. To find photos like it: clipsearch similar"),
        (["cats / dogs"], 'To search for these words: clipsearch query "cats / dogs"'),
        (["./nowhere"], "nor a file or folder of that name"),
        (["remove", "x"], "clipsearch forget x"),
        (["duplicate"], "Did you mean: clipsearch duplicates"),
        (["--json", "query", "dog"], "options come after the command: clipsearch query dog --json"),
        (["--index", "x", "query", "dog"], "clipsearch query dog --index x"),
        (["help", "quer"], "did you mean: clipsearch help query"),
        (["help", "search"], "did you mean: clipsearch help query"),
        (["--nonsense"], "there is no option --nonsense\nsee 'clipsearch --help'"),
        (["status", "PHOTOS"], "clipsearch status --index PHOTOS"),
        (["duplicates", "dog"], "`duplicates` does not take 'dog' as an argument"),
        (["label", "a dog"], 'clipsearch label --label "a dog"'),
        (["browse", "dog"], "clipsearch query dog"),
        (
            ["query", "PHOTOS"],
            'is a folder; to search only there, add what to look for: clipsearch query "a dog" --in PHOTOS',
        ),
        (["query", "dog", "PHOTOS"], "clipsearch query dog --in PHOTOS"),
        (
            ["query", "trips/"],
            'trips/ is a folder; to search only there, add what to look for: clipsearch query "a dog" --in trips/',
        ),
        (["query", "dog", "trips/2024"], "clipsearch query dog --in trips/2024"),
        (["query", "dog", "trips/my cats"], 'clipsearch query dog --in "trips/my cats"'),
        (
            ["query", "cats", "/", "dogs"],
            '/ is a folder; to search for these words, quote them together: clipsearch query "cats / dogs"',
        ),
        (["query", "/"], "/ is a folder; describe the photo you are looking for\n"),
        (["query", "a dog", "PHOTOS/red.jpg"], 'clipsearch query "a dog" + PHOTOS/red.jpg'),
        (
            ["query", "a dog", "-people"],
            'no option -people. To leave people out, put a space after the minus: clipsearch query "a dog" - people',
        ),
        (["query", "a dog", "-", "-2:kids"], 'clipsearch query "a dog" - 2:kids'),
        (["query", "a dog", "-kids", "--json"], 'clipsearch query "a dog" --json - kids'),
        (["query", "-quiet", "street"], "clipsearch query street - quiet"),
        (["query", "a dog", "-k", "ids"], "'ids' is not a whole number"),
        (["query", "a dog", "--people"], "there is no option --people"),
        (["query", "/no/such/folder"], "there is no file /no/such/folder; to search for these words, quote them"),
        (["similar", "PHOTOS"], "is a folder; give a picture"),
        (["index", "PHOTOS", "--wait", "5m"], "--wait is in seconds"),
        (["index", ""], "has an empty name; for the current folder, give ."),
        (["index", "PHOTOS", " "], "has an empty name"),
        (["clipsearch", "query", "dog"], "Did you mean: clipsearch query dog"),
    ],
)
def test_a_command_that_is_none_is_told_with_what_was_probably_meant(photos, arguments, message, tmp_path):
    for name in ("2024", "my cats"):
        (tmp_path / "trips" / name).mkdir(parents=True)
    words = [word.replace("PHOTOS", str(photos)) for word in arguments]
    status, output, errors = run_here(*words, cwd=tmp_path)
    assert status == 2 and output == b"" and message.replace("PHOTOS", str(photos)) in errors


@pytest.mark.parametrize(
    ("texts", "note"),
    [
        (["cats / dogs"], ""),
        (["a black and white cat /"], ""),
        (["dog; rm -rf /"], ""),
        (["cats + /"], ""),
        (["--like", "cats / dogs"], ""),
        (
            ["the road to FOLDER/"],
            'in this folder: `clipsearch query "the road to" --paths -k 1 --in FOLDER/`',
        ),
        (["red + FOLDER/"], "in this folder: `clipsearch query red --paths -k 1 --in FOLDER/`"),
        (["red", "-", "a car in ./FOLDER"], '`clipsearch query red - "a car in" --paths -k 1 --in ./FOLDER`'),
        (
            ["a dog like red.jpg"],
            'To search by this picture, too: `clipsearch query "a dog like" + red.jpg --paths -k 1`',
        ),
    ],
)
def test_a_path_within_a_quoted_text_is_searched_as_a_word(photos_with_mini, texts, note):
    (photos_with_mini / "FOLDER").mkdir(exist_ok=True)
    status, output, errors = run_here("query", *texts, "--paths", "-k", "1", cwd=photos_with_mini)
    assert status == 0 and output and "--in /\n" not in errors
    assert note in errors if note else "note: / " not in errors


def test_an_index_without_photos_does_not_become_the_one_used_last(lost, tmp_path):
    assert run_here("index", tmp_path / "empty", cwd=tmp_path)[0] == 0
    assert f"using {lost / '.clipsearch'}" in run_here("status", cwd=tmp_path)[2]


def test_an_index_used_last_that_is_not_there_now_is_named(lost, tmp_path):
    os.rename(lost, tmp_path / "elsewhere")
    status, _, errors = run_here("status", cwd=tmp_path)
    assert status == 2 and f"and the last used one, {lost / '.clipsearch'}, is not there now. Make one with" in errors


def test_help_and_version_are_commands_too(tmp_path):
    def output_of(*arguments):
        status, output, errors = run_here(*arguments, cwd=tmp_path)
        assert status == 0, errors
        return output

    assert output_of("version") == output_of("-V") == output_of("--version")
    assert output_of("help") == output_of("-h") == output_of("--help")
    assert output_of("help", "query") == output_of("query", "-h") == output_of("query", "--help")
    assert output_of("help", "models", "pull") == output_of("models", "pull", "--help")
    assert output_of("help", "help") and output_of("help", "version")


def test_an_index_whose_catalog_is_gone_is_damaged_and_gets_no_empty_one(lost):
    """Otherwise `index` would be proposed, and refuse the empty catalog that it has just made."""
    (lost / ".clipsearch" / "catalog.sqlite").unlink()
    asked = (("query", "dog"), ("verify",), ("repair",), ("status",), ("index", "."), ("index",))
    for typed in (*asked, ("query", "dog", "--index", os.fspath(lost))):
        status, output, errors = run_here(*typed, cwd=lost)
        assert (status, output) == (4, b"") and "catalog.sqlite cannot be read (it is missing)" in errors, typed
    status, output, _ = run_here("doctor", cwd=lost)
    assert b"state                damaged" in output and status == 4
    assert not (lost / ".clipsearch" / "catalog.sqlite").exists()
