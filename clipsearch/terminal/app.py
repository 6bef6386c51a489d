"""Search in the terminal, as you type: `BrowseApp`."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import ClassVar

from PIL import Image
from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.widgets import DataTable, Input, Static

from clipsearch._internal.commands import with_flags
from clipsearch.conditions import all_of
from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError
from clipsearch.images.pool import DecoderPool, picture_file
from clipsearch.images.thumbnails import explained
from clipsearch.query.hits import Explanation
from clipsearch.query.language import parse_terms, split_words
from clipsearch.query.relevance import RELEVANT
from clipsearch.query.shots import first_shots
from clipsearch.render.text import counted, human_bytes, minute, printable, with_moment
from clipsearch.terminal.drawing import Drawing
from clipsearch.terminal.lines import QueryLine, WholeFooter, fitted
from clipsearch.terminal.photo_list import PhotoList, PhotoRow
from clipsearch.terms import Query, Term
from clipsearch.types import Box, Failure, ImageFile, ImageRecord

_PAUSE = 0.12  # seconds without a key, before a text is searched
_BOX = Box(320, 320)  # pixels: more than a preview has half-blocks, so that a resize needs no decoding
_HELP = (
    "Down, Up: choose. Enter: open. c: copy the path. s: more like this. + and -: mark right or wrong, and search again. "
    "u: take the last mark back. r: only what matches. f: every file of a shot. a: every moment of a film. /: to the query. "
    "Esc: clear it. q, or Ctrl-C anywhere: quit."
)
_LINES_BESIDE_HELP = 6  # the query and the footer take four, and two are left for the list
_MARKS = {"right": True, "wrong": False}
_OF_A_PHOTO = frozenset({"copy", "mark", "move", "similar"})  # actions
_IN_THE_LIST = frozenset({"all_moments", "ask", "copy", "every_file", "help", "mark", "relevant", "similar", "unmark"})
_MOST_PICTURES = 64  # in memory, 300 kB each


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What the list shows: photos for a text, photos like another one, or the newest.

    `relevant` leaves out what does not match. `every_file` shows all files of a shot, and `all_moments` each moment and page.
    `marks` are the photos that were marked, in order: whether right, and their ids.
    """

    text: str = ""
    like: ImageRecord | None = None
    relevant: bool = False
    every_file: bool = False
    all_moments: bool = False
    marks: tuple[tuple[bool, tuple[int, ...]], ...] = ()

    def marked(self, *, right: bool) -> tuple[int, ...]:
        """The ids that were marked right, or those that were marked wrong."""
        return tuple(image_id for is_right, ids in self.marks if is_right == right for image_id in ids)


