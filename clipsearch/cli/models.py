"""`clipsearch models`."""

from __future__ import annotations

from functools import partial

import click

from clipsearch.cli.command import Option, argument, command, verbosity_options
from clipsearch.cli.complete import complete_model
from clipsearch.cli.formatter import Context
from clipsearch.cli.options import at_most_one, json_option
from clipsearch.cli.output import print_report, sum_up, terminal_width
from clipsearch.cli.progress import ProgressBar
from clipsearch.render.tables import models_table
from clipsearch.render.text import printable


class _Models(click.Group):
    context_class = Context


@click.group(cls=_Models, invoke_without_command=True)
def models(measure: bool = False, as_json: bool = False) -> None:
    """List the models to choose from: how well they find, their speed, download and licence, and which are on this machine.

    \b
    clipsearch models
    clipsearch models --measure
    clipsearch models pull google/siglip2-base-patch32-256
    """
    if subcommand := click.get_current_context().invoked_subcommand:
        at_most_one({"--measure": measure, "--json": as_json, subcommand: True}, "choose one of them")
        return
    from clipsearch.encoders.registry import model_rows

    if measure:
        _measure()
    rows = model_rows()
    print_report(as_json, {"models": rows}, models_table(rows, terminal_width()))


def _measure() -> None:
    from clipsearch.encoders.speeds import measure_speeds, save_speeds

    with ProgressBar(unit=" models") as bar:
        save_speeds(measure_speeds(partial(bar.show, stage="measuring")))


@command()
def pull(model: str = argument("model", metavar="ID", shell_complete=complete_model)) -> None:
    """Download a checkpoint before it is needed. After an interruption, run it again to continue.

    \b
    clipsearch models pull google/siglip2-base-patch32-256
    """
    from clipsearch.encoders import canonical_name, find_checkpoint
    from clipsearch.encoders.recommended import MINI
    from clipsearch.encoders.text_models import find_text_checkpoint, is_text_model

    model = canonical_name(model)
    if model == MINI:
        sum_up("mini ships with clipsearch; there is nothing to download\n")
        return
    if is_text_model(model):
        folder = find_text_checkpoint(model).folder
    else:
        folder, _ = find_checkpoint(model)
    sum_up(f"{model} is in {printable(str(folder))}\n")


models.add_command(pull)
models.params.append(
    Option(
        ["--measure"],
        is_flag=True,
        help="First measure how fast this machine encodes pictures: some minutes, no download.",
    )
)
json_option(models)
models.params += verbosity_options()
