"""Tokenizers from tables that are mapped into memory, which are made from a checkpoint's files once and cached."""

from __future__ import annotations

import contextlib
import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from clipsearch._internal.atomic_files import replacing
from clipsearch._internal.untrusted_files import read_json, read_plain
from clipsearch.encoders.checkpoint import MAX_TOKENIZER_BYTES
from clipsearch.encoders.tokenizers.base import Vocabulary
from clipsearch.encoders.tokenizers.cache import cache_folder, digest, remove_oldest_tables
from clipsearch.encoders.tokenizers.clip import AsciiClipTokenizer, clip_tables, clip_tables_of_model
from clipsearch.encoders.tokenizers.gemma import GemmaTokenizer, gemma_tables
from clipsearch.encoders.tokenizers.library import LibraryTokenizer
from clipsearch.encoders.tokenizers.table_file import TableFile, write_tables
from clipsearch.encoders.tokenizers.word_pieces import PieceTokenizer, piece_tables
from clipsearch.encoders.unread import TextPiece
from clipsearch.errors import ClipsearchError, ModelError

logger = logging.getLogger(__name__)

UNUSABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error)
"""What is raised for a table file that is damaged, and for a tokenizer that does not work as expected."""

_MAX_SPECIAL_TOKENS = 512
_QUICK_BYTES = 8_000_000  # a tokenizer of this size is checked in a tenth of a second, also if no table can be written
_VERSION = 1  # raise it when the tables change
_SAMPLES = (
    "a dog on a beach",
    "The dog's 12 llamas aren't THERE!!  isn't it? x_y-z (1,234.50) #tag @me https://a.b/c?d=e",
    "Zwei Hündinnen im Grünen; œuvre, naïve façade, İstanbul, ΟΔΟΣ",
    "собака на пляже",
    "狗在海滩上\uff0cビーチの犬。해변의 개",
    "สุนัขบนชายหาด كلب على الشاطئ כלב על החוף समुद्र तट पर कुत्ता",
    "🐶👩\u200d👩\u200d👧🏖\ufe0f e\u0301 \u00a0\u2003|\u2028\t\n\n\n\x01 \u2581\u2581\u2581 ﬁ",
    "<eos> a <bos><pad> <|endoftext|> </w> <0x41> <unk>",
    "",
    " ",
    "ha" * 200,
)
"""Texts on which tables have to agree with the library before they are used."""


class CompactTokenizer(Protocol):
    """A tokenizer that knows its limits."""

    @property
    def padding(self) -> int | None:
        """The id of the token for padding, or None if only the library knows."""

    def encode(self, text: str) -> list[int] | None:
        """The ids of a text's tokens, or None if only the library knows."""

    def pieces(self, text: str) -> list[TextPiece] | None:
        """The pieces of a text, or None if only the library knows."""


_FAMILIES: dict[str, Callable[[TableFile], CompactTokenizer]] = {
    "gemma": GemmaTokenizer,
    "clip": AsciiClipTokenizer,
    "pieces": PieceTokenizer,
}
_WITHOUT_MERGES = "pieces"
_LIBRARY = "library"  # in place of a family: the tables of this tokenizer are not to be made again


def open_compact(
    folder: Path, shape: Vocabulary, library: LibraryTokenizer, table: Path | None = None
) -> CompactTokenizer | None:
    """The compact form of a checkpoint's tokenizer, or None. It is made if neither `table` nor the cache has it.

    Raises ModelError if the tokenizer is incomplete, or of another model than one of this shape.
    """
    files = _files(folder)

    def check(header: Mapping[str, Any]) -> None:
        if header["family"] not in (_LIBRARY, _WITHOUT_MERGES):
            _require_merges(header, folder)
            shape.require_vocabulary(header["tokens"], folder)

    try:
        source = digest(files)
    except (OSError, ValueError):  # the library will say what is wrong
        return None
    opened = None if table is None else _open(table, source)
    path = cache_folder() / f"{source[:40]}.table"
    opened = opened or _open(path, source)
    if opened is None and _may_have_tables(files):
        opened = _make(path, source, files, library, check)
    if opened is None:
        return None
    check(opened[0])
    return opened[1]


def write_table(path: Path, folder: Path, shape: Vocabulary) -> None:
    """Write the table of a folder's tokenizer, to be delivered with a model."""
    files = _files(folder)
    _write(path, digest(files), files, LibraryTokenizer(folder, shape))


def _files(folder: Path) -> list[Path]:
    """The files of a folder's tokenizer."""
    choices = ("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",)
    names = next((names for names in choices if all((folder / name).is_file() for name in names)), choices[0])
    config = folder / "tokenizer_config.json"
    return [*(folder / name for name in names), *([config] if config.is_file() else [])]


def _open(path: Path, source: str) -> tuple[dict[str, Any], CompactTokenizer | None] | None:
    """A cached table's header and tokenizer; None if the cache has no table of this source."""
    try:
        file = TableFile(path)
        if {name: file.header[name] for name in _header(source)} != _header(source):
            raise ValueError("it was made from other files, or by another version")
        family = file.header["family"]
        return file.header, None if family == _LIBRARY else _FAMILIES[family](file)
    except FileNotFoundError:
        return None
    except UNUSABLE as error:
        logger.info("%s is not used: %s", path, error)
        return None


