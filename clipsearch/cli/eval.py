"""`clipsearch eval`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from clipsearch.cli.command import command, declared, gathered, setting
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.options import (
    all_prompts,
    device_option,
    ensemble_option,
    jobs_option,
    json_option,
    model_option,
    prompt_option,
)
from clipsearch.cli.output import note, print_json, progress_bar, say

if TYPE_CHECKING:
    from clipsearch.analysis.evaluation import RetrievalEvaluation, ZeroShotEvaluation


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What is measured, on which photos."""

    captions: str = declared(
        click.argument("captions", type=click.Path(exists=True, dir_okay=False), metavar="CAPTIONS.jsonl")
    )
    images: str = setting(
        "--images",
        type=click.Path(exists=True, file_okay=False),
        metavar="DIR",
        required=True,
        help="The folder of the photos.",
    )
    split: str | None = setting("--split", metavar="NAME", help='Only the lines with this "split".')
    zero_shot: bool = setting(
        "--zero-shot", is_flag=True, help='Measure labels, not captions: {"image": "a.jpg", "label": "..."}.'
    )
    prompts: tuple[str, ...] = declared(prompt_option("labels"))
    ensemble: bool = declared(ensemble_option)
    model: str | None = declared(model_option("The model to measure. Default: the one that a new index would get."))
    device: str = declared(device_option)
    jobs: int | None = declared(jobs_option)


@command("eval")
@gathered("options", EvalOptions)
@json_option
@click.pass_context
def eval_(context: click.Context, options: EvalOptions, as_json: bool) -> None:
    """Measure a model on captioned photos: JSON lines, {"image": "a.jpg", "captions": ["...", "..."]}.

    \b
    clipsearch eval data/photos/captions.jsonl --images data/photos --model mini
    clipsearch eval labels.jsonl --images DIR --zero-shot --ensemble --model mini

    \b
    recall@K     share of the queries with the right answer among the best K
    median rank  half of the queries find the right answer at this rank or better
    MRR          mean of 1 / rank over the queries

    A rank is 1, plus the wrong answers with a higher score, plus half of those with the same score. Text to image: each
    caption looks for its photo. Image to text: each photo looks for the first of its captions.

    With --zero-shot, each photo has one label, and all labels compete for it. top-1 is the share of the photos whose own label
    is the most likely, top-5 the share with it among the five most likely. By default, labels are put into the model's own
    templates; --prompt '{}' takes them alone.
    """
    from clipsearch.render.tables import evaluation_table, zero_shot_table

    if (options.prompts or options.ensemble) and not options.zero_shot:
        raise click.UsageError("--prompt and --ensemble are for --zero-shot; captions are taken as they are")
    result = _zero_shot(options) if options.zero_shot else _retrieval(options)
    for failure in result.failures:
        note(f"{failure.file.path}: {failure.reason}")
    if as_json:
        print_json(result.to_json())
    else:
        say((zero_shot_table if options.zero_shot else evaluation_table)(result.to_json()))
    if result.failures:
        context.exit(ExitStatus.SOME_FAILED)


def _retrieval(options: EvalOptions) -> RetrievalEvaluation:
    from clipsearch.analysis.evaluation import evaluate_retrieval, read_captions
    from clipsearch.encoders import choose_default_model, load_encoder

    items = read_captions(options.captions, options.split)
    encoder = load_encoder(options.model or choose_default_model(), device=options.device)
    total = len(items) + sum(len(item.captions) for item in items)
    with progress_bar(total=total, unit=" items") as bar:
        return evaluate_retrieval(encoder, items, options.images, jobs=options.jobs, progress=bar.update)


def _zero_shot(options: EvalOptions) -> ZeroShotEvaluation:
    from clipsearch.analysis.evaluation import evaluate_zero_shot, read_labelled
    from clipsearch.encoders import choose_default_model, load_encoder
    from clipsearch.encoders.prompts import check_prompts

    prompts = all_prompts(options.prompts, options.ensemble)
    check_prompts(prompts)
    items = read_labelled(options.captions, options.split)
    encoder = load_encoder(options.model or choose_default_model(), device=options.device)
    templates = prompts or encoder.spec.label_prompts
    total = len(items) + len({item.label for item in items}) * max(1, len(templates))
    with progress_bar(total=total, unit=" items") as bar:
        return evaluate_zero_shot(
            encoder, items, options.images, prompts=templates, jobs=options.jobs, progress=bar.update
        )
