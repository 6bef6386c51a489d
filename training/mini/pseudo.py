"""Stand-ins for photos of the 1,000 classes, made from the classifier's own weights; no ImageNet photo is used."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

DISCRIMINANT, DIRECTION, RESIDUAL = (4.0, 10.0), (0.0, 4.0), (0.2, 0.7)


class PseudoImages:
    """Draws one feature vector for each class.

    If the classifier were a linear discriminant, class means would lie at `mean + covariance @ weight` (the inverse of
    Fisher's rule). The covariance is Flickr8k's. A random photo's residual makes the result as busy as a real photo. Features
    stay within ReLU6's range.
    """

    def __init__(self, features: Tensor, weight: Tensor, generator: torch.Generator) -> None:
        self.mean = features.mean(0)
        self.residuals = features - self.mean
        centred = weight - weight.mean(0)
        self.shift = centred @ (self.residuals.T @ self.residuals / len(features))
        self.direction = functional.normalize(centred, dim=1)
        self.generator = generator

    def draw(self) -> Tensor:
        """Features (1000, 1280)."""

        def uniform(bounds: tuple[float, float]) -> Tensor:
            return bounds[0] + (bounds[1] - bounds[0]) * torch.rand(1000, 1, generator=self.generator)

        noise = self.residuals[torch.randint(len(self.residuals), (1000,), generator=self.generator)]
        x = self.mean + uniform(DISCRIMINANT) * self.shift + uniform(DIRECTION) * self.direction
        return (x + uniform(RESIDUAL) * noise).clamp(0, 6)
