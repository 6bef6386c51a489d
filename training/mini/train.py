"""Two stages: heads on frozen features, then heads, the image tower's tail and the upper half of MiniLM together."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from mini.corpus import Corpus, Texts, base_features
from mini.losses import class_loss, distil_loss, hypernym_loss, noun_loss, pair_loss, phrase_loss
from mini.minilm import FROZEN, MiniLM, encode, encode_training
from mini.pseudo import PseudoImages
from mini.towers import ImageTower, Scale, TextTower


@dataclass(frozen=True)
class Stage:
    """The settings of one stage."""

    epochs: int
    batch: int
    captions: int  # for each photo of a batch
    concepts: int | None  # class and hypernym names in a step; None takes one of each
    nouns: int
    head_rate: float
    tail_rate: float
    text_rate: float
    ema: float
    tune: bool  # fine-tune the tail and the text encoder
    warmup: int = 20
    decay: float = 0.1
    class_weight: float = 0.3
    distil_weight: float = 0.3
    noun_weight: float = 0.15
    keep_weight: float = 1.0
    phrases: int = 300  # in a step, if they have a weight
    phrase_weight: float = 0.0


HEADS = Stage(40, 1000, 3, None, 500, 1e-3, 0.0, 0.0, 0.98, False)
FINE = Stage(10, 800, 2, 400, 200, 3e-4, 1e-4, 5e-5, 0.95, True)


class Model(nn.Module):
    """Both towers and the text encoder, so that one average covers every trained weight."""

    def __init__(self, image: ImageTower, text: TextTower, encoder: MiniLM) -> None:
        super().__init__()
        self.image, self.text, self.encoder, self.scale = image, text, encoder, Scale()


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless shuffled batches of row numbers; an epoch's short rest is dropped."""
    while True:
        order = torch.randperm(count, generator=generator)
        for start in range(0, count - size + 1, size):
            yield order[start : start + size]


def optimiser(model: Model, stage: Stage) -> torch.optim.Optimizer:
    """AdamW; only matrices decay, and the class embeddings are no matrix in that sense."""
    image, text = model.image, model.text
    heads = [p for m in (image.head, text.head) for p in m.parameters()]
    groups = [
        {"params": [p for p in heads if p.ndim > 1], "lr": stage.head_rate, "weight_decay": stage.decay},
        {"params": [*(p for p in heads if p.ndim == 1), image.classes, image.temperature, image.gate, model.scale.log],
         "lr": stage.head_rate, "weight_decay": 0.0},
    ]  # fmt: skip
    if stage.tune:
        groups.append({"params": list(image.tail.parameters()), "lr": stage.tail_rate, "weight_decay": stage.decay})
        groups.append(
            {"params": list(model.encoder.layers[FROZEN:].parameters()), "lr": stage.text_rate, "weight_decay": 0.01}
        )
    return torch.optim.AdamW(groups)


