# SPDX-License-Identifier: MIT
"""Worked examples, windows and architectures: against the thesis' numbers and other programs."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn

from microtome import figures, networks
from microtome.figures.inputs import FigureInputs
from microtome.figures.kinds.overlap_tile import coverage
from microtome.figures.kinds.worked_convolution import correlate
from microtome.figures.kinds.worked_pooling import max_pool
from microtome.figures.parts.network_steps import trace, trace_model
from microtome.io import images

PRINTED = {
    "convolution": {"output 4": [[40, 32], [26, 25]]},
    "stride": {"stride 1": [[15, 18, 25], [16, 14, 9], [8, 6, 8]], "stride 2": [[15, 25], [8, 8]]},
    "padding": {
        "no padding": [[41, 33], [25, 23]],
        "zero padding of 1": [[26, 42, 55, 35], [34, 41, 33, 28], [18, 25, 23, 14], [3, 9, 8, 8]],
    },
}
"""Figures 15 to 17 of the thesis."""


@pytest.mark.parametrize("example", PRINTED)
def test_convolutions_give_the_printed_feature_maps(example):
    data = figures.draw("worked_convolution", FigureInputs(), example=example).data
    for case, printed in PRINTED[example].items():
        found = data[data["case"] == case].pivot(index="row", columns="column", values="value")
        assert found.to_numpy().tolist() == printed


def test_correlate_agrees_with_scipy():
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(7, 9)), rng.normal(size=(3, 2))
    np.testing.assert_allclose(correlate(image, kernel), correlate2d(image, kernel, "valid"))
    np.testing.assert_allclose(
        correlate(image, kernel, stride=2), correlate2d(image, kernel, "valid")[::2, ::2]
    )
    np.testing.assert_allclose(
        correlate(image, kernel, padding=1), correlate2d(np.pad(image, 1), kernel, "valid")
    )
    with pytest.raises(ValueError, match="does not fit"):
        correlate(kernel, image)
    with pytest.raises(ValueError, match="example"):
        figures.draw("worked_convolution", FigureInputs(), example="dilation")


def test_relu_and_pooling_of_matrices():
    relu = figures.draw("worked_relu", FigureInputs(), feature_map=[[-1, 2], [0, -3]]).data
    assert relu["after"].tolist() == [0, 2, 0, 0]
    pooled = figures.draw("worked_pooling", FigureInputs()).data
    assert pooled["value"].tolist() == [20, 30, 112, 37]


def test_max_pool_agrees_with_torch():
    values = np.random.default_rng(1).normal(size=(7, 8))
    expected = nn.functional.max_pool2d(torch.from_numpy(values)[None], 2)[0].numpy()
    np.testing.assert_array_equal(max_pool(values, 2), expected)
    with pytest.raises(ValueError, match="smaller window"):
        max_pool(values, 9)


def test_pooling_an_image_halves_its_size(study):
    data = figures.draw("worked_pooling", study, example="image", times=2).data
    assert data[["height", "width"]].to_numpy().tolist() == [[48, 48], [24, 24], [12, 12]]
    assert data["mean_grey"].is_monotonic_increasing


def test_activations_are_torchs():
    data = figures.draw("activations", FigureInputs()).data
    for name, function in {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}.items():
        curve = data[data["function"] == name]
        np.testing.assert_allclose(
            curve["value"], function(torch.from_numpy(curve["u"].to_numpy(copy=True))), atol=1e-12
        )


@pytest.mark.parametrize(("side", "step"), [(3, 1), (5, 2), (6, 4), (4, 4)])
def test_coverage_counts_windows(side, step):
    shape, counts = (9, 7), np.zeros((9, 7), int)
    for top in range(0, shape[0], step):
        for left in range(0, shape[1], step):
            y, x = top - (side - step) // 2, left - (side - step) // 2
            counts[max(y, 0) : y + side, max(x, 0) : x + side] += 1
    np.testing.assert_array_equal(coverage(shape, side=side, step=step), counts)


def test_overlap_tile_reports_the_work(study):
    data = figures.draw("overlap_tile", study, tile=12, context=6, window=9).data.set_index("strategy")
    assert data.loc["sliding window", ["windows", "largest"]].tolist() == [48 * 48, 81]
    assert data.loc["overlap-tile", ["windows", "side", "largest"]].tolist() == [16, 24, 4]
    with pytest.raises(ValueError, match="take smaller ones"):
        figures.draw("overlap_tile", study, tile=49)


def test_window_variants_keep_the_centre_and_blur_the_rim(study):
    drawn = figures.draw("window_variants", study, window=33, per_class=2).data
    assert len(drawn) == 4 * 5
    board = drawn[drawn["class"] == "checkerboard"].set_index("variant")
    assert board.loc["Fov", "rim_sd"] < board.loc["plain", "rim_sd"]
    assert board.loc["Fov", "centre_grey"] == pytest.approx(board.loc["plain", "centre_grey"])
    data = drawn.set_index(["variant", "class"]).sort_index()
    assert data.loc["Nu", "raw_side"].iloc[0] > data.loc["plain", "raw_side"].iloc[0] == 33
    centres = data.loc[("plain", "membrane")][["row", "column"]].to_numpy(int)
    label = images.read(study.sources["00"].target)
    assert all(label[row, column] == 0 for row, column in centres)


class Small(nn.Module):
    """A U with one level: pooling by a function, not a layer."""

    def __init__(self):
        super().__init__()
        self.first, self.deep = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.up, self.last = nn.ConvTranspose2d(8, 4, 2, stride=2), nn.Conv2d(8, 3, 1)

    def forward(self, image):
        first = self.first(image)
        deep = self.deep(nn.functional.max_pool2d(first, 2))
        return self.last(torch.cat([self.up(deep), first], 1))


def test_trace_sees_pooling_by_functions_and_skips():
    steps = trace_model(Small(), torch.zeros(1, 2, 16, 16))
    assert [(step.kind, step.channels, step.size) for step in steps] == [
        ("input", 2, 16),
        ("convolution", 4, 16),
        ("pool", 4, 8),
        ("convolution", 8, 8),
        ("up", 4, 16),
        ("output", 3, 16),
    ]
    assert [step.copied for step in steps] == [0, 0, 0, 0, 0, 4]
    with pytest.raises(ValueError, match="no 2-D convolution"):
        trace_model(nn.ReLU(), torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize(("variant", "bottom"), [("tutorial", [1024, 512]), ("classic", [1024, 1024])])
def test_trace_follows_the_variant(variant, bottom):
    traced = trace({"name": "unet", "variant": variant, "width": 64}, size=512)
    deepest = [step.channels for step in traced.steps if step.size == 32 and step.kind == "convolution"]
    assert deepest == bottom
    assert sum(step.copied > 0 for step in traced.steps) == 4
    assert traced.companions == ("batch normalisation", "ReLU")
    assert traced.parameters == networks.parameter_count(networks.build("unet", variant=variant))


def test_architecture_of_a_run_or_a_window_network(study):
    result = figures.draw("architecture", study, run="n4")
    assert result.data["size"].tolist() == [95, 92, 46, 42, 21, 18, 9, 6, 3, 1, 1]
    assert "219,290 parameters" in result.caption
    with pytest.raises(ValueError, match="ensemble"):
        figures.draw("architecture", study, run="mcdnn")
    with pytest.raises(ValueError, match="network"):
        figures.draw("architecture", FigureInputs())
