"""The `clipsearch` command: parse options, call the engine, render, print."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from clipsearch import __version__
from clipsearch._internal.early_interrupt import after_the_key
from clipsearch.cli.exit_status import FAIL_IF_NONE, ExitStatus, leave, status_of
from clipsearch.cli.formatter import Context
from clipsearch.cli.hints import index_in_use, use
from clipsearch.cli.output import (
    OutputFailed,
    current_folder,
    finish_output,
    note,
    note_unchanged,
    prepare_streams,
    remark,
    say_aside,
)
from clipsearch.errors import Cancelled, ClipsearchError, ClipsearchWarning, CollectionDamaged

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

FOLDER_GONE = (
    "the current folder was deleted, so relative paths do not work. Change to another folder (cd), or give absolute paths "
    "and --index"
)

_COMMANDS = {
    "index": ("index.index", "Index the photos in folders, or bring their index up to date."),
    "query": ("query.query", "Find photos by describing them, by an image, or by both."),
    "similar": ("similar.similar", "Find photos that look like an image."),
    "browse": ("browse.browse", "Search in the terminal, as you type."),
    "serve": ("serve.serve", "Search in the browser, and answer programs over HTTP."),
    "mcp": ("mcp.mcp", "Let an assistant search: the Model Context Protocol."),
    "label": ("label.label", "Say which of your labels suits each photo."),
    "duplicates": ("duplicates.duplicates", "Find photos that are copies of each other."),
    "albums": ("albums.albums", "The favourites and albums of the page, and their photos' paths."),
    "stats": ("stats.stats", "Count the photos by year, camera, folder, format."),
    "status": ("status.status", "What is indexed, by which model, and whether it is up to date."),
    "failures": ("failures.failures", "The files that could not be indexed, and why."),
    "forget": ("forget.forget", "Remove folders from the index, never from the disk."),
    "optimize": ("optimize.optimize", "Make searches of large indexes faster, with a measured loss."),
    "export": ("export.export", "Write the photos' embeddings to a file."),
    "import": ("import_.import_", "Take embeddings made elsewhere."),
    "push": ("push.push", "Copy the index into a vector database."),
    "pull": ("pull.pull", "Make an index from a vector database."),
    "verify": ("verify.verify", "Compare everything in an index with its checksums."),
    "repair": ("repair.repair", "Make a damaged index whole again."),
    "doctor": ("doctor.doctor", "Machine, installation and index on one page, for a bug report."),
    "models": ("models.models", "List the models that can be used, and download one."),
    "eval": ("eval.eval_", "Measure a model on captioned photos."),
    "completion": ("completion.completion", "Print a script that completes commands in your shell."),
    "help": ("help.help_", "Explain a command or a topic: query-language, filters, ..."),
}
"""Each command: its module and function, and what it does. A module is imported only if its command is called."""

_HIDDEN = {"version": "version.version"}


class _Commands(click.Group):
    context_class = Context

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        location = _COMMANDS[name][0] if name in _COMMANDS else _HIDDEN.get(name)
        if location is None:
            return None
        module, function = location.split(".")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), function)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if arguments[0] not in _COMMANDS and arguments[0] not in _HIDDEN:
            from clipsearch.cli.suggestions import unknown

            raise click.UsageError(unknown(arguments, _COMMANDS), context)
        return super().resolve_command(context, arguments)

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        given = list(arguments)
        try:
            return super().parse_args(context, arguments)
        except click.NoSuchOption as error:
            from clipsearch.cli.command import ARGUMENTS
            from clipsearch.cli.suggestions import options_first

            context.meta[ARGUMENTS] = tuple(given)
            if corrected := options_first(given, _COMMANDS):
                raise click.UsageError(f"options come after the command: {corrected}", context) from error
            raise

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:  # click would begin a new line, in a log too
            raise click.Abort from None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands, without importing them all for their help."""
        from click.shell_completion import CompletionItem

        options = click.Command.shell_complete(self, context, incomplete)
        commands = [CompletionItem(name, help=summary) for name, (_, summary) in _COMMANDS.items()]
        return [item for item in commands if item.value.startswith(incomplete)] + options


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, "-V", "--version", message="clipsearch %(version)s")
def cli() -> None:
    """Search a photo folder by describing the picture. Everything stays on this machine.

    \b
    clipsearch index ~/Photos
    clipsearch query "a dog on a beach"

    Exit statuses: clipsearch help exit-statuses.
    """
    if click.get_current_context().invoked_subcommand is None:
        from clipsearch.cli.start import say_what_is_next

        say_what_is_next()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit. Nothing that goes wrong reaches the user as a traceback."""
    # A sentence is too little work to share: with one core busy, two BLAS threads took seven times as long as one. numpy reads
    # this when it is imported, later; the image models have threads of their own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Web frameworks can send traces, with the queries in them, to where the environment says.
    os.environ["OTEL_SDK_DISABLED"] = "true"
    output = prepare_streams()
    use(None)
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", ClipsearchWarning)
    warnings.showwarning = lambda message, *_: remark(f"note: {message}")
    from clipsearch.cli.logs import logging_to_standard_error

    if "_CLIPSEARCH_COMPLETE" in os.environ:
        import_module(f"{__name__}.completion")  # it knows a shell more than click does
    with logging_to_standard_error():
        status = _run(arguments)
    if status in (ExitStatus.ERROR, ExitStatus.WRONG_USE) and not current_folder():
        note(FOLDER_GONE)
    try:
        finish_output(output)
    except OutputFailed as error:
        if status != ExitStatus.OUTPUT_FAILED:
            note(str(error))
        status = ExitStatus.OUTPUT_FAILED
    leave(status)


def _run(arguments: Sequence[str] | None) -> int:
    """Run a command, and explain what goes wrong; the exit status."""
    try:
        return cli.main(arguments, prog_name="clipsearch", standalone_mode=False) or ExitStatus.OK
    except click.ClickException as error:
        from clipsearch.cli.usage import explain

        note_unchanged(*explain(error))
        if isinstance(error, click.UsageError):
            return ExitStatus.WRONG_USE
    except OutputFailed as error:
        note(str(error))
        return ExitStatus.OUTPUT_FAILED
    except (click.Abort, Cancelled) as error:
        has_new_line = isinstance(error.__cause__, (KeyboardInterrupt, EOFError))  # click has begun one
        say_aside(f"{'' if has_new_line else after_the_key()}clipsearch: interrupted\n")
        return ExitStatus.INTERRUPTED
    except ClipsearchError as error:
        note(_with_what_helps(error))
        if (status := status_of(error)) != ExitStatus.ERROR:
            return status
    except OSError as error:  # no space, no rights, a drive that has gone: the system's own words say it best
        if error.filename is not None or current_folder():
            note(str(error))
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Python 3.11 wraps one while a class is made
            say_aside(f"{after_the_key()}clipsearch: interrupted\n")
            return ExitStatus.INTERRUPTED
        import logging

        if os.environ.get("CLIPSEARCH_DEBUG") or logging.getLogger("clipsearch").isEnabledFor(logging.DEBUG):
            import traceback

            say_aside(traceback.format_exc())
        note(*_unexpected(error))
    # With --fail-if-none, 1 says that no photo was found, as with grep.
    return ExitStatus.WRONG_USE if FAIL_IF_NONE in (sys.argv if arguments is None else arguments) else ExitStatus.ERROR


def _with_what_helps(error: ClipsearchError) -> str:
    """The message of an error. If `repair` can keep nothing of the index in use, it does not propose that."""
    message, index = str(error), index_in_use()
    if index is None or not isinstance(error, CollectionDamaged):
        return message
    from clipsearch.store.validation import without_advice
    from clipsearch.store.verify import beyond_repair

    if (short := without_advice(message)) == message:
        return message
    advice = None
    with contextlib.suppress(ClipsearchError, OSError):
        advice = beyond_repair(index)
    return f"{short}; nothing in {index} can be kept. {advice}" if advice else message


_MEMORY_MESSAGES = ("bad_alloc", "annot allocate memory", "failed to map segment", "can't start new thread")


def _unexpected(error: Exception) -> tuple[str, ...]:
    """The lines for an unexpected error: a lack of memory, which libraries report in many ways, or a bug."""
    if isinstance(error, MemoryError) or any(words in str(error) for words in _MEMORY_MESSAGES):
        return (
            "there is not enough memory for this; close other programs or raise the limit, or do less at once (--jobs, "
            "--batch-size)",
        )
    return (
        f"unexpected {type(error).__name__}: {error}",
        "This is a bug. Run it again with CLIPSEARCH_DEBUG=1 and report what it prints",
    )
