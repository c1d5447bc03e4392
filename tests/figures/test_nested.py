# SPDX-License-Identifier: MIT
"""Drawings of nested networks: what each subnetwork is made of, and where it stands."""

from itertools import pairwise

import pytest
import torch
from matplotlib.patches import Circle

from microtome import figures, networks
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.nested_diagram import MARGIN, draw_nested, lay_out_rows, skips_of
from microtome.figures.parts.nested_steps import trace_nested
from microtome.figures.parts.style import DOUBLE_COLUMN

MEDNET = {"name": "mednet", "scales": 3, "width": 35, "classes": 6}


@pytest.fixture(scope="module")
def traced():
    return trace_nested(MEDNET, size=256)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_subnetworks_have_the_published_shapes(traced):
    """Kose et al. 2021, three levels of 6 M parameters: 16x16 bottlenecks of 70, 140 and 280 channels."""
    assert [scale.reduction for scale in traced.scales] == [4, 2, 1]
    inputs = [
        (scale.steps[0].channels, scale.steps[0].copied, scale.steps[0].size) for scale in traced.scales
    ]
    assert inputs == [(1, 0, 64), (7, 6, 128), (7, 6, 256)]
    bottlenecks = [scale.steps[scale.bottleneck] for scale in traced.scales]
    assert [(step.channels, step.size) for step in bottlenecks] == [(70, 16), (140, 16), (280, 16)]
    finest = traced.scales[-1]
    stages = [(step.channels, step.size, step.blocks) for step in finest.steps if step.kind == "stage"]
    down = [(35, 128, 2), (70, 64, 2), (140, 32, 2), (280, 16, 2)]
    assert stages == [*down, (140, 16, 2), (70, 32, 2), (35, 64, 2), (35, 128, 2)]
    assert [(step.kind, step.channels, step.size) for step in finest.steps[-2:]] == [
        ("up", 35, 256),
        ("output", 6, 256),
    ]


def test_parameters_of_scales_add_up(traced):
    assert [scale.parameters for scale in traced.scales] == [293_796, 1_165_436, 4_629_176]
    assert traced.parameters == 6_088_408 == sum(scale.parameters for scale in traced.scales)


def test_what_is_drawn_has_the_shapes_that_the_network_gives():
    options = {"scales": 2, "width": 4, "depth": 3, "in_channels": 2, "classes": 3}
    found = trace_nested({"name": "mednet", **options}, size=32)
    levels = networks.build("mednet", **options).eval().levels(torch.zeros(1, 2, 32, 32))
    last = [(scale.steps[-1].channels, scale.steps[-1].size) for scale in found.scales]
    assert last == [tuple(level.shape[1:3]) for level in levels]


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_bottlenecks_are_in_line_and_nothing_overlaps(scales):
    found = trace_nested({**MEDNET, "scales": scales}, size=256)
    rows, floors, height = lay_out_rows(found.scales)
    edges = [row[scale.bottleneck].right for scale, row in zip(found.scales, rows, strict=True)]
    assert max(edges) - min(edges) < 1e-9
    for row in rows:
        assert all(right.left - left.right > 0.1 for left, right in pairwise(row))
        assert row[0].left >= MARGIN - 1e-9
        assert row[-1].right <= DOUBLE_COLUMN - MARGIN + 1e-9
    for above, below in pairwise(rows):
        assert max(box.bottom for box in above) < min(box.top for box in below) - 0.2
    assert all(max(box.bottom for box in row) < floor for row, floor in zip(rows, floors, strict=True))
    assert floors[-1] < height


def test_the_drawing_says_what_joins_the_subnetworks(traced):
    figure = draw_nested(traced)
    written = texts(figure)
    assert {"1×1: 70 → 140", "1×1: 140 → 280"} <= set(written)
    assert "1/4 of the resolution: 293,796 parameters" in written
    assert "full resolution: 4,629,176 parameters" in written
    (axes,) = figure.axes
    assert sum(isinstance(patch, Circle) and patch.get_radius() > 0.05 for patch in axes.patches) == 2
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "bottleneck × σ(z), z: 1×1 convolution of the coarser one" in legend
    assert "softmax of the scores, ×2, appended to the image" in legend


def test_options_are_drawn_as_they_are_set():
    plain = trace_nested({**MEDNET, "scales": 1}, size=256)
    legend = [text.get_text() for text in draw_nested(plain).legends[0].get_texts()]
    assert not [text for text in legend if "coarser" in text or "bottleneck" in text]
    other = trace_nested(
        {**MEDNET, "gate": "product", "pyramid": "nearest", "upsampling": "transposed"}, size=256
    )
    legend = [text.get_text() for text in draw_nested(other).legends[0].get_texts()]
    assert "bottleneck × z, z: 1×1 convolution of the coarser one" in legend
    assert "image of half the size: every second pixel" in legend
    assert "up-convolution, ×2" in legend


def test_the_figure_has_a_row_of_data_for_each_step():
    result = figures.draw("architecture", FigureInputs(), network=MEDNET, size=256)
    assert result.data["reduction"].value_counts().to_dict() == {4: 8, 2: 11, 1: 14}
    assert (
        "3 subnetworks, coarse to fine, with bottlenecks of 16², 16², 16² pixels; 6,088,408" in result.caption
    )


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(
        ValueError, match="found an image of 100 pixels; expected a multiple of 16 for mednet"
    ):
        trace_nested(MEDNET, size=100)


def test_connections_within_a_subnetwork_are_drawn_where_there_are_some(traced):
    assert [skips_of(row) for row in lay_out_rows(traced.scales)[0]] == [[], [], []]
    found = trace_nested({**MEDNET, "inner_skips": True}, size=256)
    rows, _, _ = lay_out_rows(found.scales)
    sizes = [[(row[a].step.size, row[b - 1].step.size) for a, b in skips_of(row)] for row in rows]
    assert sizes == [[(32, 32)], [(64, 64), (32, 32)], [(128, 128), (64, 64), (32, 32)]]
    legend = [text.get_text() for text in draw_nested(found).legends[0].get_texts()]
    assert "copy, appended to the maps" in legend
