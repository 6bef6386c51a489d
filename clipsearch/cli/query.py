"""`clipsearch query`."""

from __future__ import annotations

import os
import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from clipsearch._internal import commands
from clipsearch._internal.atomic_files import cannot_write
from clipsearch.cli.backend import Backend, backend_options
from clipsearch.cli.command import LOOK_FOR, WHICH_PHOTOS, Command, PathText, argument, command, flag, gathered, option
from clipsearch.cli.complete import complete_file
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.filters import filter_options
from clipsearch.cli.options import Probability, SearchOptions, prompt_options, search_options
from clipsearch.cli.output import is_unread, note, remark, say
from clipsearch.cli.players import note_film
from clipsearch.cli.results import ResultOptions, result_options, show
from clipsearch.conditions import Below, Condition, Either, Test, typed_glob
from clipsearch.errors import ClipsearchError, ImageError, QueryError, UnknownModel
from clipsearch.images.file_types import is_image_name
from clipsearch.query.language import open_quote, parse_terms, shell_words, split_words, without_weight
from clipsearch.render.text import printable
from clipsearch.terms import Query, Term

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clipsearch.cli.typed_line import TypedLine
    from clipsearch.client import Client
    from clipsearch.engine import SearchEngine
    from clipsearch.query.hits import Hits

