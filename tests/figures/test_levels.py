# SPDX-License-Identifier: MIT
"""Figures of the levels of a network: what is shown is what the network gives, at each resolution."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from safetensors.torch import save_file

from microtome import figures, networks
from microtome.figures.parts.annotated_patches import half_annotated
from microtome.figures.parts.level_maps import read_levels
from microtome.figures.parts.style import PHANTOM_TAG
from microtome.figures.save import render
from microtome.io import images
from tests.synthetic_slides import PATCH

INPUT = {"scale": 255, "mean": 0.5, "std": 0.25, "zoom": 1}
OPTIONS = {"encoder": "resnet34", "width": 4, "classes": 2}


def trained(record, head):
    """The record of a run of the network, with weights in its folder."""
    torch.manual_seed(len(head))
    options = OPTIONS | {"head": head}
    network = networks.build("dsunet", **options)
    network(torch.rand(2, 3, 64, 64))  # running statistics differ from their start
    save_file(network.state_dict(), record.folder / "model.safetensors")
    card = copy.deepcopy(record.card) | {"network": {"name": "dsunet", "options": options}}
    card |= {"training": {"input": INPUT}, "activation": "softmax"}
    return replace(record, card=card, label=head), network.eval()


@pytest.fixture(scope="module")
def models(slides):
    return {
        record.run: trained(record, head)
        for record, head in zip(slides.runs, ("deep", "linear"), strict=True)
    }


@pytest.fixture(scope="module")
def inputs(slides, models):
    return replace(slides, runs=[record for record, _ in models.values()])


def test_maps_are_the_softmax_of_each_level(inputs, models):
    for record, network in models.values():
        (place,) = half_annotated(inputs, record, "tumor", part="val")
        maps = read_levels(inputs, record, place, "tumor")
        pixels = images.read(inputs.files["images"][0] / f"{place.sample}.tif")
        window = pixels[place.y : place.y + PATCH, place.x : place.x + PATCH] / 255
        window = torch.from_numpy(np.moveaxis((window - 0.5) / 0.25, -1, 0)[None].astype(np.float32))
        with torch.no_grad():
            expected = [*network.levels(window), network(window)]
        assert maps.reductions == (16, 8, 4, 2, 1)
        assert [one.shape for one in maps.levels] == [(-(-PATCH // r),) * 2 for r in maps.reductions]
        for found, logits in zip((*maps.levels, maps.result), expected, strict=True):
            values = np.exp(logits[0].numpy().astype(np.float64))
            np.testing.assert_allclose(found, values[1] / values.sum(0), atol=1e-5)
        assert maps.merges == (record.label == "linear")


def test_a_row_for_each_run_and_a_column_for_each_level(inputs):
    result = figures.draw("decoder_levels", inputs)
    panels = [axes for axes in result.figure.axes if axes.images]
    assert len(panels) == 2 * 7
    assert [axes.get_ylabel() for axes in panels[::7]] == ["deep", "linear"]
    sides = [axes.images[0].get_array().shape[0] for axes in panels[1:7]]
    assert sides == [6, 12, 24, 48, 96, 96]
    levels = ["0", "1", "2", "3", "4", "result"]
    assert result.data["level"].tolist() == levels * 2
    by_run = result.data.set_index(["run", "level"])["inside"]
    first, second = by_run.index.unique("run")
    assert by_run[first, "4"] == pytest.approx(by_run[first, "result"])
    assert by_run[second, "4"] != pytest.approx(by_run[second, "result"])
    assert "In linear the scores of the blocks are summed before the softmax" in result.caption
    alone = figures.draw("decoder_levels", inputs, runs=[first])
    assert "for the picture only" not in alone.caption


def test_the_drawing_of_the_network_has_the_scores_beside_its_levels(inputs):
    run = inputs.runs[0].run
    plain = figures.draw("architecture", inputs, run=run, size=PATCH)
    with_scores = figures.draw("architecture", inputs, run=run, scores=True)
    (axes,) = with_scores.figure.axes
    assert [image.get_array().shape[0] for image in axes.images] == [6, 12, 24, 48, 96]
    assert not plain.figure.axes[0].images
    assert with_scores.data.equals(plain.data)
    extents = [image.get_extent() for image in axes.images]
    sides = [abs(right - left) for left, right, *_ in extents]
    assert sides == sorted(sides)
    assert max(right for _, right, *_ in extents) < axes.get_xlim()[1]
    assert "softmax of its scores, probability of tumor" in with_scores.caption


def test_a_network_with_a_single_output_is_refused(slides, tmp_path):
    record, _ = trained(replace(slides.runs[0], folder=tmp_path), "single")
    alone = replace(slides, runs=[record])
    for kind, options in (("architecture", {"scores": True}), ("decoder_levels", {})):
        with pytest.raises(ValueError, match="has no coarser outputs; name one of network dsunet"):
            figures.draw(kind, alone, **options)


@pytest.mark.parametrize(("kind", "options"), [("architecture", {"scores": True}), ("decoder_levels", {})])
def test_the_same_bytes_twice_with_a_tag(inputs, kind, options):
    first, second = (figures.draw(kind, inputs, **options) for _ in range(2))
    assert render(first, "svg") == render(second, "svg")
    assert PHANTOM_TAG in [item.get_text() for item in first.figure.findobj(Text)]
