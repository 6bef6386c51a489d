"""`clipsearch index`."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipsearch._internal.commands import quoted, with_flags
from clipsearch.cli.backend import store_option
from clipsearch.cli.choose_index import folders_to_index, index_to_write
from clipsearch.cli.command import OUTPUT, WHERE, PathText, argument, command, flag, gathered, option
from clipsearch.cli.complete import complete_folder
from clipsearch.cli.exit_status import ExitStatus, ended
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.hints import hint
from clipsearch.cli.interrupt import interruptible
from clipsearch.cli.options import (
    POSITIVE,
    device_option,
    jobs_option,
    json_option,
    model_option,
    new_index_option,
    prune_option,
)
from clipsearch.cli.output import (
    broken_at_words,
    current_folder,
    is_quiet,
    note,
    note_failures,
    print_report,
    remark,
    terminal_width,
)
from clipsearch.cli.progress import ProgressBar
from clipsearch.cli.push import push_to, show_push
from clipsearch.cli.waiting import Patience, wait_option
from clipsearch.errors import QueryError, SyncRefused
from clipsearch.images.files import ReadLimits
from clipsearch.indexing.default_excludes import because
from clipsearch.indexing.rule_changes import RuleChanges
from clipsearch.render.index_preview import preview_text, preview_to_json
from clipsearch.render.json_output import reasons_to_json
from clipsearch.render.skipped import excluded_lines, lacking_lines, skipped_lines
from clipsearch.render.text import counted, human_bytes, joined_counts, printable
from clipsearch.store.catalog_file import NEXT, has_catalog

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.indexing.model_change import ModelChange
    from clipsearch.indexing.report import SyncReport
    from clipsearch.milvus.push import PushReport

_FILES = "Which files"
_CLUSTER = "With a cluster or a vector database"
_READING = "reading text"
_limit = partial(option, show_default=True, heading=_FILES)


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How an index is made or brought up to date."""

    hidden: bool | None = option(
        "--hidden/--no-hidden", help="Look into hidden files and folders too; remembered.", heading=_FILES, default=None
    )
    default_excludes: bool | None = option(
        "--default-excludes/--no-default-excludes",
        help="Skip recycle bins, thumbnails and the like (default: yes); remembered.",
        heading=_FILES,
        default=None,
    )
    follow_links: bool | None = option(
        "--follow-links/--no-follow-links",
        help="Enter folders that are symbolic links; remembered.",
        heading=_FILES,
        default=None,
    )
    exclude: tuple[str, ...] = option(
        "--exclude", "GLOB", "Skip files and folders of this name; remembered, repeatable.", _FILES, multiple=True
    )
    no_exclude: tuple[str, ...] = option(
        "--no-exclude", "GLOB", "No longer skip what --exclude GLOB skips; repeatable.", _FILES, multiple=True
    )
    paranoid: bool = flag("--paranoid", "Read every photo, even if its size and time are unchanged.", _FILES)
    retry: bool = flag("--retry", "Try all files again that failed (`clipsearch failures`).", _FILES)
    newest_first: bool = flag("--newest-first", "Take new photos by the time of their files, the latest first.", _FILES)
    date_from_files: bool | None = option(
        "--date-from-files/--no-date-from-files",
        help="Photos without a date get their file's; remembered.",
        heading=_FILES,
        default=None,
    )
    ocr: bool | None = option(
        "--ocr/--no-ocr", help="Read the text in photos, for --text; remembered.", heading=_FILES, default=None
    )
    max_seconds: float = _limit(
        "--max-seconds", "S", "Time limit for decoding a photo.", type=click.FloatRange(0.1), default=30
    )
    max_megapixels: float = _limit(
        "--max-megapixels", "N", "Size limit for a photo.", type=click.FloatRange(1), default=160
    )
    model: str | None = model_option("The model for a new index, or to change that of an index.")
    keep_old: bool = flag("--keep-old", "With --model: keep the index of the model before.", WHERE)
    device: str = device_option
    precision: str = option(
        "--precision",
        "KIND",
        "fp32, bf16, int8, or auto (default): the fastest of them that measures as good as fp32.",
        WHERE,
        type=click.Choice(["auto", "fp32", "bf16", "int8"]),
        default="auto",
    )
    index_folder: str | None = new_index_option
    ray: str | None = option(
        "--ray", "ADDRESS", "Index on a Ray cluster: local, auto, HOST:PORT or ray://HOST:PORT.", _CLUSTER
    )
    parts: str | None = option(
        "--parts",
        "DIR|URL",
        "With --ray: where workers put their results. Default: the index.",
        _CLUSTER,
        type=PathText(),
    )
    store: str | None = store_option("Then push to a vector database:", variable=False)
    take_over: bool = flag("--take-over", "With --store: replace what another copy of this index pushed.", _CLUSTER)
    prune: bool = prune_option
    dry_run: bool = flag("--dry-run", "Only list what would be indexed and skipped, and why.", OUTPUT)
    watch: bool = flag("--watch", "Keep running, and index whenever something changes.", OUTPUT)
    wait: float | None = wait_option
    jobs: int | None = jobs_option
    batch_size: int | None = option(
        "--batch-size", "N", "Photos encoded at once. Default: 8 a core, 32 to 256 in all.", type=POSITIVE
    )

    def engine_options(self) -> dict[str, Any]:
        """The arguments of SearchEngine.index that every run gets, also those of --watch. UsageError if options clash."""
        if self.parts and not self.ray:
            raise click.UsageError("--parts is for --ray")
        if self.watch and self.ray:
            raise click.UsageError("--watch and --ray exclude each other")
        if self.dry_run and (self.ray or self.watch or self.store):
            raise click.UsageError("--dry-run excludes --ray, --watch and --store")
        if self.newest_first and self.ray:
            raise click.UsageError("--newest-first and --ray exclude each other")
        if self.keep_old and not self.model:
            raise click.UsageError("--keep-old is for --model")
        if self.watch and self.store:
            raise click.UsageError("--watch and --store exclude each other; push again when you want to")
        if self.take_over and not self.store:
            raise click.UsageError("--take-over is for --store")
        if self.store:
            from clipsearch.milvus.address import parse_address
            from clipsearch.milvus.table import require_pymilvus

            parse_address(self.store)  # before an hour of indexing, not after it
            require_pymilvus()
        rules = RuleChanges(self.hidden, self.default_excludes, self.follow_links, self.exclude, self.no_exclude)
        options: dict[str, Any] = {
            "rules": None if rules == RuleChanges() else rules,
            "jobs": self.jobs,
            "batch_size": self.batch_size,
            "limits": ReadLimits(max_pixels=int(self.max_megapixels * 1_000_000), seconds=self.max_seconds),
        }
        if self.date_from_files is not None:
            if self.ray:
                raise click.UsageError("--date-from-files and --ray exclude each other")
            options["date_from_files"] = self.date_from_files
        if self.ocr is not None:
            if self.ray:
                raise click.UsageError("--ocr and --ray exclude each other; run `clipsearch index --ocr` afterwards")
            options["read_text"] = self.ocr
        if self.newest_first:
            options["newest_first"] = True
        if self.watch:
            from clipsearch.indexing.watch import QUIET, require_watchfiles

            require_watchfiles()  # before an hour of indexing, not after it
            options["settled_for"] = QUIET
        return options


