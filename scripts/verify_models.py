"""Check models on a machine that is online: the download, published figures, parity with the reference, and recall.

    python scripts/verify_models.py                                   # all recommended models, and those with published figures
    python scripts/verify_models.py openai/clip-vit-base-patch32      # this one
    python scripts/verify_models.py --remove                          # delete each download after its checks

It prints a table in Markdown, and on standard error what it does. Exit status 1 if a check fails. The reference is
transformers, or open_clip for checkpoints in its layout (pip install 'clipsearch[open-clip]').
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clipsearch import ClipsearchError, ClipsearchWarning, load_encoder
from clipsearch._internal.checksums import file_sha256
from clipsearch.analysis.evaluation import CaptionedExample, rank_answers, read_captions
from clipsearch.encoders import canonical_name, find_checkpoint, hub
from clipsearch.encoders.base import Encoder, normalise
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.open_clip_config import OPEN_CLIP
from clipsearch.encoders.open_clip_names import QUICK_GELU
from clipsearch.encoders.precision import compare
from clipsearch.encoders.prompts import query_bank
from clipsearch.encoders.recommended import MODELS, find_entry
from clipsearch.errors import one_line
from clipsearch.images.fetch import fetch_image
from clipsearch.images.preprocess import minimum_size, preprocess
from clipsearch.images.reader import read_image
from clipsearch.types import Embeddings

PHOTOS = Path(__file__).resolve().parents[1] / "data" / "photos"
_COMPARED_PHOTOS = 8  # with the reference, which is slow
_WORST_EMBEDDING, _WORST_LOGIT = 1e-5, 1e-3
_LEAST_COSINE = 0.9  # of a precision that works; the gate of an index is far stricter
_OFF = 0.05  # by how much the listed size of a download may be off, relative to it
_LEAST_RECALL = 0.7  # recall at 1 of the captions of 47 photos of very different things
_TEXTS = ["a photo of a cat", "two people walk along the river", "a red car", "ein hund am strand", "富士山の写真"]
_SHA256 = re.compile(r"[0-9a-f]{64}")

_CATS = "http://images.cocodataset.org/val2017/000000039769.jpg"
_TWO = ("a photo of a cat", "a photo of a dog")


@dataclass(frozen=True, slots=True)
class Published:
    """Logits of a picture and some texts, or the softmax of them, that somebody else has published for a model."""

    picture: str  # its address
    texts: tuple[str, ...]
    values: tuple[float, ...]
    source: str
    kind: Literal["logits", "softmax"] = "logits"
    tolerance: float = 0.01


PUBLISHED = {
    "openai/clip-vit-base-patch32": Published(
        _CATS, _TWO, (24.5701, 19.3049), "transformers' tests/models/clip/test_modeling_clip.py"
    ),
    "openai/clip-vit-large-patch14": Published(_CATS, _TWO, (18.9041, 11.7159), "the model's page on the hub"),
    "google/siglip-base-patch16-224": Published(
        _CATS,
        ("a photo of 2 cats", "a photo of 2 dogs"),
        (-0.7567, -10.3354),
        "transformers' tests/models/siglip/test_modeling_siglip.py",
    ),
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K": Published(
        "https://raw.githubusercontent.com/mlfoundations/open_clip/main/docs/CLIP.png",
        ("a diagram", "a dog", "a cat"),
        (1.0, 0.0, 0.0),
        "open_clip's README.md",
        "softmax",
    ),
}


@dataclass(frozen=True, slots=True)
class Check:
    """What became of one check."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str


@dataclass
class Report:
    """What was found about a model."""

    model: str
    layout: str = ""
    size: int = 0  # bytes of weights
    recall: float | None = None
    checks: list[Check] = field(default_factory=list)

    def row(self) -> str:
        """A row of the table."""
        groups = {
            outcome: ", ".join(
                check.name if outcome == "passed" else f"{check.name} ({check.detail})"
                for check in self.checks
                if check.outcome == outcome
            )
            for outcome in ("passed", "failed", "skipped")
        }
        cells = [f"`{self.model}`", self.layout, f"{self.size / 1e6:,.0f}", *groups.values()]
        cells.append("" if self.recall is None else f"{self.recall:.3f}")
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


