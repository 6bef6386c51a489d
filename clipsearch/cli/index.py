"""`clipsearch index`."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from clipsearch.cli.backend import store_option
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.find_index import folders_to_index, index_to_write
from clipsearch.cli.hints import hint
from clipsearch.cli.interrupt import interruptible
from clipsearch.cli.options import device_option, json_option, model_option, new_index_option
from clipsearch.cli.output import ProgressBar, note, print_json, say
from clipsearch.cli.push import push_to, show_push
from clipsearch.cli.waiting import CommandThatWaits, Patience, wait_option
from clipsearch.errors import SyncRefused

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.indexing.apply import SyncReport
    from clipsearch.milvus.push import PushReport


@click.command(cls=CommandThatWaits)
@click.argument("folders", nargs=-1, metavar="[FOLDER]...")
@new_index_option
@model_option("The model for a new index: mini, a hub id, or a checkpoint folder (see `clipsearch models`).")
@device_option
@click.option("--hidden", is_flag=True, help="Look into hidden files and folders too.")
@click.option("--no-default-excludes", is_flag=True, help="Look into @eaDir, node_modules and the like too.")
@click.option("--follow-links", is_flag=True, help="Enter folders that are symbolic links.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Skip files and folders of this name; repeatable.")
@click.option("--prune", is_flag=True, help="Confirm that photos which are gone are to leave the index, however many.")
@click.option("--paranoid", is_flag=True, help="Read every photo, also where its size and time have not changed.")
@click.option("--retry", is_flag=True, help="Try every file again that could not be read (see `clipsearch failures`).")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "int8"]),
    default="auto",
    show_default=True,
    help="How pictures are encoded; auto measures on the first 64 which is as good as fp32.",
)
@click.option("--jobs", type=click.IntRange(1), help="Photos decoded at once. Default: one a core.")
@click.option(
    "--batch-size", type=click.IntRange(1), help="Photos encoded at once. Default: eight a core, 32 to 256 in all."
)
@click.option(
    "--max-seconds", type=click.FloatRange(0.1), default=30, show_default=True, help="Time limit for decoding a photo."
)
@click.option(
    "--max-megapixels", type=click.FloatRange(1), default=160, show_default=True, help="Size limit for a photo."
)
@click.option("--watch", is_flag=True, help="Then wait for changes below the folders, and index again; Ctrl-C ends it.")
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Have a Ray cluster do it: local, auto, HOST:PORT or ray://HOST:PORT. FOLDER may then be a URL (s3://...), a .tar "
    "or a .parquet.",
)
@click.option(
    "--parts",
    metavar="DIR|URL",
    help="With --ray: where workers put their results until all is done, for all machines to see. Default: the index.",
)
@store_option("Then push to a vector database, as `clipsearch push` does; not together with --watch.", variable=False)
@click.option("--take-over", is_flag=True, help="With --store: replace what another copy of this index has pushed.")
@wait_option
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")
@json_option
@click.pass_context
def index(
    context: click.Context, folders: tuple[str, ...], index_folder: str | None, model: str | None, device: str, hidden: bool,
    no_default_excludes: bool, follow_links: bool, exclude: tuple[str, ...], prune: bool, paranoid: bool, retry: bool,
    precision: str, jobs: int | None, batch_size: int | None, max_seconds: float, max_megapixels: float, watch: bool,
    ray: str | None, parts: str | None, store: str | None, take_over: bool, wait: float | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Index the photos in folders, or bring their index up to date.

    The index lies in the first folder's own .clipsearch, unless there is one at or above it, or --index names another.
    Without folders, those that the nearest index, or --index, has from before. Unchanged photos cost next to nothing;
    Ctrl-C keeps what is done.

    \b
    clipsearch index ~/Photos
    clipsearch index ~/Photos --exclude '*.png' --model openai/clip-vit-base-patch32
    clipsearch index                      # update the nearest index, at or above this folder
    clipsearch index ~/Photos --watch     # and again whenever something changes there
    clipsearch index ~/Photos --ray local  # on a Ray cluster, here one of this machine alone
    """
    from clipsearch.cli.find_index import remember_index
    from clipsearch.engine import SearchEngine
    from clipsearch.images.files import ReadLimits
    from clipsearch.indexing.walk import WalkRules

    rules = None
    if hidden or no_default_excludes or follow_links or exclude:
        rules = WalkRules(hidden=hidden, defaults=not no_default_excludes, follow_links=follow_links, exclude=exclude)
    limits = ReadLimits(max_pixels=int(max_megapixels * 1_000_000), seconds=max_seconds)
    options: dict[str, Any] = {"rules": rules, "jobs": jobs, "batch_size": batch_size, "limits": limits}
    if parts and not ray:
        raise click.UsageError("--parts is for --ray")
    if watch and ray:
        raise click.UsageError("--watch and --ray exclude each other")
    if watch and store:
        raise click.UsageError("--watch and --store exclude each other; push again when you want to")
    if watch:
        from clipsearch.indexing.watch import QUIET, require_watchfiles

        require_watchfiles()  # before an hour of indexing, not after it
        options["settled_for"] = QUIET
    folders = folders_to_index(folders, index_folder)
    index_in_use = index_to_write(folders, index_folder)
    with SearchEngine(index_in_use, model=model, device=device, precision=precision) as engine:
        report: SyncReport | None = None
        try:
            with ProgressBar(quiet) as bar, interruptible() as cancel:
                once = {
                    "prune": prune,
                    "paranoid": paranoid,
                    "retry": retry,
                    "progress": bar.show,
                    "cancel": cancel,
                    "on_busy": Patience(wait),
                    **options,
                }
                if ray:
                    with contextlib.redirect_stdout(sys.stderr):  # Ray prints what its nodes say
                        report = engine.index_on_cluster(*folders, ray=ray, parts=parts, **once)
                else:
                    report = engine.index(*folders, **once)
        except SyncRefused as refusal:  # a drive that is not mounted yet, say
            if not watch:
                raise
            note(f"note: {refusal}")
        else:
            if report.added or report.updated or report.moved or report.unchanged:
                remember_index(engine.index_folder)
            pushed = None
            try:
                if store and not report.interrupted:
                    pushed = push_to(engine, store, prune=prune, take_over=take_over, wait=wait, quiet=quiet)
            finally:
                _show(report, engine, quiet, as_json, pushed)
            if pushed and not as_json:
                show_push(pushed, quiet, as_json)
        if watch and not (report and report.interrupted):
            report = _watch(engine, folders, options, quiet, as_json)
    if report and report.interrupted:
        context.exit(ExitStatus.INTERRUPTED)
    if report and (report.failed or report.known_failures or report.unreadable):
        context.exit(ExitStatus.SOME_FAILED)


