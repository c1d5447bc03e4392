# SPDX-License-Identifier: MIT
"""Ciresan's networks: published layers; dense evaluation against single windows and dilated convolutions."""

import math

import pytest
import torch
from torch.nn import functional

from microtome import networks
from microtome.networks.ciresan import ScaledTanh, interleave, layer_table, pool_fragments

N4_TABLE = [
    ("input", 1, 95, None),
    ("convolutional", 48, 92, 4),
    ("max_pooling", 48, 46, 2),
    ("convolutional", 48, 42, 5),
    ("max_pooling", 48, 21, 2),
    ("convolutional", 48, 18, 4),
    ("max_pooling", 48, 9, 2),
    ("convolutional", 48, 6, 4),
    ("max_pooling", 48, 3, 2),
    ("fully_connected", 200, 1, 1),
    ("fully_connected", 2, 1, 1),
]
VARIANTS = ("n4", "w65")


def small(variant, **options):
    torch.manual_seed(3)
    return networks.build("ciresan", variant=variant, **{"maps": 5, "hidden": 7, **options}).eval()


def by_activation_before_pooling(model, windows):
    """The published order, in plain functional calls."""
    for convolution in model.convolutions:
        maps = functional.conv2d(windows, convolution.weight, convolution.bias)
        windows = functional.max_pool2d(model.activation(maps), 2)
    hidden = model.activation(functional.linear(windows.flatten(1), model.hidden.weight, model.hidden.bias))
    return functional.linear(hidden, model.output.weight, model.output.bias)


def by_windows(model, images):
    height, width = (extent - model.window + 1 for extent in images.shape[-2:])
    logits = [
        by_activation_before_pooling(model, images[..., y : y + model.window, x : x + model.window])
        for y in range(height)
        for x in range(width)
    ]
    return torch.stack(logits, dim=-1).unflatten(-1, (height, width))


def by_dilation(model, images):
    """Pools without stride, everything after them dilated: the textbook form of dense evaluation."""
    height, width = (extent - model.window + 1 for extent in images.shape[-2:])
    step = 1
    for convolution in model.convolutions:
        images = model.activation(
            functional.conv2d(images, convolution.weight, convolution.bias, dilation=step)
        )
        images = functional.max_pool2d(images, 2, stride=1, dilation=step)
        step *= 2
    kernel = model.hidden.weight.view(len(model.hidden.weight), -1, model.side, model.side)
    hidden = model.activation(functional.conv2d(images, kernel, model.hidden.bias, dilation=step))
    logits = functional.conv2d(hidden, model.output.weight[:, :, None, None], model.output.bias)
    return logits[..., :height, :width]


def mirrored(model, height, width, *, batch=1, channels=1, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    margin = model.window - 1
    return torch.randn((batch, channels, height + margin, width + margin), generator=generator, dtype=dtype)


def test_layers_are_the_published_table():
    rows = layer_table(networks.build("ciresan"))
    assert [tuple(row.values()) for row in rows] == N4_TABLE
    assert list(rows[0]) == ["type", "maps", "size", "kernel"]


def test_layers_come_from_the_built_model():
    rows = layer_table(networks.build("ciresan", variant="w65", maps=3, hidden=9, classes=4, in_channels=2))
    assert [row["size"] for row in rows] == [65, 61, 30, 26, 13, 9, 4, 1, 1]
    assert [row["maps"] for row in rows] == [2, 3, 3, 3, 3, 3, 3, 9, 4]


def test_layer_table_leaves_no_hooks():
    model = small("n4")
    layer_table(model)
    assert not any(module._forward_hooks for module in model.modules())


def test_scaled_tanh():
    values = torch.tensor([-3.0, -1.0, 0.0, 1.0, 0.25])
    want = [1.7159 * math.tanh(2 * value / 3) for value in values.tolist()]
    assert ScaledTanh()(values).tolist() == pytest.approx(want, rel=1e-6)
    assert ScaledTanh()(torch.tensor(1.0)).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_forward_equals_activation_before_pooling(variant, activation):
    model = small(variant, activation=activation).double()
    windows = mirrored(model, 1, 1, batch=3, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(
            model(windows), by_activation_before_pooling(model, windows), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 3), (5, 22)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_dense_equals_every_window(variant, size):
    model = small(variant)
    images = mirrored(model, *size)
    with torch.no_grad():
        dense, want = model.dense()(images), by_windows(model, images)
    assert dense.shape == (1, 2, *size)
    assert want.std() > 1e-4 or size == (1, 1)
    torch.testing.assert_close(dense, want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_dense_equals_dilated_convolutions(variant, activation):
    model = small(variant, activation=activation, classes=3, in_channels=2).double()
    images = mirrored(model, 41, 30, batch=2, channels=2, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model.dense()(images), by_dilation(model, images), rtol=0, atol=1e-12)


def test_published_network_is_exact_to_1e_5():
    torch.manual_seed(0)
    model = networks.build("ciresan").eval()
    images = mirrored(model, 9, 8)
    with torch.no_grad():
        torch.testing.assert_close(model.dense()(images), by_windows(model, images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("budget", [1, 5000, 10**9])
def test_budget_changes_no_result(budget):
    model = small("n4").double()
    images = mirrored(model, 19, 33, batch=2, dtype=torch.float64)
    with torch.no_grad():
        want = by_dilation(model, images)
        torch.testing.assert_close(model.dense(budget=budget)(images), want, rtol=0, atol=1e-12)


def test_dense_shares_its_parameters():
    model = small("n4")
    dense = model.dense()
    assert {id(p) for p in dense.parameters()} == {id(p) for p in model.parameters()}
    with torch.no_grad():
        model.output.bias.add_(5)
        images = mirrored(model, 2, 2)
        assert torch.allclose(dense(images), by_windows(model, images), atol=1e-5)


def test_dense_gradients_equal_those_of_windows():
    model = small("w65").double()
    images = mirrored(model, 3, 4, dtype=torch.float64)
    gradients = []
    for logits in (model.dense()(images), by_windows(model, images)):
        model.zero_grad()
        logits.square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    for dense, want in zip(*gradients, strict=True):
        torch.testing.assert_close(dense, want, rtol=1e-9, atol=1e-12)


def test_fragments_and_interleaving_are_pooling_at_every_offset():
    maps = torch.randn(2, 3, 9, 13, generator=torch.Generator().manual_seed(0))
    want = functional.max_pool2d(maps, 2, stride=1)
    assert torch.equal(interleave(pool_fragments(maps)), want)


@pytest.mark.parametrize("shape", [(1, 1, 94, 200), (1, 2, 200, 200), (1, 200, 200)])
def test_dense_names_images_that_do_not_fit(shape):
    with pytest.raises(ValueError, match=r"H \+ 94, W \+ 94\), found"):
        small("n4").dense()(torch.zeros(shape))


def test_budget_is_checked():
    with pytest.raises(ValueError, match="budget=0"):
        small("n4").dense(budget=0)
