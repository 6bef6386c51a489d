"""`clipsearch eval`."""

from __future__ import annotations

import click

from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.options import device_option, json_option, model_option
from clipsearch.cli.output import note, print_json, progress_bar, say


@click.command("eval")
@click.argument("captions", type=click.Path(exists=True, dir_okay=False), metavar="CAPTIONS.jsonl")
@click.option(
    "--images", type=click.Path(exists=True, file_okay=False), required=True, help="The folder of the photos."
)
@click.option("--split", help='Only the lines with this "split".')
@click.option(
    "--zero-shot", is_flag=True, help='Measure labels instead of captions: {"image": "a.jpg", "label": "..."}.'
)
@click.option(
    "--prompt", "prompts", multiple=True, metavar="TEMPLATE", help="Put labels into this, as in 'a photo of a {}'."
)
@click.option("--ensemble", is_flag=True, help="Put labels into several templates, and take the mean.")
@model_option("The model to measure. Default: the one a new index would get.")
@device_option
@click.option("--jobs", type=click.IntRange(1), help="Photos decoded at once. Default: one a core.")
@json_option
@click.pass_context
def eval_(
    context: click.Context, captions: str, images: str, split: str | None, zero_shot: bool, prompts: tuple[str, ...],
    ensemble: bool, model: str | None, device: str, jobs: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure a model on captioned photos: JSON lines, {"image": "a.jpg", "captions": ["...", "..."]}.

    \b
    recall@K     share of the queries whose right answer is among the best K
    median rank  half of the queries find theirs at this rank or better
    MRR          mean over the queries of 1 / rank

    A rank is 1 + the wrong answers with a higher score + half of those with the same. Text to image, each caption looks
    for its photo; image to text, each photo for the first of its captions.

    With --zero-shot, each photo has one label, and the labels of all compete for it: top-1 is the share of the photos whose
    own is the likeliest, top-5 that of those where it is among the five likeliest. --prompt '{}' takes the labels alone; by
    default they are put into the model's own templates.

    \b
    clipsearch eval data/photos/captions.jsonl --images data/photos --model mini
    clipsearch eval labels.jsonl --images DIR --zero-shot --ensemble --model mini
    """
    from clipsearch.analysis.evaluation import (
        Evaluation,
        ZeroShot,
        evaluate,
        evaluate_zero_shot,
        read_captions,
        read_labelled,
    )
    from clipsearch.encoders import choose_default_model, load_encoder
    from clipsearch.encoders.prompts import ENSEMBLE, check_prompts
    from clipsearch.render.tables import evaluation_table, zero_shot_table

    if (prompts or ensemble) and not zero_shot:
        raise click.UsageError("--prompt and --ensemble are for --zero-shot; captions are taken as they are")
    chosen = (*prompts, *(ENSEMBLE if ensemble else ()))
    check_prompts(chosen)
    result: Evaluation | ZeroShot
    if zero_shot:
        labelled = read_labelled(captions, split)
        encoder = load_encoder(model or choose_default_model(), device=device)
        templates = chosen or encoder.spec.label_prompts
        total = len(labelled) + len({item.label for item in labelled}) * max(1, len(templates))
        with progress_bar(total=total, unit=" items") as bar:
            result = evaluate_zero_shot(encoder, labelled, images, prompts=templates, jobs=jobs, progress=bar.update)
        table = zero_shot_table
    else:
        items = read_captions(captions, split)
        encoder = load_encoder(model or choose_default_model(), device=device)
        total = len(items) + sum(len(item.captions) for item in items)
        with progress_bar(total=total, unit=" items") as bar:
            result = evaluate(encoder, items, images, jobs=jobs, progress=bar.update)
        table = evaluation_table
    for failure in result.failures:
        note(f"{failure.file.path}: {failure.reason}")
    if as_json:
        print_json(result.to_json())
    else:
        say(table(result.to_json()))
    if result.failures:
        context.exit(ExitStatus.SOME_FAILED)