def _show(
    report: SyncReport, engine: SearchEngine, quiet: bool, as_json: bool, pushed: PushReport | None = None
) -> None:
    """What a run did, on standard output."""
    if report.withheld:
        note(
            f"the files of {report.withheld:,} indexed photos have changed and cannot be decoded. Because they are so many, "
            "these photos stay in the index as they were. If a drive is failing, save your photos first. To drop these photos "
            f"from the index, run it again with --prune: `{hint('index')} --prune`"
        )
    for failure in report.unreadable:
        note(f"{failure.file.path}: {failure.reason}")
    name = engine.model_name or ""
    if as_json:
        counts = {key: value for key, value in asdict(report).items() if key != "unreadable"}
        unreadable = [{"path": failure.file.path, "reason": failure.reason} for failure in report.unreadable]
        answer = {"index": str(engine.index_folder), "model": name, **counts, "unreadable": unreadable}
        answer |= {"push": asdict(pushed)} if pushed else {}
        print_json(answer)
    elif not quiet:
        say(_summary(report, str(engine.index_folder), name))


def _watch(
    engine: SearchEngine, folders: tuple[str, ...], options: dict[str, Any], quiet: bool, as_json: bool
) -> SyncReport | None:
    """Index again after every change, for as long as nobody presses Ctrl-C; what the last round did."""
    from clipsearch.indexing.watch import Watch

    def update(some: Sequence[str]) -> SyncReport:
        with ProgressBar(quiet) as bar, interruptible() as cancel:
            return engine.index(*some, progress=bar.show, cancel=cancel, on_busy=Patience(math.inf), **options)

    watch = Watch(
        engine.index_folder, folders, options["rules"], update=update, notice=lambda text: note(f"note: {text}")
    )
    if not quiet:
        note("waiting for changes; Ctrl-C ends this")
    report = None
    for report in watch.rounds():
        done = _changes(report)
        if as_json and done:
            _show(report, engine, quiet, as_json)
        elif not quiet and done:
            note(f"{time.strftime('%H:%M:%S')} {done} in {report.seconds:.1f} s")
        if report.interrupted:
            break
    return report


def _changes(report: SyncReport) -> str:
    """What a round has changed, in a line; "" for nothing."""
    counts = [
        (report.added, "added"),
        (report.updated, "updated"),
        (report.moved, "moved"),
        (report.removed, "removed"),
        (report.failed, "failed"),
    ]
    return ", ".join(f"{count:,} {what}" for count, what in counts if count)


def _summary(report: SyncReport, index_folder: str, model: str) -> str:
    from clipsearch.render.text import printable

    counts = [
        (report.added, "added"),
        (report.updated, "updated"),
        (report.moved, "moved"),
        (report.removed, "removed"),
        (report.unchanged, "unchanged"),
    ]
    done = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    done = done or ("nothing to index yet" if report.waiting else "no photos found")
    if report.copied:
        done += f" ({report.copied:,} with content known already)"
    lines = [f"{done} in {report.seconds:.1f} s"]
    if failed := report.failed + report.known_failures:
        kept = f" ({report.kept:,} of them indexed before, and kept)" if report.kept else ""
        lines.append(f"{failed:,} could not be read{kept}; see: {hint('failures')}")
    if report.waiting:
        lines.append(f"{report.waiting:,} written just now; they are read when they no longer change")
    if report.placeholders:
        lines.append(
            f"{report.placeholders:,} are only in the cloud and were not read; to index them, download them first"
        )
    if report.others:
        lines.append(f"{report.others:,} other files are no pictures")
    lines.append(f"index: {printable(index_folder)} (model {printable(model)})")
    if report.interrupted:
        lines.append(f"interrupted with {report.left:,} to go; what is done is kept. To go on: {hint('index')}")
    return "".join(f"{line}\n" for line in lines)