class BrowseApp(App[None]):
    """A line for the query, the photos found, and a preview of the chosen one.

    The engine is used and closed in one thread of its own. `show` opens a photo, and returns what the user must know to see its
    moment, or raises ClipsearchError.
    """

    TITLE = "clipsearch"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #query { border: round $primary; }
    #photos { width: 3fr; height: 1fr; }
    #side { width: 2fr; height: 1fr; padding: 0 1; }
    #picture { width: 1fr; height: 1fr; content-align: center middle; }
    #facts { width: 1fr; height: auto; max-height: 8; color: $text-muted; }
    #state { height: auto; padding: 0 1; color: $text-muted; }
    #state.wrong { color: $text-error; }
    .narrow #side { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "quit", priority=True),  # it also works in the query
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("c", "copy", "copy the path"),
        Binding("s", "similar", "more like this"),
        Binding("plus", "mark(True)", "right", key_display="+"),
        Binding("minus", "mark(False)", "wrong", key_display="-"),
        Binding("u", "unmark", "unmark", show=False),
        Binding("r", "relevant", "only relevant"),
        Binding("f", "every_file", "every file"),
        Binding("a", "all_moments", "all moments"),
        Binding("slash", "ask", "query", show=False),
        Binding("escape", "clear", "clear", priority=True),
        Binding("q", "quit", "quit", show=False),
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
    ]

    def __init__(
        self,
        engine: SearchEngine,
        show: Callable[[ImageRecord], str | None],
        query: Query,
        *,
        top_k: int = 50,
        relevant: bool = False,
        every_file: bool = False,
        all_moments: bool = False,
    ) -> None:
        super().__init__()
        self._engine = engine
        self._show = show
        self._query = query  # its terms are replaced by what is typed
        self._top_k = top_k
        self._request = ListRequest(relevant=relevant, every_file=every_file, all_moments=all_moments)
        self._rows: list[PhotoRow] = []
        self._message = ""
        self._searching = ThreadPoolExecutor(1, thread_name_prefix="clipsearch-search")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="clipsearch-preview")
        self._decoder = DecoderPool(_BOX, workers=1)
        self._pictures: OrderedDict[ImageFile, Image.Image | Failure] = OrderedDict()

    def compose(self) -> ComposeResult:
        """The query on top, the photos and the preview in the middle, a message below."""
        yield QueryLine(placeholder="describe the photo you are looking for", id="query")
        with Horizontal():
            yield PhotoList(id="photos")
            with Vertical(id="side"):
                yield Static(id="picture")
                yield Static(id="facts", markup=False)
        yield Static(id="state", markup=False)
        yield WholeFooter()

    def on_mount(self) -> None:
        """Start with the newest photos."""
        self._look_for(self._request)

    async def on_unmount(self) -> None:
        """Close the engine in its own thread, and stop decoding."""
        self._searching.submit(self._engine.close)
        self._decoder.close()
        for thread in (self._searching, self._reading):
            await asyncio.to_thread(thread.shutdown, cancel_futures=False)

    @property
    def _table(self) -> PhotoList:
        return self.query_one(PhotoList)

    @property
    def _chosen(self) -> PhotoRow | None:
        place = self._table.cursor_row
        return self._rows[place] if 0 <= place < len(self._rows) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action can be done now; the footer names no other. Keys of the list are characters in the query."""
        if action in _IN_THE_LIST and isinstance(self.focused, Input):
            return False
        return bool(self._rows) or action not in _OF_A_PHOTO

    def on_resize(self, event: Resize) -> None:
        """Hide the preview if there is no room for it."""
        self.set_class(event.size.width < 70, "narrow")
        self.call_after_refresh(self._show_message)
        self.call_after_refresh(self._preview)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        text = event.value.strip()
        if text != self._request.text:
            self._look_for(replace(self._request, text=text, like=None, marks=()))

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._table.focus()

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self._preview()

    @on(DataTable.RowSelected)
    def _open(self) -> None:
        """Show the chosen photo in the system's viewer."""
        if row := self._chosen:
            try:
                if message := self._show(row.record):
                    self._say(message)
            except (ClipsearchError, OSError) as error:
                self._say(str(error), wrong=True)

    def action_help(self) -> None:
        """Say what the keys do."""
        self._say(_HELP)

    def action_copy(self) -> None:
        """Copy the chosen photo's path. Control characters are escaped, so that pasting it is safe."""
        if row := self._chosen:
            self.copy_to_clipboard(printable(row.record.file.path))
            self._say(f"copied {printable(row.record.file.path)}")

    def action_similar(self) -> None:
        """Show photos like the chosen one."""
        if row := self._chosen:
            request = replace(self._request, text="", like=row.record, marks=())
            with self.prevent(Input.Changed):
                self.query_one(Input).value = ""
            self._look_for(request)

    def action_mark(self, right: bool) -> None:
        """Mark the chosen photo right or wrong, or take that mark back, and search again."""
        row, request = self._chosen, self._request
        if row is None:
            return
        if not request.text and request.like is None:
            self._say("look for something first; + and - mark photos that were found", wrong=True)
            return
        image_id = row.record.image_id
        # The other files of a wrong photo's shot would take its place.
        ids = (image_id,) if right else (image_id, *(other.image_id for other in row.others))
        kept = tuple(mark for mark in request.marks if not set(ids).intersection(mark[1]))
        is_taken_back = (right, ids) in request.marks
        self._look_for(replace(request, marks=kept if is_taken_back else (*kept, (right, ids))))

    def action_unmark(self) -> None:
        """Take the last mark back, and search again."""
        if self._request.marks:
            self._look_for(replace(self._request, marks=self._request.marks[:-1]))

    def action_relevant(self) -> None:
        """Show only photos that match, or all again."""
        request = replace(self._request, relevant=not self._request.relevant)
        if request.text:
            self._look_for(request)
        else:  # the newest, and photos like another one, have no match to go by
            self._request = request
            self._say(f"the next text shows {'only photos that match' if request.relevant else 'all photos'}")

    def action_every_file(self) -> None:
        """Show every file of a shot, or one of each again."""
        self._look_for(replace(self._request, every_file=not self._request.every_file))

    def action_all_moments(self) -> None:
        """Show every moment of a film and every page, or only the best again."""
        self._look_for(replace(self._request, all_moments=not self._request.all_moments))

    def action_ask(self) -> None:
        """Go to the query."""
        self.query_one(Input).focus()

    def action_clear(self) -> None:
        """Clear the query, and show the newest photos."""
        with self.prevent(Input.Changed):
            self.query_one(Input).value = ""
        self.query_one(Input).focus()
        self._look_for(replace(self._request, text="", like=None, marks=()))

    def action_move(self, rows: int) -> None:
        """Choose another photo without leaving the query."""
        self._table.move_cursor(row=self._table.cursor_row + rows)

    def _look_for(self, request: ListRequest) -> None:
        self._request = request
        self._search(request)

    @work(exclusive=True, group="search")
    async def _search(self, request: ListRequest) -> None:
        """Answer a request, unless a newer one cancels this."""
        await asyncio.sleep(_PAUSE if request.text else 0)
        loop = asyncio.get_running_loop()
        try:
            rows, message = await loop.run_in_executor(self._searching, self._answer, request)
        except (ClipsearchError, OSError) as error:
            self._say(str(error), wrong=True)
            return
        is_other = bool(rows) != bool(self._rows)
        self._rows = rows
        self._fill()
        if is_other:
            self.refresh_bindings()
        self._say(message)

    def _answer(self, request: ListRequest) -> tuple[list[PhotoRow], str]:
        """The rows, and a message about them; runs in the engine's own thread."""
        if not request.text and request.like is None:
            rows, count = self._newest(every_file=request.every_file or request.all_moments)
            return rows, f"the newest of {counted(count, 'photo')}" if count else self._nothing()
        like = request.like
        least = RELEVANT if request.relevant and not like else None
        if like:
            term, own = self._engine.like(like)
            terms: tuple[Term, ...] = (term,)
        else:
            terms, own = parse_terms(split_words(request.text)), ()
        query = replace(
            self._query,
            terms=terms,
            min_match=least,
            own=own,
            right=request.marked(right=True),
            wrong=request.marked(right=False),
            one_per_shot=not request.every_file,
            all_moments=request.all_moments,
        )
        hits = self._engine.search(query, self._top_k)
        explained = hits.explanation
        photos = counted(explained.considered, "photo")
        photos += f" like {printable(like.file.name)}" if like else ""
        if not hits:
            if not explained.considered and not request.marks:
                return [], _none(explained)
            match, advice = ("", "") if least is None else (" match", ". r in the list shows all")
            return [], f"none of {photos}{match}{_marks(request)}{_notes(explained)}{advice}"
        photos += " that match" if least is not None else ""
        photos += _marks(request)
        milliseconds = 1000 * sum(explained.seconds.values())
        rows = [PhotoRow(hit.record, hit.score, hit.match, hit.others) for hit in hits]
        moments = len(hits) - len({hit.record.file.path for hit in hits})
        found = counted(len(hits), "moment") if moments else f"{len(hits):,}"
        return rows, f"{found} of {photos}, in {milliseconds:.0f} ms{_notes(explained)}"

    def _nothing(self) -> str:
        """Why there is no photo at all, or none that meets the filters."""
        if not self._query.filters:
            return "there are no photos"
        return _none(self._engine.search(replace(self._query, terms=()), 1).explanation)

    def _newest(self, *, every_file: bool) -> tuple[list[PhotoRow], int]:
        """The rows of the newest photos, and how many photos there are."""
        condition = all_of(self._query.filters)
        if every_file:
            records, count = self._engine.browse(condition, top_k=self._top_k)
            return [PhotoRow(record) for record in records], count
        shots, count = first_shots(
            lambda offset, files: self._engine.browse(condition, offset=offset, top_k=files), self._top_k
        )
        return [PhotoRow(record, others=tuple(others)) for record, *others in shots], count

    def _fill(self) -> None:
        try:
            folder = os.getcwd()
        except OSError:  # it was deleted
            folder = ""
        self._table.fill(self._rows, right=self._request.marked(right=True), folder=folder)
        self._preview()

    def _say(self, text: str, *, wrong: bool = False) -> None:
        state = self.query_one("#state", Static)
        state.set_class(wrong, "wrong")
        self._message = printable(text)
        self._show_message()

    def _show_message(self) -> None:
        """Show the message in as few lines as leave the list its rows. Help, which the user asked for, may take more."""
        height = self.size.height
        lines = height - _LINES_BESIDE_HELP if self._message == _HELP else min(5, (height - 5) // 3)
        state = self.query_one("#state", Static)
        state.update(fitted(self._message, self.size.width - 2, max(1, lines)))

    @work(exclusive=True, group="preview")
    async def _preview(self) -> None:
        """Draw the chosen photo, unless another is chosen first."""
        picture, facts = self.query_one("#picture", Static), self.query_one("#facts", Static)
        row = self._chosen
        if row is None:
            picture.update("")
            facts.update("")
            return
        facts.update(_facts(row))
        loop = asyncio.get_running_loop()
        photo = await loop.run_in_executor(self._reading, self._read, row.record)
        width, height = picture.size.width, 2 * picture.size.height
        if isinstance(photo, Failure):
            picture.update(Text(f"cannot be read: {printable(photo.reason)}", "dim"))
        elif width > 0 and height > 0:
            scale = min(width / photo.width, height / photo.height)
            small = photo.resize((max(1, int(photo.width * scale)), max(1, int(photo.height * scale))))
            picture.update(Drawing(small))

    def _read(self, record: ImageRecord) -> Image.Image | Failure:
        """A photo, decoded in a process that can be stopped, or why it cannot be; runs in a thread of its own."""
        file = picture_file(record)
        if file not in self._pictures:
            (decoded,) = self._decoder.read([file])
            self._pictures[file] = (
                explained(decoded) if isinstance(decoded, Failure) else Image.fromarray(decoded.picture)
            )
            if len(self._pictures) > _MOST_PICTURES:
                self._pictures.popitem(last=False)
        return self._pictures[file]


def _marks(request: ListRequest) -> str:
    """What the message says about the marks."""
    counts = {word: sum(is_right == wanted for is_right, _ in request.marks) for word, wanted in _MARKS.items()}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f", {said}, u unmarks" if said else ""


def _notes(explained: Explanation) -> str:
    """What may surprise in an answer, as sentences after a message."""
    texts = [with_flags(about.message) for about in explained.notes]
    return "".join(f". {text[0].upper()}{text[1:]}" for text in texts)


def _none(explained: Explanation) -> str:
    """That no photo meets the filters, and why; or that there is none."""
    return f"no photo was found{_notes(explained)}" if explained.images else "there are no photos"


def _facts(row: PhotoRow) -> str:
    record, info = row.record, row.record.info
    about = f"{info.width} x {info.height}, {info.format}, {human_bytes(record.file.size)}"
    lines = (
        with_moment(printable(record.file.name), record.moment),
        about,
        "  ".join(part for part in (minute(info.taken_at), printable(info.camera or "")) if part),
        printable(info.caption or ""),
        ", ".join(printable(other.file.name) for other in row.others),
    )
    return "\n".join(line for line in lines if line)