HEADING = (
    "| model | layout | MB | passed | failed | skipped | recall at 1 on data/photos |\n|---|---|---|---|---|---|---|"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="hub ids, if not all")
    parser.add_argument(
        "--random-weights",
        action="store_true",
        help="leave out published figures and the least recall: weights are random",
    )
    parser.add_argument("--remove", action="store_true", help="delete each download after its checks")
    options = parser.parse_args(arguments)
    reports = []
    for name in options.models or dict.fromkeys([*(entry.model for entry in MODELS), *PUBLISHED]):
        report = Report(canonical_name(name))
        reports.append(report)
        was_here = (hub.cache_folder() / _cache_name(report.model)).exists()
        try:
            for check in checks_of(report, options.random_weights):
                report.checks.append(check)
                print(f"{report.model}: {check.name} {check.outcome}: {check.detail}", file=sys.stderr, flush=True)
        except ClipsearchError as error:
            report.checks.append(Check("load", "failed", one_line(error)))
            print(f"{report.model}: {error}", file=sys.stderr, flush=True)
        if options.remove and not was_here:
            shutil.rmtree(hub.cache_folder() / _cache_name(report.model), ignore_errors=True)
    print(HEADING, *(report.row() for report in reports), sep="\n", flush=True)
    return int(any(check.outcome == "failed" for report in reports for check in report.checks))


def checks_of(report: Report, has_random_weights: bool) -> Iterator[Check]:
    """Make the checks of a model, one after the other, and note its facts in the report."""
    folder, revision = find_checkpoint(report.model)
    checkpoint = Checkpoint(folder, report.model, revision)
    report.layout = "OpenCLIP" if checkpoint.model_type == OPEN_CLIP else "transformers"
    report.size = sum(file.stat().st_size for file in checkpoint.weights_files)
    yield _as_listed(report)
    yield _one_set(checkpoint)
    yield _sha256s(checkpoint)
    encoder = load_encoder(report.model, device="cpu", precision="fp32")
    if has_random_weights:
        yield Check("published", "skipped", "random weights")
    else:
        yield _published(encoder, report.model)
    examples = read_captions(PHOTOS / "captions.jsonl")
    pixels = _pixels(encoder, [PHOTOS / example.image for example in examples])
    images = encoder.encode_pixels(pixels)
    yield _parity(encoder, checkpoint, pixels[:_COMPARED_PHOTOS])
    for precision in ("bf16", "int8"):
        yield _in_precision(precision, encoder, checkpoint, pixels, images)
    report.recall = _recall(encoder, examples, images)
    if has_random_weights:
        yield Check("recall", "skipped", "random weights")
    else:
        yield _check("recall", report.recall >= _LEAST_RECALL, f"{report.recall:.3f}, at least {_LEAST_RECALL}")


def _as_listed(report: Report) -> Check:
    """Whether the table of recommended models is right about the layout and the size of the download."""
    entry = find_entry(report.model)
    if entry is None:
        return Check("as listed", "skipped", "not a recommended model")
    is_right = report.layout == entry.layout and abs(report.size / 1e6 - entry.megabytes) <= _OFF * entry.megabytes
    detail = (
        f"{report.size / 1e6:,.0f} MB in {report.layout}' layout, listed as {entry.megabytes:,.0f} in {entry.layout}'"
    )
    return _check("as listed", is_right, detail)


def _one_set(checkpoint: Checkpoint) -> Check:
    """Whether the download took no other weights than those that are read."""
    others = sorted(set(checkpoint.folder.glob("*.safetensors")) - set(checkpoint.weights_files))
    if others:
        return Check("one set", "failed", f"there is {others[0].name}, too; an older download may have left it")
    return Check("one set", "passed", ", ".join(file.name for file in checkpoint.weights_files))


def _sha256s(checkpoint: Checkpoint) -> Check:
    """Whether each file has the sha256 that the hub gave it, by which the cache names it, and the one that we know."""
    entry = find_entry(checkpoint.name)
    known = dict(entry.sha256s) if entry else {}
    compared = 0
    for file in checkpoint.weights_files:
        expected = {name for name in (file.resolve().name, known.get(file.name, "")) if _SHA256.fullmatch(name)}
        if expected and expected != {file_sha256(file)}:
            return Check("sha256", "failed", f"{file.name} has {file_sha256(file)}")
        compared += bool(expected)
    return Check("sha256", "passed" if compared else "skipped", f"{compared} files have the published one")


def _published(encoder: Encoder, model: str) -> Check:
    example = PUBLISHED.get(model)
    if example is None:
        return Check("published", "skipped", "no figures are known")
    from PIL import Image

    with Image.open(io.BytesIO(fetch_image(example.picture))) as picture:
        values = encoder.logits([picture], example.texts)[0].astype(np.float64)
    if example.kind == "softmax":
        values = np.exp(values - values.max()) / np.exp(values - values.max()).sum()
    difference = float(abs(values - np.array(example.values)).max())
    return _check(
        "published", difference <= example.tolerance, f"{np.round(values, 4).tolist()}, as in {example.source}"
    )