class Sampler:
    """Draws the pieces of a step."""

    def __init__(self, corpus: Corpus, stage: Stage, generator: torch.Generator) -> None:
        self.corpus, self.stage, self.generator = corpus, stage, generator

    def photos(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Base features and, when fine-tuning, maps of one random view of each photo."""
        train = self.corpus.train
        view = torch.randint(len(train.maps), (len(index),), generator=self.generator)
        if not self.stage.tune:
            return train.base[view, index], None
        maps = np.stack([train.maps[v][i] for v, i in zip(view.tolist(), index.tolist(), strict=True)])
        return train.base[view, index], torch.from_numpy(maps.astype(np.float32))

    def captions(self, index: Tensor) -> Tensor:
        """Rows of some captions of each photo, flattened photo by photo."""
        chosen = torch.rand(len(index), 5, generator=self.generator).argsort(1)[:, : self.stage.captions]
        return (index[:, None] * 5 + chosen).reshape(-1)

    def concepts(self) -> tuple[Tensor, Tensor]:
        """Sorted concept numbers and the row of one text for each."""
        count = len(self.corpus.concept_rows)
        if self.stage.concepts is None:
            chosen = torch.arange(count)
        else:
            chosen = torch.randperm(count, generator=self.generator)[: self.stage.concepts].sort().values
        rows = [self.corpus.concept_rows[i] for i in chosen.tolist()]
        return chosen, torch.stack([r[torch.randint(len(r), (), generator=self.generator)] for r in rows])

    def nouns(self) -> Tensor:
        """Rows of random nouns."""
        return torch.randperm(len(self.corpus.nouns.rows), generator=self.generator)[: self.stage.nouns]

    def phrases(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of one text for each of some phrases, frequent ones more often, and those of the photos that have them."""
        photos = self.corpus.phrase_photos
        frequency = (photos > 0).sum(1).float().sqrt()
        count = min(self.stage.phrases, len(photos))
        chosen = torch.multinomial(frequency, count, generator=self.generator)
        forms = len(self.corpus.phrases.rows) // len(photos)
        form = torch.randint(forms, (count,), generator=self.generator)
        return chosen * forms + form, photos[chosen][:, index].float()


def embed_texts(model: Model, parts: list[tuple[Texts, Tensor]], tune: bool) -> tuple[list[Tensor], Tensor]:
    """Text embeddings of each part, and the encoder's distance from the original on all parts but the first."""
    original = torch.cat([texts.pooled[rows] for texts, rows in parts])
    sizes = [len(rows) for _, rows in parts]
    if not tune:
        return list(model.text(original).split(sizes)), torch.zeros(())
    tokens = [texts.rows[i] for texts, rows in parts for i in rows.tolist()]
    pooled = encode_training(model.encoder, tokens)
    moved = 1 - functional.cosine_similarity(pooled[sizes[0] :], original[sizes[0] :]).mean()
    return list(model.text(pooled).split(sizes)), moved


def step_loss(
    model: Model, corpus: Corpus, stage: Stage, sampler: Sampler, pseudo: PseudoImages, index: Tensor
) -> Tensor:
    """The whole objective on one batch of photos."""
    base, maps = sampler.photos(index)
    fake = pseudo.draw()
    own = base if maps is None else model.image.tail(maps)
    images = model.image(torch.cat([base, fake]), torch.cat([own, fake]))
    photos, classes = images[: len(index)], images[len(index) :]
    chosen, concept_rows = sampler.concepts()
    parts = [
        (corpus.captions, sampler.captions(index)),
        (corpus.concepts, concept_rows),
        (corpus.nouns, sampler.nouns()),
    ]
    if stage.phrase_weight:
        phrase_rows, phrase_photos = sampler.phrases(index)
        parts.append((corpus.phrases, phrase_rows))
    (captions, concepts, nouns, *phrases), moved = embed_texts(model, parts, stage.tune)
    scale = model.scale()
    leaf = chosen < 1000
    loss = pair_loss(scale * captions @ photos.T, stage.captions)
    loss = loss + stage.class_weight * class_loss(scale * concepts[leaf] @ classes.T, chosen[leaf])
    loss = loss + stage.class_weight * hypernym_loss(
        scale * concepts[~leaf] @ classes.T, corpus.descent[chosen[~leaf] - 1000]
    )
    loss = loss + stage.noun_weight * noun_loss(scale * nouns @ classes.T, corpus.noun_targets[parts[2][1]])
    if stage.phrase_weight:
        loss = loss + stage.phrase_weight * phrase_loss(scale * phrases[0] @ photos.T, phrase_photos)
    posterior = functional.softmax(model.image.logits(base), 1)[:, chosen[leaf]]
    loss = loss + stage.distil_weight * distil_loss(scale * photos @ concepts[leaf].T, posterior)
    return loss + stage.keep_weight * moved


def run_stage(model: Model, corpus: Corpus, stage: Stage, seed: int) -> Model:
    """Train in place and return the averaged weights."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    optimizer = optimiser(model, stage)
    count = len(corpus.train.base[0])
    steps = stage.epochs * (count // stage.batch)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / stage.warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    average = copy.deepcopy(model)
    sampler = Sampler(corpus, stage, generator)
    pseudo = PseudoImages(corpus.train.base[0][: corpus.photos], model.image.fc, generator)
    source = batches(count, stage.batch, generator)
    bar = tqdm(range(steps), desc="fine-tuning" if stage.tune else "heads", file=sys.stderr)
    every = max(1, steps // 5)
    for step in bar:
        model.train()
        loss = step_loss(model, corpus, stage, sampler, pseudo, next(source))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        keep = min(stage.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, present in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(present, 1 - keep)
        bar.set_postfix(loss=f"{loss.item():.3f}")
        if step % every == every - 1:
            tqdm.write(f"step {step + 1}: {dev_report(average, corpus, stage.tune)}")
    return average


@torch.no_grad()
def dev_report(model: Model, corpus: Corpus, tune: bool) -> str:
    """Text-to-image recall on the development split, and how often a class name finds photos that the classifier is sure of."""
    model.eval()
    base = corpus.dev.base[0]
    images = model.image(base, base_features(model.image.tail, corpus.dev.maps[0].parts[0]) if tune else base)
    captions = model.text(encode(model.encoder, corpus.dev_captions.rows) if tune else corpus.dev_captions.pooled)
    scores = captions @ images.T
    target = torch.arange(len(base)).repeat_interleave(5)
    ranks = (scores > scores.gather(1, target[:, None])).sum(1)
    posterior = functional.softmax(model.image.logits(base), 1)
    present = torch.where(posterior.max(0).values > 0.5)[0]
    rows = [corpus.labels.rows[i] for i in present.tolist()]
    labels = model.text(encode(model.encoder, rows) if tune else corpus.labels.pooled[present])
    found = (labels @ images.T).argmax(1)
    sure = (posterior[found, present] > 0.5).float().mean()
    levels = "/".join(f"{(ranks < k).float().mean():.4f}" for k in (1, 5, 10))
    gate, sharp, scale = model.image.gate.exp(), model.image.temperature.exp(), model.scale()
    learnt = f"gate {gate:.2f}, sharpness {sharp:.2f}, scale {scale:.1f}"
    return f"dev t2i {levels}, sure classes found {sure:.3f} of {len(present)}; {learnt}"


def initial_model(image: ImageTower, text: TextTower, encoder: MiniLM, labels: Tensor) -> Model:
    """Class embeddings start as the text tower's own embeddings of their names, centred."""
    model = Model(image, text, encoder)
    with torch.no_grad():
        names = text.head.linear(text.head.norm(labels))
        image.classes.copy_(functional.normalize(names - names.mean(0), dim=1))
    return model