_part = partial(option, multiple=True, metavar="PART", heading=LOOK_FOR, shell_complete=complete_file)
_photo = partial(
    option, multiple=True, metavar="PHOTO", heading=LOOK_FOR, type=PathText(), shell_complete=complete_file
)
_MARKS = re.compile(r"\s*[+-]\d+(?:\s+[+-]\d+)*\s*")  # "+2 -5": the ranks of hits that are right or wrong


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What to look for, and how well a photo must match it."""

    words: tuple[str, ...] = argument(
        "words", nargs=-1, metavar="PART [+|- PART]...", shell_complete=complete_file, cls=click.Argument
    )  # the query language says what an empty text lacks
    likes: tuple[str, ...] = _part("--like likes", help="The same as + PART, and as - PART; repeatable.")
    unlikes: tuple[str, ...] = _part("--unlike unlikes")
    right: tuple[str, ...] = _photo("--right", help="An earlier hit (path, id) that is right, or wrong.")
    wrong: tuple[str, ...] = _photo("--wrong")
    prompts: tuple[str, ...] = prompt_options("texts")
    smart: bool = flag("--smart", "Read dates, places and people in the text.", LOOK_FOR)
    hybrid: bool = flag("--hybrid", "Also look for the words in the photos' texts.", LOOK_FOR)
    allow_url: bool = flag("--allow-url", "Download a PART that is a web address.", LOOK_FOR)
    relevant: bool = flag("--relevant", "Only photos that match: --min-match 0.5.", WHICH_PHOTOS)
    min_match: float | None = option(
        "--min-match",
        "P",
        "Only photos with at least this match: 0.5 or 50%.",
        WHICH_PHOTOS,
        type=Probability(),
    )

    @property
    def parts(self) -> tuple[str, ...]:
        """The words with their signs, also those of --like and --unlike."""
        signed = [("+", part) for part in self.likes] + [("-", part) for part in self.unlikes]
        return (*self.words, *(word for pair in signed for word in pair))

    @property
    def least_match(self) -> float | None:
        """What --min-match or --relevant says."""
        if self.min_match is not None or not self.relevant:
            return self.min_match
        from clipsearch.query.relevance import RELEVANT

        return RELEVANT


class _QueryCommand(Command):
    """The `query` command. For an unknown option such as `-people`, it explains how a query leaves people out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options and words. A text may begin with a minus and a space, which no option does."""
        given = list(args)
        end = args.index("--") if "--" in args else len(args)
        signed = [word for arg in args[:end] for word in (("-", arg[2:]) if arg.startswith("- ") else (arg,))]
        args = signed + args[end:]
        try:
            return super().parse_args(ctx, args)
        except (click.NoSuchOption, click.BadParameter) as error:
            from clipsearch.cli.suggestions import minus_word

            if message := minus_word(error, given):
                raise click.UsageError(message, ctx) from error
            raise


@command(cls=_QueryCommand)
def query(
    wanted: QueryOptions = gathered("wanted", QueryOptions),
    search: SearchOptions = search_options,
    filters: tuple[Condition, ...] = filter_options,
    results: ResultOptions = result_options,
    backend: Backend = backend_options,
) -> int:
    """Find photos by a description, by an image, or by both.

    \b
    clipsearch query "a dog on a beach"
    clipsearch query giraffe.jpg + "2:snow" - people -k 5
    clipsearch query "mountains" --taken 2019..2024 --orientation landscape
    clipsearch query "a red car" -0 -k 20 | xargs -0 ls -l
    clipsearch query - --json < queries.txt

    A PART is a text or an image file; 2:PART counts it twice. Filters alone list photos. More: clipsearch help query-language.
    """
    question = search.query(
        (),
        filters,
        for_people=results.is_for_people,
        prompts=wanted.prompts,
        min_match=wanted.least_match,
        smart=wanted.smart,
        hybrid=wanted.hybrid,
    )
    if not wanted.parts and not filters:
        raise click.UsageError('describe the photo you are looking for: clipsearch query "a dog on a beach"')
    _require_quoted_pattern(wanted.words, filters)
    with ExitStack() as stack:
        pictures = _Pictures(wanted.allow_url, stack)
        if wanted.parts == ("-",):
            if results.open or results.contact_sheet or results.html:
                raise click.UsageError("--open, --contact-sheet and --html are for one query, not for standard input")
            with backend.opened(results) as engine:
                question = _marked(engine, question, wanted)
                return _answer_lines(engine, question, search.top_k, results, pictures)
        if wanted.parts:
            _remark_options(wanted.words)
            question = replace(question, terms=_terms(wanted.parts, pictures))
        else:
            _remark_without_effect(search, wanted)
        with backend.opened(results) as engine:
            question = _marked(engine, question, wanted)
            text = " ".join(wanted.parts) or _filter_text(question)
            return show(engine.search(question, search.top_k), results, text)


def _remark_without_effect(search: SearchOptions, wanted: QueryOptions) -> None:
    """Say which options do nothing without a text or a picture, if filters alone list photos."""
    if search.sort in ("score", "likely") and _typed_line().has("sort"):
        remark(
            f"note: without a text or a picture there is no {'score' if search.sort == 'score' else 'likely photo'}, so "
            "the newest are first; date, oldest and name sort a list"
        )
    if search.all_moments:
        remark("note: without a text or a picture, --all-moments lists each film, and each file with pages, once")
    for name, is_given in (("--hybrid", wanted.hybrid), ("--prompt or --ensemble", wanted.prompts)):
        if is_given:
            remark(f"note: without a text, {name} does nothing")


def _require_quoted_pattern(words: tuple[str, ...], filters: tuple[Condition, ...]) -> None:
    """Raise UsageError if --name is followed by files: the shell has put them in the place of a pattern without quotes."""
    names = [name for either in filters if isinstance(either, Either) for name in either.conditions]
    first = next((str(name.value) for name in names if isinstance(name, Test) and name.field == "name"), None)
    if first is not None and len(words) > 1 and all(map(os.path.isfile, (first, *words))):
        pattern = _typed_line().with_terms((), "--name", f"*{os.path.splitext(first)[1]}", without=("names",))
        raise click.UsageError(
            f"--name takes one pattern, and here are {len(words) + 1} files: your shell expanded it. Quote it: {pattern}"
        )


def _terms(parts: tuple[str, ...], pictures: _Pictures) -> tuple[Term, ...]:
    """The terms of a command line. A note says how they were read if there are signs within an argument."""
    words = shell_words(parts, os.path.isfile)
    terms = parse_terms(words, pictures.of(parts))
    signs = {"+", "-"}
    inside = [part for part in parts if part not in signs and not os.path.isfile(part)]
    if signed := next((part for part in inside if signs.intersection(split_words(part))), None):
        read = ", ".join(f"{'without' if term.weight < 0 else 'with'} {_shown(term)}" for term in terms)
        literal = commands.quoted(f'"{signed}"')
        remark(f"note: + and - in a text are signs, also in quotes of the shell: {read}. To search for them: {literal}")
    _remark_open_quote(inside, words)
    return terms


def _remark_options(words: Sequence[str]) -> None:
    """Say which words are options that follow a `--`, so that they are searched."""
    names = {name for parameter in click.get_current_context().command.params for name in parameter.opts}
    if options := [word for word in words if word.startswith("-") and word.partition("=")[0] in names]:
        were = "was searched as a word" if len(options) == 1 else "were searched as words"
        remark(f"note: {' and '.join(options)} {were}, because what follows -- is text; put options before the --")


def _remark_open_quote(parts: Sequence[str], words: Sequence[str]) -> None:
    """Say which quote of some texts is not closed. One that was closed in a later argument is in none of the words so."""
    for quoted in map(open_quote, parts):
        if quoted and any(word.endswith(f'"{quoted}"') for word in words):
            remark(f"note: the quote before {quoted} is not closed: what follows it is searched literally")


def _shown(term: Term) -> str:
    return f'"{term.content}"' if isinstance(term.content, str) else str(term.content)


def _filter_text(question: Query) -> str:
    from clipsearch.render.explain import condition_text

    return " and ".join(map(condition_text, question.filters))


def _marked(engine: SearchEngine | Client, question: Query, wanted: QueryOptions) -> Query:
    """The query with the photos of --right and --wrong. QueryError if one is both."""
    right, wrong = ({_photo_id(engine, photo): photo for photo in photos} for photos in (wanted.right, wanted.wrong))
    if both := next((photo for number, photo in right.items() if number in wrong), None):
        raise QueryError(f"{both} is both --right and --wrong; it can only be one of them")
    return replace(question, right=tuple(right), wrong=tuple(wrong))


def _photo_id(engine: SearchEngine | Client, photo: str) -> int:
    """The id of an indexed photo, which is named by its id, its path or a copy's path. QueryError if it is not indexed."""
    if photo.isascii() and photo.isdecimal() and not os.path.exists(photo):
        return int(photo)
    path = os.path.abspath(photo)
    filters = (Below(os.path.dirname(path)), Test("name", "=", os.path.basename(path)))
    for hit in engine.search(Query((), filters), 10):
        if hit.path == path:
            return hit.record.image_id
    if os.path.isfile(path):  # perhaps a copy of an indexed photo
        copies = engine.search(Query((Term(Path(path)),), keep_own=True), 1).explanation.own_photos
        if copies:
            return copies[0].image_id
    raise QueryError(f"{photo} is not in the index; --right and --wrong take the path or the id of a photo that is")


