"""The lines around the list of `browse`: the query, the message and the footer. Each fits the room that the terminal has."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Paste
from textual.widgets import Footer, Input
from textual.widgets._footer import FooterKey

_AROUND_A_KEY, _AFTER_ITS_WORD = 2, 1  # columns


class QueryLine(Input):
    """The line for the query, with footer entries for what leads to the photos."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "list"), Binding("down", "app.move(1)", "next")]

    def on_paste(self, event: Paste) -> None:
        """Take all lines of a pasted text, with spaces between them; textual takes the first only."""
        event.prevent_default()
        event.stop()
        lines = (line.strip() if "\n" in event.text else line for line in event.text.splitlines())
        if text := " ".join(filter(None, lines)):
            self.replace(text, *self.selection)


class WholeFooter(Footer):
    """A footer that leaves an entry out if it does not fit; textual cuts it."""

    def compose(self) -> ComposeResult:
        """The entries for which there is room, in their order."""
        room = self.app.size.width
        for entry in super().compose():
            if isinstance(entry, FooterKey):
                width = cell_len(entry.key_display) + _AROUND_A_KEY + cell_len(entry.description) + _AFTER_ITS_WORD
                if width > room:
                    continue
                room -= width
            yield entry

    def on_resize(self) -> None:
        """Choose the entries again."""
        self.refresh(recompose=True)


def fitted(text: str, width: int, lines: int) -> str:
    """A text that takes so many lines of so many columns at most; what is left of a longer one ends in "…"."""
    wrapped = Text(text).wrap(Console(), max(1, width))
    if len(wrapped) <= lines:
        return text
    first, rest = wrapped[: lines - 1], wrapped[lines - 1 :]
    last = Text(" ".join(line.plain.rstrip() for line in rest))
    last.truncate(max(1, width), overflow="ellipsis")
    return "\n".join([*(line.plain.rstrip() for line in first), last.plain])
