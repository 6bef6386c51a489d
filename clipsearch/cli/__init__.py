"""The `clipsearch` command: parse flags, call the engine, render, print.

Exit status: 0 fine; 1 wrong use, or an error that is told; 3 finished, but some files failed; 4 the index is damaged;
130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from clipsearch import __version__
from clipsearch.cli.doctor import doctor
from clipsearch.cli.health import repair, verify
from clipsearch.cli.indexing import failures, forget, index, status
from clipsearch.cli.labels import label
from clipsearch.cli.models import eval_command, models
from clipsearch.cli.neighbours import duplicates, stats
from clipsearch.cli.searching import query, similar
from clipsearch.cli.transfer import export_command, import_command
from clipsearch.errors import ClipsearchError, ClipsearchWarning

ERROR, INTERRUPTED = 1, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="clipsearch %(version)s")
def cli() -> None:
    """Search a photo folder by describing the picture. Everything stays on this machine.

    \b
    clipsearch index ~/Photos
    clipsearch query "a dog on a beach"

    Exit status: 0 fine; 1 wrong use or an error; 3 finished, but some files failed; 4 the index is damaged; 130 interrupted.
    """


for command in (
    index, query, similar, label, duplicates, stats, status, failures, forget, verify, repair, export_command, import_command,
    models, eval_command, doctor,
):  # fmt: skip
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit. Nothing that goes wrong reaches the user as a traceback."""
    # A sentence is too little work to share: with one core busy, two BLAS threads took seven times as long as one. Read when
    # numpy is imported, later; the image models have threads of their own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", ClipsearchWarning)
    warnings.showwarning = lambda message, *_: click.echo(f"clipsearch: note: {message}", err=True)
    try:
        code = cli.main(arguments, prog_name="clipsearch", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = ERROR
    except ClipsearchError as error:
        click.echo(f"clipsearch: {error}", err=True)
        code = ERROR
    except OSError as error:  # no space, no rights, a drive that has gone: the system's own words say it best
        click.echo(f"clipsearch: {error}", err=True)
        code = ERROR
    except click.Abort:
        click.echo("\nclipsearch: interrupted", err=True)
        code = INTERRUPTED
    except Exception as error:
        if os.environ.get("CLIPSEARCH_DEBUG"):
            traceback.print_exc()
        click.echo(
            f"clipsearch: unexpected {type(error).__name__}: {error}\nThis is a bug. Run it again with CLIPSEARCH_DEBUG=1 and "
            "report what it prints",
            err=True,
        )
        code = ERROR
    sys.exit(code)
