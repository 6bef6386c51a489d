"""`label`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.filters import filter_options
from clipsearch.cli.find_index import existing_index
from clipsearch.cli.galleries import check_html, html_option, write_html
from clipsearch.cli.options import device_option, index_option, json_option, model_option
from clipsearch.cli.output import OutputFailed, current_folder, note, print_json, print_paths, progress_bar, say
from clipsearch.types import all_of

if TYPE_CHECKING:
    from clipsearch.types import Condition

LEAST = 0.9  # nine of ten keywords are right then, where one photo in five shows one of 20 labels: scripts/measure_labels.py


@click.command()
@click.option("--label", "words", multiple=True, metavar="TEXT", help="A label; repeatable.")
@click.option(
    "--labels",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help='Labels, one a line; lines that begin with "#" are passed over.',
)
@click.option(
    "--prompt", "prompts", multiple=True, metavar="TEMPLATE", help="Put labels into this, as in 'a photo of a {}'."
)
@click.option("--ensemble", is_flag=True, help="Put labels into several templates, and take the mean.")
@click.option("-k", "--top-labels", type=click.IntRange(1), default=3, show_default=True, help="Labels for each photo.")
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    help="Only labels at least so likely, and only photos with one. Default: 0; with --write-sidecar, --paths and -0, "
    f"{LEAST}.",
)
@html_option
@click.option("--write-sidecar", is_flag=True, help="Add the labels, as keywords, to photo.jpg.xmp beside each photo.")
@filter_options
@index_option
@json_option
@click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object for each photo.")
@click.option("--paths", is_flag=True, help="Print only the paths, one a line.")
@click.option("-0", "--print0", is_flag=True, help="Print only the paths, each ended by a NUL, for xargs -0.")
@model_option("The model, where it is not to be found under the name the index remembers.")
@device_option
@click.pass_context
def label(
    context: click.Context, words: tuple[str, ...], files: tuple[str, ...], prompts: tuple[str, ...], ensemble: bool,
    top_labels: int, min_probability: float | None, html: str | None, force: bool, write_sidecar: bool,
    filters: tuple[Condition, ...], index_folder: str | None, as_json: bool, as_jsonl: bool, paths: bool, print0: bool,
    model: str | None, device: str,
) -> None:  # fmt: skip
    """Say which of some labels suits each photo, and how likely each is.

    The probabilities of a photo sum to 1 over the labels, so that a photo of none of them has a likely one too. "match" tells
    such photos: it is what the labels keep of the probability where everyday scenes compete with them, and is near 0 there.
    --min-probability is about probability times match.

    --write-sidecar makes photo.jpg.xmp beside photo.jpg, or adds to it, for darktable, digiKam, Immich and others. It changes
    no photo, and nothing else that is in a sidecar. Exit status 3: some could not be written.

    \b
    clipsearch label --label cat --label "a cup of coffee" --label mountains
    clipsearch label --labels labels.txt -k 1 --in ~/Photos/2024
    clipsearch label --labels labels.txt --write-sidecar
    clipsearch label --label receipt --label screenshot --label photo --jsonl
    clipsearch label --label giraffe -0 | xargs -0 ls -l
    clipsearch label --labels labels.txt --html labels.html
    """
    from clipsearch.analysis.labels import check_labels, read_labels
    from clipsearch.cli.find_index import remember_index
    from clipsearch.encoders.prompts import ENSEMBLE
    from clipsearch.engine import SearchEngine
    from clipsearch.render.json_output import labels_to_json

    if sum((as_json, as_jsonl, paths, print0)) > 1:
        raise click.UsageError("--json, --jsonl, --paths and -0 exclude each other; choose one way to print the photos")
    if not words and not files:
        raise click.UsageError("there are no labels; give --label TEXT, once or more often, or --labels FILE")
    check_html(html, force)
    texts = check_labels(list(dict.fromkeys([*words, *(text for file in files for text in read_labels(file))])))
    least = min_probability
    if least is None:
        least = LEAST if write_sidecar or paths or print0 else 0.0
    objects: list[dict[str, Any]] = []
    sidecars = _Sidecars()
    output_failed: OutputFailed | None = None
    page = None
    if html is not None:
        from clipsearch.render.gallery_cards import LabelledPhotos

        page = LabelledPhotos(texts)
    with SearchEngine(existing_index(index_folder), model=model, device=device) as engine:
        remember_index(engine.index_folder)
        name, index = engine.model_name or "", str(engine.index_folder)
        chosen = (*prompts, *(ENSEMBLE if ensemble else ()))
        templates = chosen or (engine.encoder.spec.label_prompts if name else ())
        with progress_bar(total=len(texts) * max(1, len(templates)), unit=" texts", delay=1) as bar:
            found = engine.label(texts, prompts=templates, condition=all_of(filters), progress=bar.update)
        show = _printer(texts, top_labels, as_jsonl, paths, print0)
        hidden = True if sys.stdout.isatty() and not as_json else None  # lines are progress enough
        told = sidecars.summed_up() if write_sidecar else nullcontext()
        with closing(found), told, progress_bar(unit=" photos", delay=1, disable=hidden) as bar:
            for image in found:
                bar.update()
                best = [(texts[position], p) for position, p in image.best(top_labels, least)]
                if not best:
                    sidecars.others += 1
                    continue
                if page:
                    page.add(image.record, image.match, best)
                value = labels_to_json(image.record, image.match, best)
                if write_sidecar:
                    value["sidecar"] = sidecars.write(image.record.file.path, [text for text, _ in best])
                if as_json:
                    objects.append(value)
                elif not output_failed:
                    try:
                        show(value)
                    except OutputFailed as error:
                        if not write_sidecar and not page:
                            raise
                        output_failed = error  # what is made of the photos is made of all of them all the same
    if html is not None and page:
        write_html(page.gallery(name), html, force)
    if not name:
        note(f"the index at {index} holds no photos")
    if as_json:
        answer = {"model": name, "index": index, "labels": texts, "prompts": list(templates), "images": objects}
        print_json({**answer, "failures": sidecars.failures})
    if output_failed:
        raise output_failed
    if sidecars.failures:
        context.exit(ExitStatus.SOME_FAILED)


@dataclass
class _Sidecars:
    """What became of the sidecars."""

    written: int = 0
    unchanged: int = 0
    others: int = 0  # photos without a label this likely
    failures: list[dict[str, str]] = field(default_factory=list)

    def write(self, path: str, keywords: Sequence[str]) -> str | None:
        """Where the keywords of a photo are now; None, and a message, where they could not be written."""
        from clipsearch.errors import SidecarError
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
        """Say in the end what became of them, also where an error or Ctrl-C has ended it before all were written."""
        finished = False
        try:
            yield
            finished = True
        finally:
            counts = (
                f"{self.written:,} sidecar{'' if self.written == 1 else 's'} written, {self.unchanged:,} had it all"
            )
            others = f"{self.others:,} photo{'' if self.others == 1 else 's'} without a label this likely"
            rest = "" if finished else "; not finished: to go on, run the same command again"
            note(f"{counts}, {len(self.failures):,} failed; {others}{rest}")


def _printer(
    texts: Sequence[str], top_labels: int, as_jsonl: bool, paths: bool, print0: bool
) -> Callable[[dict[str, Any]], None]:
    """What prints one photo."""
    from clipsearch.render.tables import LabelsTable

    if paths or print0:
        return lambda value: print_paths([value["path"]], b"\0" if print0 else b"\n")
    if as_jsonl:
        return print_json
    table = LabelsTable(texts, top_labels, current_folder())
    if sys.stdout.isatty():
        say(table.heading())
    return lambda value: say(table.line(value))