def _parity(encoder: Encoder, checkpoint: Checkpoint, pixels: NDArray[np.float32]) -> Check:
    """Compare with the reference, which gets the same pixels, and tokenizes the texts itself."""
    try:
        name, embed = _open_clip(checkpoint) if checkpoint.model_type == OPEN_CLIP else _transformers(checkpoint)
    except ImportError as error:
        return Check("parity", "skipped", one_line(error))
    images, texts = embed(pixels, _TEXTS)
    our_images, our_texts = encoder.encode_pixels(pixels), encoder.encode_texts(_TEXTS)
    embedding = max(float(abs(our_images - images).max()), float(abs(our_texts - texts).max()))
    logit = encoder.spec.logit_scale * float(abs(our_images @ our_texts.T - images @ texts.T).max())
    detail = f"from {name}, an embedding differs by {embedding:.0e}, a logit by {logit:.0e}"
    return _check("parity", embedding <= _WORST_EMBEDDING and logit <= _WORST_LOGIT, detail)


_Embed = Callable[[NDArray[np.float32], list[str]], tuple[Embeddings, Embeddings]]


def _transformers(checkpoint: Checkpoint) -> tuple[str, _Embed]:
    from clipsearch.encoders.torch_encoder import TorchEncoder

    reference = TorchEncoder(checkpoint, "cpu", "fp32")
    return "transformers", lambda pixels, texts: (reference.encode_pixels(pixels), reference.encode_texts(texts))


def _open_clip(checkpoint: Checkpoint) -> tuple[str, _Embed]:
    import torch

    from clipsearch.encoders.torchvision_stand_in import import_without_torchvision

    library: Any = import_without_torchvision("open_clip")[0]
    place = f"local-dir:{checkpoint.folder}"
    # The configuration may not say it. For a model on the hub, open_clip's own table does.
    model = library.create_model(place, force_quick_gelu=checkpoint.name in QUICK_GELU).eval()
    tokenize = library.get_tokenizer(place)

    @torch.inference_mode()
    def embed(pixels: NDArray[np.float32], texts: list[str]) -> tuple[Embeddings, Embeddings]:
        vectors = model.encode_image(torch.from_numpy(pixels)), model.encode_text(tokenize(texts))
        return normalise(vectors[0].numpy()), normalise(vectors[1].numpy())

    return "open_clip", embed


def _in_precision(
    precision: str, encoder: Encoder, checkpoint: Checkpoint, pixels: NDArray[np.float32], images: Embeddings
) -> Check:
    """Compare pictures in a precision with those in fp32, as an index does to choose one."""
    from clipsearch.encoders.towers.image_tower import available_precisions

    if precision not in available_precisions():
        return Check(precision, "skipped", "this processor has no instructions for it")
    if checkpoint.plan is None or "image" in checkpoint.plan.foreign:
        return Check(precision, "skipped", "an index computes its pictures in fp32 on a CPU")
    try:
        other = load_encoder(checkpoint.name, device="cpu", precision=precision)
        fidelity = compare(images, other.encode_pixels(pixels), encoder.encode_texts(query_bank()))
    except ClipsearchError as error:
        return Check(precision, "skipped", one_line(error))
    detail = f"cosine {fidelity.cosine:.4f}, overlap {fidelity.overlap:.3f}"
    return _check(
        precision,
        fidelity.cosine >= _LEAST_COSINE,
        detail if fidelity.good else f"{detail}: an index does not choose it",
    )


def _recall(encoder: Encoder, examples: Sequence[CaptionedExample], images: Embeddings) -> float:
    """The share of the captions whose own photo is the first."""
    photos = np.arange(len(examples))
    of_text = np.repeat(photos, [len(example.captions) for example in examples])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClipsearchWarning)  # a long caption may be cut
        texts = encoder.encode_texts([text for example in examples for text in example.captions])
    return float((rank_answers(texts, of_text, images, photos) <= 1).mean())


def _pixels(encoder: Encoder, files: Sequence[Path]) -> NDArray[np.float32]:
    size = minimum_size(encoder.spec.pixels)
    return preprocess([read_image(file, size)[0] for file in files], encoder.spec.pixels)


def _check(name: str, has_passed: bool, detail: str) -> Check:
    return Check(name, "passed" if has_passed else "failed", detail)


def _cache_name(model: str) -> str:
    return f"models--{model.replace('/', '--')}"


if __name__ == "__main__":
    sys.exit(main())
