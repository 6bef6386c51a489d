"""The terms of the objective; every argument named scores is already multiplied by the logit scale."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def pair_loss(scores: Tensor, captions: int) -> Tensor:
    """Symmetric InfoNCE (CLIP, arXiv:2103.00020) with several captions a photo: scores are (photos * captions, photos)."""
    photos = scores.shape[1]
    owner = torch.arange(photos).repeat_interleave(captions)
    to_text = functional.log_softmax(scores.T, 1).gather(1, torch.arange(photos * captions).view(photos, captions))
    return functional.cross_entropy(scores, owner) - to_text.mean()


def class_loss(scores: Tensor, classes: Tensor) -> Tensor:
    """Names (m, 1000) against the pseudo-images of all classes, both ways."""
    own = scores[:, classes]
    target = torch.arange(len(classes))
    return functional.cross_entropy(scores, classes) + functional.cross_entropy(own.T, target)


def hypernym_loss(scores: Tensor, descent: Tensor) -> Tensor:
    """Hypernyms (m, 1000) should spread evenly over the classes below them: the divergence from that."""
    return functional.kl_div(functional.log_softmax(scores, 1), descent, reduction="batchmean")


def noun_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Arbitrary nouns (m, 1000) should resemble the classes that are similar by language."""
    return functional.kl_div(functional.log_softmax(scores, 1), targets, reduction="batchmean")


def phrase_loss(scores: Tensor, photos: Tensor) -> Tensor:
    """Phrases (m, n) against photos; `photos` (m, n) are how many captions of each have the phrase, 0 for most.

    A phrase should spread over all its photos by these counts (a soft target, so that it has no single right photo). Phrases
    that no photo has are left out.
    """
    present = photos.sum(1) > 0
    targets = photos[present] / photos[present].sum(1, keepdim=True)
    divergence = functional.kl_div(functional.log_softmax(scores[present], 1), targets, reduction="sum")
    return divergence / max(1, len(targets))


def distil_loss(scores: Tensor, posterior: Tensor) -> Tensor:
    """Photos (n, m) should see class names as the classifier does; posteriors of absent names are left out."""
    target = posterior / posterior.sum(1, keepdim=True).clamp(min=1e-6)
    weight = posterior.sum(1)
    divergence = functional.kl_div(functional.log_softmax(scores, 1), target, reduction="none").sum(1)
    return (weight * divergence).mean()
