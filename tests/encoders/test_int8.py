"""int8 stays near fp32, also if a few channels are hundreds of times as large as the others."""

from types import SimpleNamespace

import numpy as np
import pytest

from clipsearch.encoders import precision
from clipsearch.encoders.base import normalise
from clipsearch.encoders.plan import ImagePlan
from clipsearch.encoders.shape import TowerShape
from tests.lazy import LazyModule

image_tower = LazyModule("clipsearch.encoders.towers.image_tower")
quantised_layers = LazyModule("clipsearch.encoders.towers.quantised_layers")

LAYERS, WIDTH, HIDDEN = 12, 64, 256  # as deep as SigLIP 2 B/32
PLANTED = 3  # channels of a layer
ACTIVATIONS = ["gelu_pytorch_tanh", "gelu", "quick_gelu"]


def plan(activation="gelu_pytorch_tanh"):
    tower = TowerShape(width=WIDTH, mlp_width=HIDDEN, layers=LAYERS, heads=2, activation=activation, norm_epsilon=1e-6)
    return ImagePlan(tower, image_size=32, patch_size=8, pooling="average")


def make_weights(largest=1.0):
    """Random weights. In each layer the inputs of `fc2` have a few channels that are `largest` times as large as the others."""
    random = np.random.default_rng(0)

    def normal(*shape):
        return (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    weights = {"image.patches.weight": normal(WIDTH, 3, 8, 8), "image.positions.weight": normal(16, WIDTH)}
    for layer in range(LAYERS):
        name = f"image.layers.{layer}"
        for part in ("q", "k", "v", "out", "fc1", "fc2"):
            outputs, inputs = HIDDEN if part == "fc1" else WIDTH, HIDDEN if part == "fc2" else WIDTH
            weights |= {f"{name}.{part}.weight": normal(outputs, inputs), f"{name}.{part}.bias": normal(outputs)}
        planted = random.choice(HIDDEN, PLANTED, replace=False)
        weights[f"{name}.fc1.weight"][planted] *= largest
        weights[f"{name}.fc2.weight"][:, planted] /= largest
    for name in [
        *(f"image.layers.{layer}.norm{number}" for layer in range(LAYERS) for number in (1, 2)),
        "image.post_norm",
    ]:
        weights |= {f"{name}.weight": 1 + normal(WIDTH), f"{name}.bias": normal(WIDTH)}
    return weights


def fidelity(weights, activation="gelu_pytorch_tanh"):
    """How int8 compares with fp32 on 64 pictures, by the gate that chooses precisions."""
    random = np.random.default_rng(1)
    pixels = random.standard_normal((64, 3, 8, 8)).astype(np.float32).repeat(4, 2).repeat(4, 3)
    exact, rough = (
        normalise(image_tower.ImageTower(weights, plan(activation), name, 1).embed(pixels)) for name in ("fp32", "int8")
    )
    return precision.compare(exact, rough)


@pytest.fixture
def exact_int8():
    """A processor that does not add products of int8 codes in 16 bits. On others the gate refuses int8, so it is not used."""
    from clipsearch.encoders.mini.openvino_operations import adds_int8_exactly

    if not adds_int8_exactly():
        pytest.skip("this processor adds products of int8 codes in 16 bits (x86 without VNNI)")


@pytest.mark.usefixtures("exact_int8")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_int8_passes_the_gate(activation):
    assert fidelity(make_weights(), activation).good


@pytest.mark.usefixtures("exact_int8")
def test_int8_passes_the_gate_with_channels_as_large_as_siglip_2_has_them(monkeypatch):
    weights = make_weights(largest=1479 / 3.4)
    assert fidelity(weights).good
    monkeypatch.setattr(
        "clipsearch.encoders.towers.quantised_layers._HUGE", np.inf
    )  # in one scale with them, the other channels are lost
    assert not fidelity(weights).good


def test_channels_that_may_become_huge_are_known_from_the_weights():
    random = np.random.default_rng(0)
    matrix = random.standard_normal((320, 64)).astype(np.float32)
    bias, gains, shifts = np.zeros(320, np.float32), np.ones(64, np.float32), np.zeros(64, np.float32)
    assert not quantised_layers.huge_channels(matrix, bias, gains, shifts).any()
    matrix[5] *= 20
    bias[7] = 1000
    gains[3], matrix[9, 3] = 10, 100
    assert np.flatnonzero(quantised_layers.huge_channels(matrix, bias, gains, shifts)).tolist() == [5, 7, 9]
    matrix[:40] *= 50
    assert (
        quantised_layers.huge_channels(matrix, bias, gains, shifts).sum() <= 10
    )  # the largest only: each one costs time


def test_the_lowest_activation_is_below_all():
    import openvino
    from openvino import opset13

    from clipsearch.encoders.towers import image_tower

    x = np.linspace(-5, 0, 2001, dtype=np.float32)
    for activate in image_tower._ACTIVATIONS.values():
        parameter = opset13.parameter([2001], openvino.Type.f32)
        # By the one instance that is kept: a second one, released in another thread, makes the next Ctrl-C a crash.
        model = image_tower._core().compile_model(openvino.Model([activate(parameter)], [parameter]), "CPU")
        assert -0.18 < quantised_layers.LOWEST_ACTIVATION < model(x)[0].min() < -0.16


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (["BF16", "FP32", "FP16", "INT8"], ("bf16", "int8", "fp32")),  # AMX multiplies both as fast
        (["BF16", "FP32", "INT8"], ("int8", "bf16", "fp32")),
        (["FP32", "INT8"], ("int8", "fp32")),
    ],
)
def test_the_order_in_which_precisions_are_tried(monkeypatch, capabilities, expected):
    processor = SimpleNamespace(get_property=lambda device, name: capabilities)
    monkeypatch.setattr("clipsearch.encoders.towers.image_tower._core", lambda: processor)
    assert image_tower.available_precisions() == expected
