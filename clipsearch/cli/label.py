"""`clipsearch label`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import LOOK_FOR, OUTPUT, FilePath, command, flag, gathered, option
from clipsearch.cli.exit_status import ExitStatus, ended
from clipsearch.cli.files import check_html, force_option, html_option, write_html
from clipsearch.cli.filters import filter_options
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.hints import hint
from clipsearch.cli.options import (
    Probability,
    at_most_one,
    count_option,
    device_option,
    index_option,
    json_option,
    model_option,
    paths_option,
    print0_option,
    prompt_options,
)
from clipsearch.cli.output import (
    OutputFailed,
    current_folder,
    is_unread,
    note,
    print_json,
    print_paths,
    remark,
    remark_summary,
    say,
    terminal_width,
)
from clipsearch.cli.progress import progress_bar
from clipsearch.cli.results import remark_none
from clipsearch.conditions import Condition, all_of
from clipsearch.errors import SidecarError
from clipsearch.render.json_output import labels_to_json
from clipsearch.render.tables import LabelsTable
from clipsearch.render.text import counted
from clipsearch.types import Failure

if TYPE_CHECKING:
    from clipsearch.render.gallery import LabelledPhotos

_LIKELY = 0.5  # as likely right as wrong, as --relevant has it


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """The labels, and how the labelled photos are printed."""

    words: tuple[str, ...] = option("--label words", "TEXT", "A label; repeatable.", LOOK_FOR, multiple=True)
    files: tuple[str, ...] = option(
        "--labels files",
        "FILE",
        'A file of labels, one a line. Lines that begin with "#" are skipped.',
        LOOK_FOR,
        multiple=True,
        type=FilePath(exists=True, dir_okay=False),
    )
    prompts: tuple[str, ...] = prompt_options("labels")
    top_labels: int = count_option("-k --top-labels", 3, "Labels for each photo.", LOOK_FOR)
    min_match: float | None = option(
        "--min-match",
        "P",
        f"Only labels with at least this match, and photos with one. Default: {_LIKELY}, or 50%.",
        LOOK_FOR,
        type=Probability(),
    )
    everything: bool = flag("--all everything", "List all photos, also with unlikely labels.", LOOK_FOR)
    as_json: bool = json_option
    as_jsonl: bool = flag("--jsonl as_jsonl", "Print one JSON object for each photo.", OUTPUT)
    paths: bool = paths_option
    print0: bool = print0_option
    write_sidecar: bool = flag("--write-sidecar", "Add likely labels as keywords to photo.jpg.xmp.", OUTPUT)
    html: str | None = html_option
    force: bool = force_option("--html")
    index_folder: str | None = index_option
    model: str | None = model_option()
    device: str = device_option

    def labels(self) -> list[str]:
        """The labels of --label and --labels, each once. Raises an error for options that make no sense.

        A label that is typed twice is one of them, as in `SearchEngine.label`.
        """
        from clipsearch.analysis.labels import check_labels, read_labels

        at_most_one({"--json": self.as_json, "--jsonl": self.as_jsonl, "--paths": self.paths, "-0": self.print0})
        if self.everything and self.min_match is not None:
            raise click.UsageError("--all and --min-match exclude each other; --all lists labels of any match")
        if not self.words and not self.files:
            raise click.UsageError("there are no labels; give --label TEXT, once or more often, or --labels FILE")
        words = check_labels(self.words) if self.words else []  # files may repeat them, as lists that are shared do
        texts = [*words, *(text for file in self.files for text in read_labels(file))]
        return list(dict.fromkeys(texts))

    @property
    def least_match(self) -> float:
        """The least match of a label."""
        if self.everything:
            return 0.0
        return self.least_written

    @property
    def least_written(self) -> float:
        """The least match of a label that is written as a keyword, also if all are listed."""
        return _LIKELY if self.min_match is None else self.min_match

    @property
    def is_table(self) -> bool:
        """Whether a table for people is all that is made."""
        return not (self.as_json or self.as_jsonl or self.paths or self.print0 or self.html)


@command(headings={LOOK_FOR: "Which labels"})
def label(
    options: LabelOptions = gathered("options", LabelOptions), filters: tuple[Condition, ...] = filter_options
) -> int:
    """Say which of your labels suit which photos, and how likely each is.

    \b
    clipsearch label --label cat --label "a cup of coffee" --label mountains
    clipsearch label --labels labels.txt -k 1 --in ~/Photos/2024
    clipsearch label --labels labels.txt --write-sidecar
    clipsearch label --label receipt --label screenshot --label photo --jsonl
    clipsearch label --label giraffe -0 | xargs -0 ls -l
    clipsearch label --labels labels.txt --html labels.html

    The percentage of a label is its match: the probability that the photo shows it. It can differ from that of
    `clipsearch query`, since the model's templates are put around labels; see --prompt. In JSON, "share" only compares your
    labels with each other: it sums to 1, so one is high even if none suits.

    --write-sidecar makes photo.jpg.xmp beside photo.jpg, or adds to it, for darktable, digiKam, Immich and others. It changes
    no photo, and nothing else in a sidecar. Labels below --min-match are not written; with --all, those below 50%. The next
    `clipsearch index` reads the sidecars. Exit status 3: some could not be written.
    """
    texts = options.labels()
    check_html(options.html, options.force)
    objects: list[dict[str, Any]] = []
    sidecars = _Sidecars()
    output_failed: OutputFailed | None = None
    page: LabelledPhotos | None = None
    if options.html is not None:
        from clipsearch.render.gallery import LabelledPhotos

        page = LabelledPhotos(texts)
    with open_engine(options.index_folder, model=options.model, device=options.device) as engine:
        remember_index(engine.index_folder)
        name, index = engine.model_name or "", str(engine.index_folder)
        templates = options.prompts or (engine.encoder.spec.label_prompts if name else ())
        with progress_bar(total=len(texts) * max(1, len(templates)), unit=" texts", delay=1) as bar:
            images = engine.label(texts, prompts=templates, condition=all_of(filters), progress=bar.update)
        show = _printer(texts, options)
        # On a terminal, the printed lines are progress enough.
        hidden = {"disable": True} if sys.stdout.isatty() and not options.as_json else {}
        summary = sidecars.summed_up() if options.write_sidecar else nullcontext()
        is_empty = True
        with closing(images), summary, progress_bar(unit=" photos", delay=1, **hidden) as bar:
            for image in images:
                is_empty = False
                if is_unread() and not (options.write_sidecar or page):
                    return ExitStatus.OK
                bar.update()
                best = [
                    (texts[label.position], label.match, label.share)
                    for label in image.best(options.top_labels, options.least_match)
                ]
                if not best:
                    sidecars.others += 1
                    continue
                if page:
                    page.add(image.record, best)
                value = labels_to_json(image.record, best)
                if options.write_sidecar:
                    keywords = [text for text, match, _ in best if match >= options.least_written]
                    value["sidecar"] = sidecars.write(image.record.file.path, keywords)
                if options.as_json:
                    objects.append(value)
                elif not output_failed:
                    try:
                        show(value)
                    except OutputFailed as error:
                        if not options.write_sidecar and not page:
                            raise
                        output_failed = error  # sidecars and the page are still completed
        if is_empty:
            remark_none(engine, filters)
    is_usual = options.min_match is None and not options.everything
    if (options.is_table or page) and not options.write_sidecar and sidecars.others and is_usual:
        remark_summary(f"{counted(sidecars.others, 'photo')} without a likely label; --all shows all")
    unread: Sequence[Failure] = ()
    if options.html is not None and page and page.is_empty:
        remark(f"nothing was written to {options.html}")
    elif options.html is not None and page:
        unread = write_html(page.gallery(name), options.html, options.force)
    if options.as_json:
        answer = {"model": name, "index": index, "labels": texts, "prompts": list(templates), "images": objects}
        print_json({**answer, "failures": sidecars.failures})
    if output_failed:
        raise output_failed
    return ended(sidecars.failures or unread)


@dataclass
class _Sidecars:
    """How many sidecars were written, and which failed."""

    written: int = 0
    unchanged: int = 0
    others: int = 0  # photos without a label this likely
    failures: list[dict[str, str]] = field(default_factory=list)

    def write(self, path: str, keywords: Sequence[str]) -> str | None:
        """Add the keywords of a photo to its sidecar; the sidecar, or None without keywords or after a message if it fails."""
        if not keywords:
            self.others += 1
            return None
        from clipsearch.images.xmp import add_keywords, sidecar_path

        try:
            if add_keywords(path, keywords):
                self.written += 1
            else:
                self.unchanged += 1
        except SidecarError as error:
            self.failures.append({"path": path, "reason": str(error)})
            note(f"{path}: {error}")
            return None
        return sidecar_path(path)

    @contextmanager
    def summed_up(self) -> Iterator[None]:
        """Sum up at the end, also if an error or Ctrl-C came before all were written."""
        rest = "; not finished: to go on, run the same command again"
        try:
            yield
            rest = ""
        finally:
            counts = f"{counted(self.written, 'sidecar')} written, {self.unchanged:,} had it all"
            others = f"{counted(self.others, 'photo')} without a label this likely"
            remark_summary(f"{counts}, {len(self.failures):,} failed; {others}{rest}")
        if self.written:
            remark(f"to find photos by these keywords, update the index: {hint('index')}")


def _printer(texts: Sequence[str], options: LabelOptions) -> Callable[[dict[str, Any]], None]:
    """The function that prints one photo."""
    if options.paths or options.print0:
        return lambda value: print_paths([value["path"]], b"\0" if options.print0 else b"\n")
    if options.as_jsonl:
        return print_json
    width = terminal_width()
    table = LabelsTable(texts, options.top_labels, current_folder(), width)
    headings = [table.heading()] if sys.stdout.isatty() else []

    def show(value: dict[str, Any]) -> None:
        while headings:  # before the first photo, so that none stands above nothing
            say(headings.pop())
        say(table.line(value))

    return show
