"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import click

from clipsearch._internal.commands import command as shown_command
from clipsearch._internal.commands import with_flags
from clipsearch.cli.command import (
    LOOK_FOR,
    ORDER,
    OTHER,
    OUTPUT,
    WHERE,
    WHICH_PHOTOS,
    Once,
    PathText,
    flag,
    gathered,
    grouped,
    option,
)
from clipsearch.cli.complete import (
    complete_device,
    complete_folder,
    complete_index,
    complete_model,
    complete_text_model,
)
from clipsearch.conditions import Condition
from clipsearch.terms import Query, Term

POSITIVE = click.IntRange(1)
_INDEX = "An index or its photo folder. Default: the nearest at or above"


class Probability(click.types.FloatParamType):
    """A number from 0 to 1, or a percentage as results print it."""

    name = "probability"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. For any other text, a usage error says what to write."""
        text = str(value).strip()
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            number = math.nan
        if not 0 <= number <= 1:
            self.fail(
                f"{value!r} is not a probability; give a number from 0 to 1 or a percentage, as 0.5 or 50%", param, ctx
            )
        return number


class _OneFolder(PathText):
    """A folder's path. Of an option that may be repeated, a value of the environment is one folder, whatever signs it has."""

    def split_envvar_value(self, rv: str) -> list[str]:
        """The one folder."""
        return [rv]


class _Device(click.types.StringParamType):
    """The name of a device. Whether the machine has it shows when a model is loaded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name. A usage error lists what it may be."""
        if value != "auto":
            from clipsearch.encoders.devices import require_device
            from clipsearch.errors import ModelError

            try:
                require_device(value)
            except ModelError as error:
                raise click.UsageError(with_flags(str(error)), ctx) from None
        return value


def _index_option(text: str, names: str = "--index index_folder", **more: Any) -> Any:
    advice = (
        f"One index can hold several folders: `{shown_command('index', 'PHOTOS', 'MORE', index='DIR')}`. "
        f"To search several indexes as they are: `{shown_command('query')} --index A --index B`, or "
        "`SearchEngine.open_many` in Python"
    )
    kind: dict[str, Any] = more or {"cls": Once, "advice": advice}
    kind["type"] = _OneFolder()
    return option(names, "DIR", text, WHERE, envvar="CLIPSEARCH_INDEX", shell_complete=complete_index, **kind)


def count_option(names: str, default: int, help: str, heading: str, least: int = 1) -> Any:
    """An option for a number, which --help shows with its default."""
    return option(names, "N", help, heading, type=click.IntRange(least), default=default, show_default=True)


def model_option(text: str = "The index's model, if it has moved.") -> Any:
    """--model, and what it chooses."""
    return option("--model", "NAME|PATH", text, WHERE, shell_complete=complete_model)


text_model_option = option(
    "--text-model",
    "MODEL",
    'Another model for texts; "none" ends it.',
    WHERE,
    shell_complete=complete_text_model,
)


def folder_option(text: str, heading: str = OTHER) -> Any:
    """--in, for one folder, and its help."""
    return option("--in folder", "FOLDER", text, heading, type=PathText(), shell_complete=complete_folder)


index_option = _index_option(f"{_INDEX} this folder, or the last used one.")
indexes_option = _index_option(
    "Index or its folder; repeatable. Default: nearest.",
    "--index index_folders",
    multiple=True,
)
new_index_option = _index_option(f"{_INDEX} the first folder, then a new one in it.")
device_option = option(
    "--device",
    "NAME",
    "Run the model on auto (default), cpu, cuda or mps.",
    WHERE,
    type=_Device(),
    default="auto",
    shell_complete=complete_device,
)
jobs_option = option("--jobs", "N", "Photos decoded at once. Default: one a core.", type=POSITIVE)
prune_option = flag("--prune", "Confirm that photos which are gone leave, however many.")
json_option = flag("--json as_json", "Print one JSON object.", OUTPUT)
paths_option = flag("--paths", "Print only paths: a line each, or ended by NULs.", OUTPUT)
print0_option = flag("-0 --print0", heading=OUTPUT)


def at_most_one(flags: Mapping[str, bool], advice: str = "choose one way to print the photos") -> list[str]:
    """The flags that are given, at most one. UsageError for more, since all but one would be ignored."""
    given = [name for name, is_given in flags.items() if is_given]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other; {advice}")
    return given


_order = partial(option, heading=ORDER)


_SHARED = ("min_score", "diverse", "all_moments", "sort", "keep_own", "exact")  # names of options and of Query's fields


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Which hits of a search are shown, and in which order."""

    min_score: float | None = option(
        "--min-score", "S", "Only photos with at least this cosine score.", WHICH_PHOTOS, type=click.FloatRange(-1, 1)
    )
    diverse: bool = flag("--diverse", "Leave out near-copies of better photos.", WHICH_PHOTOS)
    one_per_shot: bool = flag("--one-per-shot", "One file of RAW+JPEG or a burst. People get that.", WHICH_PHOTOS)
    every_file: bool = flag("--every-file", "Every file of a shot. Default for programs.", WHICH_PHOTOS)
    all_moments: bool = flag("--all-moments", "Every moment of a film, every page of a file.", WHICH_PHOTOS)
    keep_own: bool = flag("--keep-own", "Keep the query's own image and its copies.", WHICH_PHOTOS)
    top_k: int = count_option("-k --top-k", 10, "How many photos to show.", ORDER)
    page: int = _order("--page", "N", "Page number, starting at 1, or photos to skip.", type=POSITIVE, default=1)
    offset: int = _order("--offset", "N", type=click.IntRange(0), default=0)
    sort: Literal["score", "likely", "date", "oldest", "name"] = _order(
        "--sort",
        "ORDER",
        "score (default), likely, date, oldest or name.",
        type=click.Choice(["score", "likely", "date", "oldest", "name"]),
        default="score",
    )
    exact: bool = flag("--exact", "Search every photo, also in an optimized index.", WHERE)

    def query(
        self, terms: tuple[Term, ...], filters: tuple[Condition, ...], *, for_people: bool, **others: Any
    ) -> Query:
        """The query with these options, and others of its fields. People get one file of each shot if no option says more."""
        for name in ("every_file", "all_moments"):
            if self.one_per_shot and getattr(self, name):
                raise click.UsageError(f"--one-per-shot and --{name.replace('_', '-')} exclude each other")
        one_per_shot = self.one_per_shot or (for_people and not (self.every_file or self.all_moments))
        offset = self.offset + (self.page - 1) * self.top_k
        shared = {name: getattr(self, name) for name in _SHARED}
        return Query(terms, filters, offset=offset, one_per_shot=one_per_shot, **shared, **others)


search_options = gathered("search", SearchOptions)


def prompt_options(texts: str) -> Any:
    """--prompt, for such texts, and --ensemble; a command gets all templates as one argument, `prompts`."""
    prompts = option(
        "--prompt prompts", "TEMPLATE", f"Put {texts} into this, such as 'a photo of a {{}}'.", LOOK_FOR, multiple=True
    )
    ensemble = flag("--ensemble", "Average over several templates.", LOOK_FOR)
    return grouped("prompts", {"prompts": prompts, "ensemble": ensemble}, _all_prompts)


def _all_prompts(prompts: tuple[str, ...], ensemble: bool) -> tuple[str, ...]:
    if not ensemble:
        return prompts
    from clipsearch.encoders.prompts import ENSEMBLE

    return (*prompts, *ENSEMBLE)