def _mark_hits(question: Query, hits: Hits, line: str) -> Query:
    """The last query, with marks like "+2 -5" on its hits. QueryError for a rank that was not shown."""
    shown = {hit.rank: hit for hit in hits}
    right, wrong = dict.fromkeys(question.right), dict.fromkeys(question.wrong)
    for mark in line.split():
        hit = shown.get(int(mark[1:]))
        if hit is None:
            raise QueryError(f"there is no hit {mark[1:]} to mark; {mark} is about the ranks of the last answer")
        chosen, other = (right, wrong) if mark[0] == "+" else (wrong, right)
        # The other files of a wrong photo's shot would take its place.
        for record in (hit.record, *(hit.others if mark[0] == "-" else ())):
            other.pop(record.image_id, None)
            chosen[record.image_id] = None
    return replace(question, right=tuple(right), wrong=tuple(wrong))


def _answer_lines(
    engine: SearchEngine | Client, question: Query, top_k: int, results: ResultOptions, pictures: _Pictures
) -> int:
    """Answer one query from each line of standard input; the highest exit status of all.

    A line like "+2 -5" marks hits of the last answer as right or wrong, and asks again.
    """
    refused, status, first, found, is_asked = False, int(ExitStatus.OK), True, False, False
    asked: Query = question
    hits: Hits | None = None
    if sys.stdin.isatty():
        remark("type a query and Enter, or +2 -5 to mark hits; Ctrl-D ends")
    for line in sys.stdin.buffer:
        if is_unread():
            break
        text = os.fsdecode(line).rstrip("\r\n")  # as arguments are decoded, because it may be the name of any file
        if not text.strip():
            continue
        is_asked = True
        if results.format == "table":
            say(f"# {printable(text)}\n")
        try:
            if hits is not None and _MARKS.fullmatch(text):
                asked = _mark_hits(asked, hits, text)
            else:
                words = [text] if os.path.isfile(text) else split_words(text)
                _remark_open_quote([text], words)
                asked = replace(question, terms=parse_terms(words, pictures.of([text])))
            hits = engine.search(asked, top_k)
            found = found or bool(hits)
            status = max(status, show(hits, replace(results, fail_if_none=False), text, first=first))
            first = False
        except UnknownModel:  # all lines would fail
            raise
        except (QueryError, ImageError) as error:  # only this line is wrong
            refused = True
            note(str(error))
    if not is_asked:
        remark("standard input has no query; give one a line, or the query in the place of the -")
    if refused:
        raise ClipsearchError("some queries could not be answered; see above")
    return status if found or not results.fail_if_none else max(status, ExitStatus.ERROR)


