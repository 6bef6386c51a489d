"""Options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import click

from clipsearch.cli.command import LOOK_FOR, ORDER, OTHER, OUTPUT, WHERE, WHICH_PHOTOS, flag, gathered, grouped, option
from clipsearch.types import Condition, Query, Term

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

POSITIVE = click.IntRange(1)
_INDEX = "The index, or its photo folder. Default: the nearest at or above"


def complete_folder(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Have the shell complete a folder."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, type="dir")]


def complete_file(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Have the shell complete a file or folder."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, type="file")]


def _index_option(text: str) -> Any:
    return option(
        "--index",
        "index_folder",
        envvar="CLIPSEARCH_INDEX",
        metavar="DIR",
        heading=WHERE,
        shell_complete=complete_folder,
        help=text,
    )


def count_option(*names: str, default: int, heading: str, help: str, least: int = 1) -> Any:
    """An option for a number, which --help shows with its default."""
    kind = click.IntRange(least)
    return option(*names, type=kind, default=default, metavar="N", show_default=True, heading=heading, help=help)


def model_option(text: str = "The index's model, if it has moved.") -> Any:
    """--model, and what it chooses."""
    return option("--model", metavar="NAME|PATH", heading=WHERE, help=text)


def folder_option(text: str, heading: str = OTHER) -> Any:
    """--in, for one folder, and its help."""
    return option("--in", "folder", metavar="FOLDER", heading=heading, shell_complete=complete_folder, help=text)


index_option = _index_option(f"{_INDEX} this folder, then the one used last.")
new_index_option = _index_option(f"{_INDEX} the first folder, then a new one in it.")
device_option = option(
    "--device",
    default="auto",
    metavar="NAME",
    heading=WHERE,
    help="Run the model on auto (default), cpu, cuda, mps, ...",
)
jobs_option = option("--jobs", type=POSITIVE, metavar="N", help="Photos decoded at once. Default: one a core.")
prune_option = flag("--prune", "Confirm that photos which are gone leave, however many.")
json_option = option("--json", "as_json", is_flag=True, heading=OUTPUT, help="Print one JSON object.")
paths_option = flag("--paths", "Print only the paths, one a line.", OUTPUT)
print0_option = option(
    "-0", "--print0", is_flag=True, heading=OUTPUT, help="Print only the paths, each ended by a NUL."
)

_order = partial(option, heading=ORDER)


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Which hits of a search are shown, and in which order."""

    min_score: float | None = option(
        "--min-score",
        type=click.FloatRange(-1, 1),
        metavar="S",
        heading=WHICH_PHOTOS,
        help="Only photos with at least this cosine score.",
    )
    diverse: bool = flag("--diverse", "Leave out near-copies of better photos.", WHICH_PHOTOS)
    keep_own: bool = flag("--keep-own", "Keep the query's own image and its copies.", WHICH_PHOTOS)
    top_k: int = count_option("-k", "--top-k", default=10, heading=ORDER, help="How many photos to show.")
    page: int = _order("--page", type=POSITIVE, default=1, metavar="N", help="Page number, starting at 1.")
    offset: int = _order(
        "--offset", type=click.IntRange(0), default=0, metavar="N", help="Skip this many photos first."
    )
    sort: Literal["score", "date", "name"] = _order(
        "--sort",
        type=click.Choice(["score", "date", "name"]),
        default="score",
        metavar="ORDER",
        help="score (best first, the default), date or name.",
    )
    exact: bool = flag("--exact", "Search every photo, also after `clipsearch optimize`.", WHERE)

    def query(self, terms: tuple[Term, ...], filters: tuple[Condition, ...], **others: Any) -> Query:
        """The query with these options, and others of its fields."""
        offset = self.offset + (self.page - 1) * self.top_k
        shared = {name: getattr(self, name) for name in ("min_score", "diverse", "sort", "keep_own", "exact")}
        return Query(terms, filters, offset=offset, **shared, **others)


search_options = gathered("search", SearchOptions)


def prompt_options(texts: str) -> Any:
    """--prompt, for such texts, and --ensemble; a command gets all templates as one argument, `prompts`."""
    prompts = option(
        "--prompt",
        "prompts",
        multiple=True,
        metavar="TEMPLATE",
        heading=LOOK_FOR,
        help=f"Put {texts} into this, such as 'a photo of a {{}}'.",
    )
    ensemble = flag("--ensemble", "Average over several templates.", LOOK_FOR)
    return grouped("prompts", {"prompts": prompts, "ensemble": ensemble}, _all_prompts)


def _all_prompts(prompts: tuple[str, ...], ensemble: bool) -> tuple[str, ...]:
    if not ensemble:
        return prompts
    from clipsearch.encoders.prompts import ENSEMBLE

    return (*prompts, *ENSEMBLE)
