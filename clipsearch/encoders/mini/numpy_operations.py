"""mini's image tower by numpy alone, for systems without OpenVINO."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.mini.network import INPUT_SIZE, LOOK_SIZE, Array, Network
from clipsearch.encoders.mini.weights import DecodedWeights
from clipsearch.encoders.runtime import EmbedPixels
from clipsearch.encoders.towers.text_tower import ACTIVATIONS


def numpy_image_tower(weights: DecodedWeights) -> EmbedPixels:
    """What embeds preprocessed pictures by numpy alone."""
    network = Network(weights, _NumpyOperations())

    def embed(pixels: Array) -> Array:
        vectors: Array = np.concatenate([network.embed(picture[None]) for picture in pixels])
        return vectors

    return embed


class _NumpyOperations:
    """See Operations. Pictures take ten times as long as with OpenVINO."""

    def constant(self, values: Array) -> Array:
        return values

    def gather(self, x: Array, numbers: NDArray[np.int64], axis: int) -> Array:
        return np.take(x, numbers, axis)

    def middle(self, x: Array) -> Array:
        start = (INPUT_SIZE - LOOK_SIZE) // 2
        return x[:, :, start : start + LOOK_SIZE, start : start + LOOK_SIZE]

    def both(self, x: Array, y: Array, axis: int) -> Array:
        return np.concatenate([x, y], axis)

    def separate(self, x: Array) -> Array:
        return x

    def codes(self, x: Array, low: float, high: float) -> Array:
        return np.clip(np.rint(x), np.float32(low), np.float32(high))

    def convolution(self, x: Array, weight: Array, stride: int, padding: tuple[int, int], *, in_codes: bool) -> Array:
        side = weight.shape[2]
        x = np.pad(x, ((0, 0), (0, 0), padding, padding)) if any(padding) else x
        height, width = ((length - side) // stride + 1 for length in x.shape[2:])
        total = np.zeros((len(x), len(weight), height, width), np.float32)
        for row in range(side):
            for column in range(side):
                part = x[:, :, row : row + stride * height : stride, column : column + stride * width : stride]
                factors = weight[:, :, row, column]
                if weight.shape[1] == 1:
                    total += part * factors[:, :, None]
                else:
                    total += (factors @ part.reshape(len(x), -1, height * width)).reshape(total.shape)
        return total

    def clip(self, x: Array, low: float, high: float) -> Array:
        return np.clip(x, np.float32(low), np.float32(high))

    def mean(self, x: Array, axes: tuple[int, ...]) -> Array:
        mean: Array = x.mean(axes)
        return mean

    def product(self, x: Array, weight: Array) -> Array:
        product: Array = x @ weight.T
        return product

    def softmax(self, x: Array) -> Array:
        exponentials = np.exp(x - x.max(-1, keepdims=True))
        softmax: Array = exponentials / exponentials.sum(-1, keepdims=True)
        return softmax

    def standardised(self, x: Array, epsilon: float) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        standardised: Array = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(epsilon))
        return standardised

    def gelu(self, x: Array) -> Array:
        return ACTIVATIONS["gelu"](x)

    def unit(self, x: Array) -> Array:
        unit: Array = x / np.linalg.norm(x, axis=-1, keepdims=True)
        return unit

    def halves(self, x: Array) -> Array:
        return x.reshape(2, -1, x.shape[-1])