def _typed_line() -> TypedLine:
    """The command line as typed, for a message."""
    from clipsearch.cli.typed_line import TypedLine  # only if something is wrong

    return TypedLine.current()


def _is_path(text: str) -> bool:
    """Whether a text is written like a path."""
    ends = text.startswith(("/", "./", "../", "~/")) or text.endswith("/")
    return text in (".", "..", "~") or ends or (os.sep != "/" and os.sep in text)


def _is_folder(text: str) -> bool:
    """Whether a text is the path of an existing folder. A bare name does not count: it may be a word."""
    return os.path.isdir(text) and (os.sep in text or _is_path(text))


def _is_picture_path(text: str) -> bool:
    """Whether a text is the path of an existing file, and written like one or like the name of a picture."""
    return os.path.isfile(text) and (_is_path(text) or bool(is_image_name(text)))


def _in_folder(folder: str, text: str, rest: str) -> str:
    """The command that searches only in a folder, for what is left of a text without it."""
    line = _typed_line()
    return line.with_terms(_instead(line, text, rest) or [Term("a dog")], "--in", folder)


def _with_picture(path: str, text: str, rest: str) -> str:
    """The command that searches by a picture and what is left of a text without it."""
    line = _typed_line()
    return line.with_terms(_instead(line, text, rest, Path(path)))


def _instead(line: TypedLine, text: str, *contents: str | Path) -> list[Term]:
    """The terms of a line with other contents in the place of a text, with its sign and weight."""
    terms = line.terms or (Term(text),)  # of standard input, nothing was typed here
    return [
        replace(term, content=content)
        for term in terms
        for content in (contents if term.content == text else (term.content,))
        if content != ""
    ]


def _is_root(folder: str) -> bool:
    """Whether a folder has no folder above it, as /. A search below it leaves out nothing."""
    path = os.path.abspath(folder)
    return os.path.dirname(path) == path


def _refuse_folder(folder: str, text: str, rest: str) -> NoReturn:
    """Raise QueryError for a folder as an argument: the whole of a text, or with the `rest` of it."""
    what = f"{folder} is a folder"
    if not _is_root(folder):
        add = "" if rest else ", add what to look for"
        raise QueryError(f"{what}; to search only there{add}: {_in_folder(folder, text, rest)}")
    if rest:
        line = _typed_line()
        raise QueryError(f"{what}; to search for these words, quote them together: {line.with_terms(line.terms)}")
    raise QueryError(f"{what}; describe the photo you are looking for")


