"""`clipsearch eval`."""

from __future__ import annotations

import click

from clipsearch.cli.command import FilePath, argument, command, flag, option
from clipsearch.cli.exit_status import ended
from clipsearch.cli.interrupt import interruptible
from clipsearch.cli.options import (
    device_option,
    jobs_option,
    json_option,
    model_option,
    prompt_options,
)
from clipsearch.cli.output import note_failures, print_report
from clipsearch.cli.progress import progress_bar
from clipsearch.render.tables import evaluation_table, zero_shot_table


@command("eval")
def eval_(
    captions: str = argument("captions", type=FilePath(exists=True, dir_okay=False), metavar="CAPTIONS.jsonl"),
    images: str = option(
        "--images", "DIR", "The folder of the photos.", type=FilePath(exists=True, file_okay=False), required=True
    ),
    split: str | None = option("--split", "NAME", 'Only the lines with this "split".'),
    zero_shot: bool = flag("--zero-shot", 'Measure labels, not captions: {"image": "a.jpg", "label": "..."}.'),
    prompts: tuple[str, ...] = prompt_options("labels"),
    model: str | None = model_option("The model to measure. Default: the one that a new index would get."),
    device: str = device_option,
    jobs: int | None = jobs_option,
    as_json: bool = json_option,
) -> int:
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
    from clipsearch.analysis import evaluation
    from clipsearch.encoders import choose_default_model, load_encoder
    from clipsearch.encoders.prompts import check_prompts

    if prompts and not zero_shot:
        raise click.UsageError("--prompt and --ensemble are for --zero-shot; captions are taken as they are")
    if zero_shot:
        check_prompts(prompts)
        labelled = evaluation.read_labelled(captions, split)
        encoder = load_encoder(model or choose_default_model(), device=device)
        prompts = prompts or encoder.spec.label_prompts
        total = len(labelled) + len({item.label for item in labelled}) * max(1, len(prompts))
        with progress_bar(total=total, unit=" items") as bar, interruptible() as cancel:
            result: evaluation.ZeroShotEvaluation | evaluation.RetrievalEvaluation = evaluation.evaluate_zero_shot(
                encoder, labelled, images, prompts=prompts, jobs=jobs, progress=bar.update, cancel=cancel
            )
        text = zero_shot_table(result.to_json())
    else:
        items = evaluation.read_captions(captions, split)
        encoder = load_encoder(model or choose_default_model(), device=device)
        total = len(items) + sum(len(item.captions) for item in items)
        with progress_bar(total=total, unit=" items") as bar, interruptible() as cancel:
            result = evaluation.evaluate_retrieval(
                encoder, items, images, jobs=jobs, progress=bar.update, cancel=cancel
            )
        text = evaluation_table(result.to_json())
    note_failures(result.failures)
    print_report(as_json, result.to_json(), text)
    return ended(result.failures)
