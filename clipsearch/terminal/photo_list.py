"""The list of photos in `browse`, at any width of the terminal."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from clipsearch.render.text import day, percent, printable, short_path, short_title
from clipsearch.types import ImageRecord

_NAME_ROOM = 24  # cells: with less for the name, facts give way
_WIDTHS = {"score": 6, "day": 10, "match": 5}  # cells, in the order in which the facts give way


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """A photo in the list, with the other files of its shot. Only search results have a score and a match."""

    record: ImageRecord
    score: float | None = None
    match: float | None = None
    others: tuple[ImageRecord, ...] = ()


class PhotoList(DataTable[Text]):
    """The list, with a footer entry for Enter. Long paths are shortened so that the file's name is seen."""

    DEFAULT_CSS = "PhotoList { scrollbar-size: 0 1; scrollbar-gutter: stable; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "open")]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="row")
        self._photos: Sequence[PhotoRow] = ()
        self._right: Container[int] = ()
        self._folder = ""
        self._drawn_room = 0

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter opens nothing in an empty list."""
        return self.row_count > 0 if action == "select_cursor" else super().check_action(action, parameters)

    def fill(self, photos: Sequence[PhotoRow], *, right: Container[int], folder: str) -> None:
        """Show photos, and choose the first. `right` has the ids that were marked so; paths are relative to `folder`."""
        self._photos, self._right, self._folder = photos, right, folder
        self._draw()

    def on_resize(self) -> None:
        """Fit the columns to the new width, with the same photo chosen."""
        if self.size.width != self._drawn_room:
            place = self.cursor_row
            self._draw()
            self.move_cursor(row=place)

    def _draw(self) -> None:
        self._drawn_room = self.size.width
        padding = 2 * self.cell_padding
        widths = {"#": len(str(len(self._photos))) + any(row.record.image_id in self._right for row in self._photos)}
        widths |= {name: _WIDTHS[name] for name in ("score", "match", "day") if self._has(name)}
        for name in _WIDTHS:
            if self._drawn_room - sum(width + padding for width in widths.values()) - padding < _NAME_ROOM:
                widths.pop(name, None)
        room = max(1, self._drawn_room - sum(width + padding for width in widths.values()) - padding)
        self.clear(columns=True)
        for name, width in {**widths, "photo": room}.items():
            self.add_column(name, width=width)
        for number, row in enumerate(self._photos, 1):
            mark = "+" if row.record.image_id in self._right else ""
            path = printable(short_path(row.record.file.path, self._folder))
            cells = {
                "#": Text(f"{mark}{number}", "dim", justify="right"),
                "score": Text("" if row.score is None else f"{row.score:.4f}", "cyan"),
                "match": Text(percent(row.match), "bold green", justify="right"),
                "day": Text(day(row.record.info.taken_at)),
            }
            self.add_row(
                *(cells[name] for name in widths), Text(short_title(path, row.record.moment, len(row.others), room))
            )

    def _has(self, name: str) -> bool:
        """Whether a photo has a fact, so that its column is needed."""
        if name == "day":
            return any(row.record.info.taken_at for row in self._photos)
        return any((row.score if name == "score" else row.match) is not None for row in self._photos)