@command(headings={WHERE: "Index and model"})
def index(
    folders: tuple[str, ...] = argument(
        "folders", nargs=-1, metavar="[FOLDER]...", type=PathText(), shell_complete=complete_folder, cls=click.Argument
    ),  # `folders_to_index` says what to write instead of an empty name
    options: IndexOptions = gathered("options", IndexOptions),
    as_json: bool = json_option,
) -> int:
    """Index the photos in folders, or bring their index up to date.

    \b
    clipsearch index ~/Photos
    clipsearch index ~/Photos --exclude '*.png' --model google/siglip2-base-patch32-256
    clipsearch index                       # update the nearest index
    clipsearch index ~/Photos --dry-run    # only list what it would do
    clipsearch index ~/Photos --watch      # again whenever something changes
    clipsearch index ~/Photos --ray local  # on a cluster of this machine

    The index lies in .clipsearch in the first folder, unless there is one at or above it, or --index names another. A folder
    that holds other files, such as photos, keeps an index in its .clipsearch; --index EMPTY is the index itself. Without
    folders, all folders of the index are updated. Unchanged photos cost next to nothing. Ctrl-C keeps what is finished. With
    --ray, FOLDER may also be a URL (s3://...), a .tar or a .parquet.

    If the index has another model than --model, all photos are embedded again. The old index answers until the new one is
    complete.
    """
    from clipsearch.engine import SearchEngine

    engine_options = options.engine_options()
    folders = folders_to_index(folders, options.index_folder)
    folder = index_to_write(folders, options.index_folder, dry_run=options.dry_run)
    if options.dry_run:
        return _dry_run(folder, folders, options, engine_options, as_json)
    with SearchEngine(folder, model=options.model, device=options.device, precision=options.precision) as engine:
        report: SyncReport | None = None
        if options.model and (change := engine.model_change()):
            _announce(change, options, folder)
        try:
            report = _run(engine, folders, options, engine_options)
        except SyncRefused as refusal:  # for example, a drive that is not mounted yet
            if not options.watch:
                raise
            note(f"note: {refusal}")
        else:
            if report.added or report.updated or report.moved or report.unchanged:
                remember_index(engine.index_folder)
            pushed = None
            try:
                if options.store and not report.interrupted:
                    pushed = push_to(engine, options.store, options.prune, options.take_over, options.wait)
            finally:
                _show(report, engine, as_json, pushed, options.model)
            if pushed and not as_json:
                show_push(pushed, as_json)
        if options.watch and not (report and report.interrupted):
            if report and isinstance(rules := engine_options["rules"], RuleChanges):
                engine_options["rules"] = replace(rules, no_exclude=())  # it is done, and no round need say so
            report = _watch(engine, folders, engine_options, as_json)
    if report is None:
        return ExitStatus.OK
    return ended(report.failed or report.unreadable, report.interrupted)


