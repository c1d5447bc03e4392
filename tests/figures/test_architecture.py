# SPDX-License-Identifier: MIT
"""Architectures with residual stages: their steps, their layout, what the drawing says."""

import copy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from microtome import figures, networks
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.network_steps import trace, trace_model
from microtome.figures.parts.u_diagram import draw_u, halvings, lay_out

USENET = {"name": "usenet", "encoder": "seresnet50", "weights": "imagenet"}


@pytest.fixture(scope="module")
def traced():
    return trace(USENET, size=992)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_stages_are_single_steps(traced):
    stages = [step for step in traced.steps if step.kind == "stage"]
    assert [(step.channels, step.size, step.blocks) for step in stages] == [
        (256, 248, 3),
        (512, 124, 4),
        (1024, 62, 6),
        (2048, 31, 3),
    ]
    assert {step.label for step in stages} == {"SE bottleneck"}
    assert [step.kind for step in traced.steps[:3]] == ["input", "convolution", "pool"]
    assert [(step.channels, step.size) for step in traced.steps[:3]] == [(3, 992), (64, 496), (64, 248)]


def test_decoder_and_skips_are_seen(traced):
    ups = [(step.channels, step.size) for step in traced.steps if step.kind == "up"]
    assert ups == [(2048, 62), (256, 124), (128, 248), (64, 496), (32, 992)]
    assert {step.label for step in traced.steps if step.kind == "up"} == {"bilinear"}
    assert [step.copied for step in traced.steps if step.copied] == [1024, 512, 256, 64]
    last = traced.steps[-1]
    assert (last.kind, last.channels, last.size, last.kernel) == ("output", 2, 992, 3)
    assert halvings(traced.steps) == 5
    assert traced.parameters == 35_037_186


def test_tracing_takes_the_channels_of_the_network():
    with torch.device("meta"):
        model = networks.build("usenet", encoder="resnet18", in_channels=5).eval()
        steps = trace_model(model, torch.zeros(1, 5, 64, 64))
    assert trace({"name": "usenet", "encoder": "resnet18", "in_channels": 5}, size=64).steps == steps


@pytest.mark.parametrize("network", [USENET, {"name": "usenet", "encoder": "resnet18", "width": 16}])
def test_no_two_boxes_of_a_level_touch(network):
    boxes = lay_out(trace(network, size=256).steps)
    for level in range(6):
        row = sorted((box.x - box.copied, box.x + box.width) for box in boxes if box.level == level)
        gaps = [right[0] - left[1] for left, right in pairwise(row)]
        assert all(gap > 0.3 for gap in gaps)
    assert [box.level for box in boxes if box.is_smaller] == [1, 2, 3, 4, 5]


def test_drawing_names_stages_skips_and_outputs(traced):
    figure = draw_u(traced.steps, traced.companions, ("mask", "shape marker"))
    written = texts(figure)
    assert [text for text in written if text.startswith("×")] == ["×3", "×4", "×6", "×3"]
    assert [text for text in written if text.startswith("copy")] == [
        "copy 1024",
        "copy 512",
        "copy 256",
        "copy 64",
    ]
    assert "mask\nshape marker" in written
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "stage of ×n SE bottlenecks" in legend
    assert "bilinear up-sampling" in legend
    assert "max pooling 3×3" in legend


def test_a_plain_unet_has_no_stages():
    result = figures.draw("architecture", FigureInputs(), network={"name": "unet", "width": 2}, size=32)
    assert list(result.data.columns) == ["kind", "channels", "size", "kernel", "taken", "copied"]
    legend = [text.get_text() for text in result.figure.legends[0].get_texts()]
    assert not [text for text in legend if "stage" in text]


def test_a_run_names_its_outputs(study):
    record = next(record for record in study.runs if not record.is_ensemble)
    card = copy.deepcopy(dict(record.card))
    card["network"] = {"name": "usenet", "options": {"encoder": "resnet18", "width": 8}}
    card["outputs"] = ["mask", "centre_marker"]
    inputs = replace(study, runs=[replace(record, card=card)])
    result = figures.draw("architecture", inputs, run=record.run, size=64)
    assert "mask\ncentre marker" in texts(result.figure)
    assert result.caption.endswith("The outputs are independent sigmoids: mask, centre marker.")
    assert "2, 2, 2, 2 residual blocks" in result.caption
    assert result.data["blocks"].sum() == 8


@pytest.mark.parametrize("name", ["fcn8s", "deeplab"])
def test_sums_and_branches_are_refused_and_not_drawn_as_copies(name):
    with pytest.raises(ValueError, match=r"and none of \d+ to be appended; sums and branches are not drawn"):
        trace({"name": name}, size=64)


def test_pooling_that_keeps_places_is_a_step():
    traced = trace({"name": "segnet", "width": 4}, size=64)
    assert [step.size for step in traced.steps if step.kind == "pool"] == [32, 16, 8, 4, 2]
    assert [step.size for step in traced.steps if step.kind == "up"] == [4, 8, 16, 32, 64]
    assert not any(step.copied for step in traced.steps)
    legend = [text.get_text() for text in draw_u(traced.steps, traced.companions).legends[0].get_texts()]
    assert "up-sampling" in legend
    assert "copy and concatenate" not in legend
