"""Flags that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_INDEX = (
    "The index: its folder, or the photo folder that holds it. Default: $CLIPSEARCH_INDEX, then the nearest .clipsearch"
)


def index_option(command: Any) -> Any:
    """--index, or CLIPSEARCH_INDEX, of a command that needs an index."""
    return _index_option(f"{_INDEX} at or above the current folder, then the index used last.")(command)


def new_index_option(command: Any) -> Any:
    """The same of a command that can make the index."""
    return _index_option(f"{_INDEX} at or above the first folder (or else the current one), then a new one there.")(
        command
    )


def _index_option(what: str) -> Callable[[Any], Any]:
    return click.option("--index", "index_folder", envvar="CLIPSEARCH_INDEX", metavar="DIR", help=what)


def json_option(command: Any) -> Any:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def model_option(what: str) -> Callable[[Any], Any]:
    """--model, saying what it chooses here."""
    return click.option("--model", metavar="NAME|PATH", help=what)


def device_option(command: Any) -> Any:
    """--device."""
    return click.option(
        "--device", default="auto", show_default=True, help="Where a checkpoint runs: auto, cpu, cuda, mps, cuda:1, ..."
    )(command)
