"""`clipsearch models`."""

from __future__ import annotations

import click

from clipsearch.cli.command import argument, command, verbosity_options
from clipsearch.cli.options import json_option
from clipsearch.cli.output import print_report, say
from clipsearch.render.tables import models_table
from clipsearch.render.text import printable


@click.group(invoke_without_command=True)
def models(as_json: bool = False) -> None:
    """List the models that can be used: quality, cost, size, licence, and whether each is on this machine.

    \b
    clipsearch models
    clipsearch models pull openai/clip-vit-base-patch32
    """
    if click.get_current_context().invoked_subcommand:
        return
    from clipsearch.encoders.registry import model_rows

    rows = model_rows()
    print_report(as_json, {"models": rows}, models_table(rows))


@command()
def pull(model: str = argument("model", metavar="ID")) -> None:
    """Download a checkpoint before it is needed. After an interruption, run it again to continue.

    \b
    clipsearch models pull openai/clip-vit-base-patch32
    """
    from clipsearch.encoders import canonical_name, find_checkpoint
    from clipsearch.encoders.registry import MINI
    from clipsearch.encoders.text_models import find_text_checkpoint, is_text_model

    model = canonical_name(model)
    if model == MINI:
        say("mini ships with clipsearch; there is nothing to download\n")
        return
    if is_text_model(model):
        folder = find_text_checkpoint(model).folder
    else:
        folder, _ = find_checkpoint(model)
    say(f"{model} is in {printable(str(folder))}\n")


models.add_command(pull)
json_option(models)
models.params += verbosity_options()