def _make(
    path: Path,
    source: str,
    files: Sequence[Path],
    library: LibraryTokenizer,
    check: Callable[[Mapping[str, Any]], None],
) -> tuple[dict[str, Any], CompactTokenizer | None] | None:
    """Make a table, and open it. None if it cannot be written: making it takes longer than loading the library."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing([path], force=True) as (unfinished,):
            unfinished.touch()  # a folder without permission is noticed before the work
            check(_write(unfinished, source, files, library))
            if not _agrees(unfinished, library):
                write_tables(unfinished, {**_header(source), "family": _LIBRARY}, {}, {})
            if digest(files) != source:
                raise ClipsearchError("the tokenizer's files have changed meanwhile")
        remove_oldest_tables()
    except ModelError:
        raise
    except (OSError, ClipsearchError) as error:
        logger.info("%s cannot be written: %s", path, error)
        if sum(file.stat().st_size for file in files) < _QUICK_BYTES:
            with contextlib.suppress(*UNUSABLE):
                family, (header, *_) = _tables(files, library)
                check({**header, "family": family})
        return None
    return _open(path, source)


def _write(path: Path, source: str, files: Sequence[Path], library: LibraryTokenizer) -> dict[str, Any]:
    """Write the table of a tokenizer, or one that says that the library has to be used. Returns its header."""
    header: dict[str, Any]
    try:
        family, (header, tables, arrays) = _tables(files, library)
        header = {**header, **_header(source), "family": family}
        write_tables(path, header, tables, arrays)
    except OSError:
        raise
    except UNUSABLE as error:
        logger.info("%s is left to the tokenizers library: %s", files[0], error)
        header = {**_header(source), "family": _LIBRARY}
        write_tables(path, header, {}, {})
    return header


def _header(source: str) -> dict[str, Any]:
    return {"version": _VERSION, "source": source}


def _tables(files: Sequence[Path], library: LibraryTokenizer) -> tuple[str, Any]:
    """Family, and header, tables and arrays of a tokenizer's files. Raises one of UNUSABLE if it is of no known family."""
    if not _is_byte_pairs(files):
        return "pieces", piece_tables(library.library_tokenizer)
    config = read_json(files[-1], MAX_TOKENIZER_BYTES) if files[-1].name == "tokenizer_config.json" else {}
    content = read_json(files[0], MAX_TOKENIZER_BYTES)
    if files[0].name != "tokenizer.json":
        lines = read_plain(files[1], MAX_TOKENIZER_BYTES).decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
        merges = [line for line in lines if not line.startswith("#version")]
        return "clip", clip_tables_of_model({"vocab": content, "merges": merges})
    if content["model"].get("byte_fallback"):
        return "gemma", gemma_tables(content, config)
    return "clip", clip_tables(content)


def _may_have_tables(files: Sequence[Path]) -> bool:
    """Whether a tokenizer may be of a known family, told without parsing 17 MB of another kind."""
    if files[0].name != "tokenizer.json":
        return True
    content = read_plain(files[0], MAX_TOKENIZER_BYTES)
    return any(kind in content for kind in (b'"BPE"', b'"Unigram"', b'"WordPiece"'))


def _is_byte_pairs(files: Sequence[Path]) -> bool:
    if files[0].name != "tokenizer.json":
        return files[0].name != "vocab.txt"
    return b'"BPE"' in read_plain(files[0], MAX_TOKENIZER_BYTES)


def _agrees(path: Path, library: LibraryTokenizer) -> bool:
    """Whether a table gives sample texts the tokens and pieces that the library gives them."""
    with contextlib.closing(TableFile(path)) as file:
        if file.header["family"] == _LIBRARY:
            return True
        tokenizer = _FAMILIES[file.header["family"]](file)
        results = [(tokenizer.encode(text), tokenizer.pieces(text)) for text in _SAMPLES]
    expected = zip(library.encode(list(_SAMPLES)), map(library.pieces, _SAMPLES), strict=True)
    for text, (ids, pieces), (library_ids, library_pieces) in zip(_SAMPLES, results, expected, strict=True):
        if ids not in (None, library_ids) or pieces not in (None, library_pieces):
            logger.warning(
                "the tables of a tokenizer disagree with the tokenizers library on %r, so they are not used", text
            )
            return False
    return True


def _require_merges(header: Mapping[str, Any], folder: Path) -> None:
    """Raise ModelError if merges are missing: each makes a token, except for bytes and a few special tokens."""
    tokens, merges = header["tokens"], header["merges"]
    if tokens - merges - header["characters"] > 2 * 256 + _MAX_SPECIAL_TOKENS:
        raise ModelError(
            f"{folder}: its tokenizer has {tokens:,} tokens and only {merges:,} merges, so it is incomplete; fetch the "
            "checkpoint again"
        )