def _dry_run(
    folder: Path, folders: Sequence[str], options: IndexOptions, engine_options: dict[str, Any], as_json: bool
) -> int:
    """Print what a run would do."""
    from clipsearch.encoders import canonical_name
    from clipsearch.engine import SearchEngine

    with SearchEngine(folder, model=options.model, precision=options.precision) as engine, interruptible() as cancel:
        preview = engine.preview(
            *folders,
            rules=engine_options["rules"],
            limits=engine_options["limits"],
            prune=options.prune,
            paranoid=options.paranoid,
            retry=options.retry,
            cancel=cancel,
        )
        former = engine.model_name if has_catalog(folder) else None
    value = {"index": str(folder), **preview_to_json(preview)}
    text = preview_text(preview, current_folder(), terminal_width())
    print_report(as_json, value, broken_at_words(text, sys.stdout))
    note_failures(preview.unreadable)
    if options.model and former not in (None, model := canonical_name(options.model)):
        remark(f"the model of the index would change from {former} to {model}, so all photos are embedded again")
    if preview.refusal:
        note(preview.refusal)
    return ExitStatus.ERROR if preview.refusal else ExitStatus.OK


def _run(
    engine: SearchEngine, folders: Sequence[str], options: IndexOptions, engine_options: dict[str, Any]
) -> SyncReport:
    """Index once, on this machine or on a cluster."""
    with ProgressBar() as bar, interruptible() as cancel:
        arguments = {
            "prune": options.prune,
            "paranoid": options.paranoid,
            "retry": options.retry,
            "progress": _shown_on(bar),
            "cancel": cancel,
            "on_busy": Patience(options.wait),
            "keep_empty": options.watch or options.store is not None,
            **engine_options,
        }
        if not options.ray:
            arguments["text_progress"] = partial(bar.show, stage=_READING)
            return engine.index(*folders, change_model=True, keep_old=options.keep_old, **arguments)
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints what its nodes say
            return engine.index_on_cluster(*folders, ray=options.ray, parts=options.parts, **arguments)


def _announce(change: ModelChange, options: IndexOptions, folder: Path) -> None:
    """Say what a change of the model means. QueryError if it cannot be done with these options."""
    if options.ray:
        raise QueryError(
            f"the index has the model {change.former}, and --ray cannot change that. Leave --ray out, or make another index: "
            "--index DIR"
        )
    if is_quiet():
        return
    start = (
        f"{counted(change.done, 'photo')} {'is' if change.done == 1 else 'are'} embedded already"
        if change.done
        else "all photos are embedded again"
    )
    note(
        f"the model of the index changes from {change.former} to {change.model}: {start}, and the old index answers until the "
        f"new one is complete, which needs about {human_bytes(change.bytes)} "
        f"({human_bytes(shutil.disk_usage(folder).free)} are free)"
    )


def _shown_on(bar: ProgressBar) -> Callable[[SyncReport, int, int], None]:
    return lambda report, done, total: bar.show(done, total, failed=report.failed)


def _watch(engine: SearchEngine, folders: tuple[str, ...], options: dict[str, Any], as_json: bool) -> SyncReport | None:
    """Index again after every change until Ctrl-C; what the last round did."""
    from clipsearch.indexing.watch import Watch

    def update(changed: Sequence[str]) -> SyncReport:
        with ProgressBar() as bar, interruptible() as cancel:
            shown: dict[str, Any] = {"progress": _shown_on(bar), "text_progress": partial(bar.show, stage=_READING)}
            return engine.index(
                *changed, **shown, keep_empty=True, cancel=cancel, on_busy=Patience(math.inf), **options
            )

    watch = Watch(
        engine.index_folder, folders, options["rules"], update=update, notice=lambda text: note(f"note: {text}")
    )
    remark("waiting for changes; Ctrl-C ends this")
    report = None
    for report in watch.rounds():
        changes = _changes(report, (report.failed, "failed"))
        if as_json and changes:
            _show(report, engine, as_json)
        elif changes:
            remark(f"{time.strftime('%H:%M:%S')} {changes} in {report.seconds:.1f} s")
        if report.interrupted:
            break
    return report


