"""The `clipsearch` command: parse flags, call the engine, render, print.

Exit status: 0 fine; 1 wrong use, or an error that is told; 3 finished, but some files failed; 4 the index is damaged;
5 a store does not answer; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from clipsearch import __version__
from clipsearch.errors import ClipsearchError, ClipsearchWarning, StoreUnreachable

ERROR, UNREACHABLE, INTERRUPTED = 1, 5, 130


_COMMANDS = {
    "index": ("indexing.index", "Index the photos in folders, or bring their index up to date."),
    "query": ("searching.query", "Find photos by describing them, by an image, or by both."),
    "similar": ("searching.similar", "Find photos that look like an image."),
    "browse": ("browsing.browse", "Search in the terminal, as you type."),
    "serve": ("serving.serve", "Search in the browser, and answer programs over HTTP."),
    "mcp": ("assistant.mcp", "Let an assistant search: the Model Context Protocol."),
    "label": ("labels.label", "Say which of some labels suits each photo."),
    "duplicates": ("neighbours.duplicates", "Find photos that are copies of each other."),
    "stats": ("neighbours.stats", "Count the photos by year, camera, folder, format."),
    "status": ("indexing.status", "What is indexed, by which model, and whether it is up to date."),
    "failures": ("indexing.failures", "The files that could not be indexed, and why."),
    "forget": ("indexing.forget", "Remove folders from the index, never from the disk."),
    "optimize": ("optimizing.optimize", "Search large indexes sooner: an approximate index, measured."),
    "export": ("transfer.export_command", "Write the photos' embeddings to a file."),
    "import": ("transfer.import_command", "Take embeddings made elsewhere."),
    "push": ("stores.push", "Put the index into a vector database."),
    "pull": ("stores.pull", "Make an index of what a vector database holds."),
    "verify": ("health.verify", "Compare everything in an index with its checksums."),
    "repair": ("health.repair", "Make a damaged index whole again."),
    "doctor": ("doctor.doctor", "Machine, installation and index on one page, for a bug report."),
    "models": ("models.models", "List the models that can be used, and download one."),
    "eval": ("models.eval_command", "Measure a model on captioned photos."),
}
"""Each command, where it is, and what it does: only the one that is asked for is imported."""


class _Commands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, command = _COMMANDS[name][0].split(".")
        found: click.Command = getattr(import_module(f"{__name__}.{module}"), command)
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="clipsearch %(version)s")
def cli() -> None:
    """Search a photo folder by describing the picture. Everything stays on this machine.

    \b
    clipsearch index ~/Photos
    clipsearch query "a dog on a beach"

    Exit status: 0 fine; 1 wrong use or an error; 3 finished, but some files failed; 4 the index is damaged; 5 a store does not
    answer; 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit. Nothing that goes wrong reaches the user as a traceback."""
    # A sentence is too little work to share: with one core busy, two BLAS threads took seven times as long as one. Read when
    # numpy is imported, later; the image models have threads of their own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Web frameworks can send traces, with the queries in them, to where the environment says.
    os.environ["OTEL_SDK_DISABLED"] = "true"
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
        code = UNREACHABLE if isinstance(error, StoreUnreachable) else ERROR
    except OSError as error:  # no space, no rights, a drive that has gone: the system's own words say it best
        click.echo(f"clipsearch: {error}", err=True)
        code = ERROR
    except click.Abort:
        click.echo("\nclipsearch: interrupted", err=True)
        code = INTERRUPTED
    except Exception as error:
        if os.environ.get("CLIPSEARCH_DEBUG"):
            import traceback

            traceback.print_exc()
        click.echo(
            f"clipsearch: unexpected {type(error).__name__}: {error}\nThis is a bug. Run it again with CLIPSEARCH_DEBUG=1 and "
            "report what it prints",
            err=True,
        )
        code = ERROR
    if code == INTERRUPTED and threading.active_count() > 1:  # of a model that is in the middle of a picture
        with contextlib.suppress(OSError):  # whoever read it has gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