def _refuse_paths(arguments: Sequence[str], text: str) -> None:
    """Raise QueryError if one of the arguments of which a text is made is a file or folder: it would be searched as words."""
    for given in arguments:
        before, found, after = f" {text} ".partition(f" {' '.join(given.split())} ")
        rest = " ".join(f"{before} {after}".split())
        if found and rest and _is_folder(given):
            _refuse_folder(given, text, rest)
        if found and rest and _is_picture_path(given):
            raise QueryError(
                f"{given} is a file; to search for words and a picture, put + between them: "
                f"{_with_picture(given, text, rest)}"
            )


def _remark_paths(text: str) -> None:
    """Say that files and folders within a text were searched as words."""
    words = text.split()
    for place, word in enumerate(words):
        rest = " ".join(words[:place] + words[place + 1 :])
        begin = f"note: {word} was searched as a word. To search"
        if _is_folder(word) and not _is_root(word):
            remark(f"{begin} only in this folder: `{_in_folder(word, text, rest)}`")
        elif rest and _is_picture_path(word):
            remark(f"{begin} by this picture, too: `{_with_picture(word, text, rest)}`")


def _remark_folder_name(last: str, text: str) -> None:
    """Say that the last argument, which was searched as words, is the bare name of a folder.

    If it is all that is looked for, a name of letters only is more likely a word, such as "holiday".
    """
    rest = text.removesuffix(last).rstrip()
    if not text.endswith(last) or not os.path.isdir(last) or _is_folder(last):
        return
    if f"{rest} {last}" == text or (not rest and not last.replace(" ", "").isalpha()):
        search = _in_folder(last, text, rest)
        remark(f"note: {last} is a folder here, but was searched as words. To search only there: `{search}`")


class _Pictures:
    """Tells the pictures in a query from its texts: files and, if allowed, web addresses, downloaded until `stack` ends.

    A folder is refused only if it is an argument of its own: within one, it is one of the words that were typed together.
    """

    def __init__(self, allow_url: bool, stack: ExitStack) -> None:
        self._allow_url = allow_url
        self._stack = stack
        self._fetched: dict[str, Path] = {}

    def of(self, arguments: Sequence[str]) -> Callable[[str], str | Path]:
        """What tells the pictures of these arguments from their texts."""
        return partial(self._picture, [without_weight(argument).strip() for argument in arguments])

    def _picture(self, arguments: Sequence[str], text: str) -> str | Path:
        """The picture that a part of a query names, or its text. QueryError if it names a picture that is not there."""
        if text.lower().startswith(("http://", "https://")) and " " not in text:
            return self._fetch(text)
        if os.path.isfile(text):
            note_film(text)
            return Path(text)
        if _is_folder(text) or (is_image_name(Path(text).name) and os.path.isdir(text)):
            if text in arguments:
                _refuse_folder(text, text, "")
            _remark_paths(text)
            return text
        if " " not in text and (is_image_name(Path(text).name) or _is_path(text)):
            if os.path.exists(text):
                raise QueryError(f"{text} is not a regular file")
            message = f"there is no file {text}; to search for these words, quote them once more: '\"{text}\"'"
            name = Path(text).name
            if is_image_name(name):
                line = _typed_line()
                by_name = line.with_terms(line.without(text), "--name", typed_glob(name), without=("names",))
                message += f". To find indexed photos of this name: `{by_name}`"
            raise QueryError(message)
        if " " in text:
            _refuse_paths(arguments, text)
            _remark_paths(text)
        if arguments:
            _remark_folder_name(arguments[-1], text)
        return text

    def _fetch(self, url: str) -> Path:
        if not self._allow_url:
            raise QueryError(f"{url} is a web address; --allow-url allows downloading the picture there")
        from tempfile import TemporaryDirectory  # not for other queries

        from clipsearch.images.fetch import fetch_image

        if url not in self._fetched:
            data = fetch_image(url)
            path = Path(self._stack.enter_context(TemporaryDirectory(prefix="clipsearch-")), "picture")
            try:
                path.write_bytes(data)
            except OSError as error:
                raise cannot_write(str(path), error) from error
            self._fetched[url] = path
        return self._fetched[url]