def _show(
    report: SyncReport,
    engine: SearchEngine,
    as_json: bool,
    pushed: PushReport | None = None,
    named: str | None = None,
) -> None:
    """What a run did, on standard output. `named` is the model that the user named."""
    if report.withheld:
        note(
            f"the files of {report.withheld:,} indexed photos have changed and cannot be decoded. Because they are so many, "
            "these photos stay in the index as they were. If a drive is failing, save your photos first. To drop these photos "
            f"from the index, run it again with --prune: `{hint('index')} --prune`"
        )
    note_failures(report.unreadable)
    name = "" if report.no_index else engine.model_name or ""
    value = {"index": None if report.no_index else str(engine.index_folder), "model": name, **asdict(report)}
    del value["no_index"]
    later = {
        key: value.pop(key)
        for key in (
            "unreadable",
            "skipped",
            "links",
            "left_alone",
            "exclude",
            "no_longer_excluded",
            "excluded",
            "excluded_folders",
            "own",
            "left_out",
        )
    }
    later["unreadable"] = reasons_to_json(report.unreadable)
    value |= later
    value |= {"push": asdict(pushed)} if pushed else {}
    print_report(as_json, value, _summary(report, engine, name, named), summary=True)


def _changes(report: SyncReport, last: tuple[int, str]) -> str:
    """What a run did, in a line, with one more count at the end; "" for nothing."""
    new = joined_counts((report.added, "added"), (report.updated, "updated"))
    if report.copied:
        of_both = "of these " if report.added and report.updated else ""
        new += f" ({report.copied:,} {of_both}with content known already)"
    others = [(report.moved, "moved"), (report.removed, "removed"), (report.facts, "with facts read again"), last]
    return ", ".join(filter(None, (new, joined_counts(*others))))


def _summary(
    report: SyncReport, engine: SearchEngine, model: str, named: str | None, no_exclude: Sequence[str] = ()
) -> str:
    nothing = (
        "nothing indexed" if report.interrupted else "nothing to index yet" if report.waiting else "no photos found"
    )
    done = _changes(report, (report.unchanged, "unchanged")) or nothing
    lines = [f"{done} in {report.seconds:.1f} s"]
    if report.left_out:
        gone = sum(report.left_out.values())
        files = "its file stays as it is" if gone == 1 else "their files stay as they are"
        lines.append(f"{counted(gone, 'photo')} left the index {with_flags(because(report.left_out))}; {files}")
    if report.failed or report.known_failures:
        kept = f" ({report.kept:,} of them indexed before, and kept)" if report.kept else ""
        failed = [f"{report.failed:,} could not be read{kept}"] if report.failed else []
        failed += [f"{report.known_failures:,} failed earlier"] if report.known_failures else []
        lines.append(f"{', '.join(failed)}; see: {hint('failures')}")
        lines += lacking_lines(engine.failures())
    if report.unreadable:
        lines.append(f"{len(report.unreadable):,} could not be looked at; see: {hint('failures')}")
    if report.read:
        lines.append(
            f"text read in {counted(report.read, 'photo')}: {report.with_text:,} with some; to find it: query --text"
        )
    if report.not_read:
        lines.append(
            f"the text of {counted(report.not_read, 'photo')} could not be read: {printable(report.not_read_reason)}"
        )
    if report.waiting:
        when = (
            "it is read when it no longer changes"
            if report.waiting == 1
            else "they are read when they no longer change"
        )
        lines.append(f"{report.waiting:,} written just now; {when}")
    if report.placeholders:
        away = counted(report.placeholders, "photo")
        lines.append(f"skipped {away} only in the cloud: download them to index them")
    lines += skipped_lines(report.skipped, report.links, report.left_alone, report.own)
    if report.no_longer_excluded:
        lines.append(f"not excluded any more: {printable(', '.join(map(quoted, report.no_longer_excluded)))}")
    lines += excluded_lines(report.exclude, report.excluded, report.excluded_folders)
    if report.no_index:
        lines.append("no index was made")
    else:
        lines.append(f"index: {printable(str(engine.index_folder))} (model {printable(model)})")
    if report.former_model:
        former = printable(report.former_model)
        lines.append(f"the index has changed its model; before, it was {former}")
        if report.kept_index:
            back = hint("index", "--model", report.former_model)
            lines.append(
                f"the index before is kept; to go back: {back}. To free its room, delete {printable(report.kept_index)}"
            )
    go_on = hint("index")
    if report.next_model:
        change = hint("index", "--model", report.next_model)
        if report.interrupted and named == report.next_model:
            go_on = change
        else:
            new = printable(str(engine.index_folder / NEXT))
            name = printable(report.next_model)
            lines.append(f"its model is being changed to {name}; to finish that: {change}. To drop it, delete {new}")
    if report.interrupted:
        lines.append(f"interrupted with {report.left:,} to go; to go on: {go_on}")
    return "".join(f"{line}\n" for line in lines)
