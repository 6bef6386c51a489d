"""`clipsearch models`."""

from __future__ import annotations

import click

from clipsearch.cli.command import command, verbosity_options
from clipsearch.cli.options import json_option
from clipsearch.cli.output import print_json, say


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the models that can be used: quality, cost, size, licence, and whether each is on this machine.

    \b
    clipsearch models
    clipsearch models pull openai/clip-vit-base-patch32
    """
    if context.invoked_subcommand:
        return
    from clipsearch.encoders.registry import model_rows
    from clipsearch.render.tables import models_table

    rows = model_rows()
    if as_json:
        print_json({"models": rows})
    else:
        say(models_table(rows))


@command()
@click.argument("model", metavar="ID")
def pull(model: str) -> None:
    """Download a checkpoint before it is needed. After an interruption, run it again to continue.

    \b
    clipsearch models pull openai/clip-vit-base-patch32
    """
    from clipsearch.encoders import find_checkpoint
    from clipsearch.encoders.registry import MINI
    from clipsearch.render.text import printable

    if model == MINI:
        say("mini ships with clipsearch; there is nothing to download\n")
        return
    folder, _ = find_checkpoint(model)
    say(f"{model} is in {printable(str(folder))}\n")


models.add_command(pull)
models.params += verbosity_options()
