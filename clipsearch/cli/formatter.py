"""The width of --help, which fits a narrow terminal too: commands that are too long go on in a second line of the shell.

A comment cannot go on there, so it comes before its command. Topics are fitted in the same way.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from textwrap import fill

import click
from click.formatting import wrap_text

_NARROWEST = 20  # columns
_ONE_COLUMN = 58  # columns; with fewer, an option's help is below its name
_EXAMPLES = "\b"  # click does not wrap the paragraph after it
_COMMENT = re.compile(r"\s+# ")
_ROW = re.compile(r"(\s*\S+(?: \S+)*  +)(.*)")
_WORD = re.compile(r"""\s*(?:"[^"]*"|'[^']*'|[^\s"'])+""")


class HelpFormatter(click.HelpFormatter):
    """click's, without its least width of 50 columns."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        if width is None:
            width = max(min(shutil.get_terminal_size().columns, max_width or 80) - 2, _NARROWEST)
        super().__init__(indent_increment, width, max_width)

    def getvalue(self) -> str:
        """The whole text, without the blanks that click leaves at the end of a long usage."""
        return "\n".join(line.rstrip() for line in super().getvalue().split("\n"))

    def write_text(self, text: str) -> None:
        """Write paragraphs; commands and definitions that do not fit are folded, each in its own way."""
        room = self.width - self.current_indent
        paragraphs = text.split("\n\n")
        for place, paragraph in enumerate(paragraphs):
            if paragraph.lstrip().startswith(_EXAMPLES):
                lines = paragraph.split("\n")
                paragraphs[place] = "\n".join(_fitted_line(line, room) for line in lines)
        super().write_text("\n\n".join(paragraphs))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names and texts in two columns, or below each other."""
        if self.width >= _ONE_COLUMN:
            super().write_dl(rows, col_max, col_spacing)
            return
        indent, further = " " * self.current_indent, " " * (self.current_indent + 4)
        for name, text in rows:
            name = name.strip()
            if len(name) > self.width - self.current_indent:  # a flag and its opposite
                name = name.replace(" / ", f" /\n{indent}")
            self.write(f"{indent}{name}\n")
            if text:
                self.write(f"{_wrapped(text, self.width, further, further)}\n")


def fitted(text: str, width: int) -> str:
    """A topic for a terminal of `width` columns: paragraphs, lists, tables and commands are wrapped, each in its own way."""
    blocks = []
    for block in text.strip("\n").split("\n\n"):
        lines = block.split("\n")
        if all(len(line) <= width for line in lines):
            blocks.append(block)
        elif block.startswith(("    ", "- ")):
            blocks.append("\n".join(_fitted_line(line, width) for line in lines))
        else:
            blocks.append(_wrapped(" ".join(lines), width))
    return "\n\n".join(blocks) + "\n"


def _fitted_line(line: str, width: int) -> str:
    """An item of a list, a command, or a row of a table with a name and a text."""
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    if line.startswith("- "):
        return _wrapped(line[2:], width, "- ", "  ")
    if line.lstrip().startswith("clipsearch "):
        return "\n".join(indent + part for part in folded(line.strip(), width - len(indent)).split("\n"))
    row = _ROW.fullmatch(line)
    name, text = (row[1], row[2]) if row else (indent, line.strip())
    if len(name) <= width // 2:
        return _wrapped(text, width, name, " " * len(name))
    below = indent + "    "
    return f"{name.rstrip()}\n{_wrapped(text, width, below, below)}"


def _wrapped(text: str, width: int, first: str = "", others: str = "") -> str:
    """A text on lines of a width, which begin so. Words with hyphens are names of options, so they stay whole."""
    return fill(text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


class Context(click.Context):
    """What click knows of a run, with this formatter."""

    formatter_class = HelpFormatter


def folded(command: str, width: int) -> str:
    r"""A command on several lines of `width` columns at most, if its words allow it; all but the last end with a backslash.

    A comment after it is on lines of its own before it.
    """
    command, *comment = _COMMENT.split(command, maxsplit=1)
    above = [line + "\n" for text in comment for line in wrap_text(text, width, "# ", "# ").splitlines()]
    lines = [""]
    for word in _WORD.findall(command):
        if lines[-1] and len(lines[-1]) + len(word) + 2 > width:
            lines.append("    " + word.lstrip())
        else:
            lines[-1] += word
    return "".join(above) + " \\\n".join(lines)
