"""`clipsearch query`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from clipsearch._internal.atomic_files import cannot_write
from clipsearch._internal.commands import command
from clipsearch.cli.backend import server_option, server_to_ask, store_option, store_to_ask
from clipsearch.cli.filters import filter_options
from clipsearch.cli.find_index import existing_index
from clipsearch.cli.options import device_option, index_option, model_option
from clipsearch.cli.output import note, say
from clipsearch.cli.previews import CommandWithPreview
from clipsearch.cli.results import ResultOptions, result_options, show
from clipsearch.errors import ClipsearchError, ImageError, QueryError

if TYPE_CHECKING:
    from clipsearch.client import Client
    from clipsearch.engine import SearchEngine
    from clipsearch.types import Condition, Query, Sort


_SHARED = (
    click.option("-k", "--top-k", type=click.IntRange(1), default=10, show_default=True, help="How many photos to show."),
    click.option("--offset", type=click.IntRange(0), default=0, help="Pass over so many hits."),
    click.option("--page", type=click.IntRange(1), default=1, help="Pass over so many pages of --top-k, less one."),
    click.option("--min-score", type=click.FloatRange(-1, 1), help="Only hits with at least this cosine."),
    click.option("--diverse", is_flag=True, help="Leave out near-copies of better hits."),
    click.option(
        "--sort", type=click.Choice(["score", "date", "name"]), default="score", show_default=True,
        help="The order of the hits that were found: best, newest or by name.",
    ),
    click.option("--keep-own", is_flag=True, help="Show the query's own picture, and copies of it, too."),
    click.option("--exact", is_flag=True, help="Look at all photos, also where `clipsearch optimize` has made it needless."),
)  # fmt: skip


def _shared(command: Any) -> Any:
    for option in reversed(_SHARED):
        command = option(command)
    where = index_option(server_option(_STORE(model_option(_MODEL)(device_option(command)))))
    return result_options(filter_options(where))


_STORE = store_option("Ask a vector database that an index was pushed to:")
_MODEL = "The model, where it is not to be found under the name the index remembers."


@click.command(cls=CommandWithPreview)
@click.argument("words", nargs=-1, metavar="TEXT|IMAGE [+|- TEXT|IMAGE]...")
@click.option("--like", "likes", multiple=True, metavar="[N:]TEXT|IMAGE", help="The same as + TEXT|IMAGE; repeatable.")
@click.option(
    "--unlike", "unlikes", multiple=True, metavar="[N:]TEXT|IMAGE", help="The same as - TEXT|IMAGE; repeatable."
)
@click.option("--relevant", is_flag=True, help="Only hits that match: --min-match 0.5.")
@click.option(
    "--min-match", type=click.FloatRange(0, 1), help="Only hits with at least this probability of being right."
)
@click.option(
    "--prompt", "prompts", multiple=True, metavar="TEMPLATE", help="Put texts into this, as in 'a photo of a {}'."
)
@click.option("--ensemble", is_flag=True, help="Put texts into several templates, and search by the mean.")
@click.option("--allow-url", is_flag=True, help="Download a picture that the query names by its http(s) address.")
@_shared
def query(
    words: tuple[str, ...], likes: tuple[str, ...], unlikes: tuple[str, ...], relevant: bool, min_match: float | None,
    prompts: tuple[str, ...], ensemble: bool, allow_url: bool, top_k: int, offset: int, page: int, min_score: float | None,
    diverse: bool, sort: Sort, keep_own: bool, exact: bool, filters: tuple[Condition, ...], results: ResultOptions,
    index_folder: str | None, server: str | None, store: str | None, model: str | None, device: str,
) -> None:  # fmt: skip
    """Find photos by describing them, by an image that they should look like, or by both.

    Parts are joined by + and -, each a word of its own; 2:snow counts snow twice; '"2:1"' in double quotes is only text. Prints
    rank, score (the cosine; higher is better), match (the probability of being right), date and path, best first.

    With - as the query, reads one from each line of standard input and answers as it goes: the index and the model stay open,
    and with --json every answer is one line.

    \b
    clipsearch query "a dog on a beach"
    clipsearch query "a cup of coffee" --relevant
    clipsearch query giraffe.jpg -k 5
    clipsearch query "a cat" + "2:on a sofa" - people
    clipsearch query --like cat.png --unlike "a dog" --diverse
    clipsearch query "mountains" --taken 2019..2024 --orientation landscape
    clipsearch query "a boat" --where 'megapixels > 0.3 and not format = png' --sort name
    clipsearch query "a red car" -0 -k 20 | xargs -0 ls -l
    clipsearch query "flowers" --contact-sheet flowers.jpg
    clipsearch query "flowers" -k 100 --html flowers.html
    clipsearch query "flowers" --preview
    clipsearch query "a dog" --server http://127.0.0.1:8100
    clipsearch query "a dog" --store milvus://127.0.0.1:19530/photos
    clipsearch query - --json < queries.txt
    """
    from clipsearch.query.language import parse_terms
    from clipsearch.query.relevance import RELEVANT
    from clipsearch.types import Query

    if ensemble:
        from clipsearch.encoders.prompts import ENSEMBLE

        prompts += ENSEMBLE
    if relevant and min_match is None:
        min_match = RELEVANT
    offset += (page - 1) * top_k
    wish = Query((), filters, prompts, min_score, min_match, offset, diverse, sort, keep_own, exact=exact)
    for sign, others in (("+", likes), ("-", unlikes)):
        words += tuple(part for other in others for part in (sign, other))
    if not words:
        raise click.UsageError('describe the photo you are looking for: clipsearch query "a dog on a beach"')
    with _Pictures(allow_url) as pictures:
        if words == ("-",):
            if results.open or results.contact_sheet or results.html:
                raise click.UsageError(
                    "--open, --contact-sheet and --html are for one query; standard input may hold many"
                )
            with _engine(index_folder, model, device, server, store, results) as engine:
                status = _answer_lines(engine, wish, top_k, results, pictures)
        else:
            wanted = replace(wish, terms=parse_terms(words, pictures.picture))
            with _engine(index_folder, model, device, server, store, results) as engine:
                status = show(engine.search(wanted, top_k), results, " ".join(words))
    click.get_current_context().exit(status)


@contextmanager
def _engine(
    index_folder: str | None,
    model: str | None,
    device: str,
    server: str | None,
    store: str | None,
    results: ResultOptions,
) -> Iterator[SearchEngine | Client]:
    """Who answers: a store, a server, or the index of this machine."""
    address = store_to_ask(store)
    client = None if address else server_to_ask(server, results)
    if client:
        with client:
            yield client
        return
    from clipsearch.cli.find_index import remember_index
    from clipsearch.engine import SearchEngine

    if address:
        with SearchEngine(store=address, model=model, device=device) as engine:
            yield engine
        return
    with SearchEngine(existing_index(index_folder), model=model, device=device) as engine:
        yield engine
        remember_index(engine.index_folder)


def _answer_lines(
    engine: SearchEngine | Client, wish: Query, top_k: int, results: ResultOptions, pictures: _Pictures
) -> int:
    """One query from each line of standard input; the highest exit status of all."""
    from clipsearch.query.language import parse_terms, split_words
    from clipsearch.render.text import printable

    refused, status, first = False, 0, True
    for line in sys.stdin.buffer:
        text = os.fsdecode(line).rstrip("\r\n")  # as arguments are read: it may be any file's name
        if not text.strip():
            continue
        if results.format == "table":
            say(f"# {printable(text)}\n")
        try:
            words = [text] if os.path.isfile(text) else split_words(text)
            hits = engine.search(replace(wish, terms=parse_terms(words, pictures.picture)), top_k)
            status = max(status, show(hits, results, text, first=first))
            first = False
        except (QueryError, ImageError) as error:  # of this line; the next may be better
            refused = True
            note(str(error))
    if refused:
        raise ClipsearchError("some queries could not be answered; see above")
    return status


def _is_path(text: str) -> bool:
    """Whether a text is written as a path is, which words are not."""
    return text in (".", "..", "~") or text.startswith(("/", "./", "../", "~/")) or (os.sep != "/" and os.sep in text)


def _is_folder(text: str) -> bool:
    """Whether a text is the path of a folder that is there. A bare name is not: it may just as well be a word."""
    return os.path.isdir(text) and (os.sep in text or _is_path(text))


class _Pictures:
    """Which parts of a query are pictures: names of files and, if allowed, addresses. What is downloaded goes away again."""

    def __init__(self, allow_url: bool) -> None:
        self._allow_url = allow_url
        self._folder: TemporaryDirectory[str] | None = None
        self._fetched: dict[str, Path] = {}

    def __enter__(self) -> _Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder:
            self._folder.cleanup()

    def picture(self, text: str) -> str | Path:
        """A part of a query as the picture it names, or as it is. QueryError where it names one that is not there."""
        from clipsearch.indexing.walk import is_image_name

        if text.lower().startswith(("http://", "https://")) and " " not in text:
            return self._fetch(text)
        if os.path.isfile(text):
            return Path(text)
        if _is_folder(text):
            raise QueryError(
                f"{text} is a folder; to search only there, add what to look for: {command('query', 'a dog', '--in', text)}"
            )
        if " " not in text and (is_image_name(Path(text).name) or _is_path(text)):
            raise QueryError(f"there is no file {text}; to search for these words, quote them once more: '\"{text}\"'")
        if " " in text:
            self._require_no_paths(text.split())
        return text

    def _require_no_paths(self, words: list[str]) -> None:
        """Raise QueryError if one of several words is an existing file or folder, since it would be searched as text."""
        from clipsearch.indexing.walk import is_image_name

        for word in words:
            rest = " ".join(other for other in words if other != word)
            if _is_folder(word):
                raise QueryError(f"{word} is a folder; to search only there: {command('query', rest, '--in', word)}")
            if os.path.isfile(word) and (_is_path(word) or is_image_name(word)):
                how = command("query", rest, "+", word)
                raise QueryError(f"{word} is a file; to search for words and a picture, put + between them: {how}")

    def _fetch(self, url: str) -> Path:
        if not self._allow_url:
            raise QueryError(f"{url} is an address; --allow-url downloads the picture there, and nothing else does")
        from clipsearch.images.fetch import fetch_image

        if url not in self._fetched:
            self._folder = self._folder or TemporaryDirectory(prefix="clipsearch-")
            path = Path(self._folder.name) / f"{len(self._fetched)}"
            data = fetch_image(url)
            try:
                path.write_bytes(data)
            except OSError as error:
                raise cannot_write(str(path), error) from error
            self._fetched[url] = path
        return self._fetched[url]
