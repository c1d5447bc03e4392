# SPDX-License-Identifier: MIT
"""Patches of slides with the masks of runs at their own thresholds, and the windows that they are made of."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from skimage.measure import label, regionprops

from microtome.figures.kinds import called_patches
from microtome.figures.parts.heat_maps import Place, large_regions, read_heat
from microtome.io import images
from tests.synthetic_slides import MPP, PATCH


@pytest.fixture(scope="module")
def inputs(slides):
    return slides


@pytest.fixture(scope="module")
def drawn(inputs):
    return called_patches.draw(inputs)


def truth(inputs, place):
    tumor = images.read(inputs.files["targets"][0] / f"{place['sample']}.tif") == 1
    return tumor[place["y"] : place["y"] + PATCH, place["x"] : place["x"] + PATCH]


def test_patches_are_those_nearest_to_half_annotated_one_a_slide(inputs, drawn):
    shown = drawn.data.drop_duplicates("sample")
    assert sorted(shown["sample"]) == ["a", "b"]
    for place in shown.to_dict("records"):
        tumor = images.read(inputs.files["targets"][0] / f"{place['sample']}.tif") == 1
        shares = [tumor[y : y + PATCH, x : x + PATCH].mean() for y in (0, 48) for x in (0, 72, 144)]
        assert abs(place["annotated"] - 0.5) == min(abs(share - 0.5) for share in shares)


@pytest.mark.parametrize(("run", "factor"), [("unet", 1), ("r34", 4)])
def test_masks_are_what_the_thresholds_make_of_the_map(inputs, drawn, run, factor):
    folder = inputs.record(run).folder / "predictions/val-0000"
    for place in drawn.data[drawn.data["run"] == run].to_dict("records"):
        heat = images.read(folder / f"{place['sample']}.tif")
        rows = np.arange(place["y"], place["y"] + PATCH) // factor
        columns = np.arange(place["x"], place["x"] + PATCH) // factor
        mask = heat[rows][:, columns] / 255 >= 0.5
        large = np.zeros_like(mask)
        for region in regionprops(label(mask, connectivity=2)):
            y, x = region.coords.T
            touches = {0, PATCH - 1} & {*y, *x}
            large[y, x] = touches or region.area * MPP**2 >= 1280
        assert (place["called"], place["small"]) == (large.mean(), (mask & ~large).mean())
        annotated = truth(inputs, place)
        assert place["iou"] == pytest.approx((annotated & large).sum() / (annotated | large).sum())


def test_a_row_of_panels_for_input_and_runs_and_one_below(drawn):
    titles = [axes.get_title(loc="left") for axes in drawn.figure.axes]
    assert any("U-Net\np ≥ 0.50, 1,280 µm²" in title for title in titles)
    assert len([axes for axes in drawn.figure.axes if axes.images]) == 2 * 2 * 3


def test_named_slides_are_shown_and_others_refused(inputs):
    result = called_patches.draw(inputs, samples=["b"], runs=["r34"])
    assert set(result.data["sample"]) == {"b"}
    with pytest.raises(ValueError, match=r"no patch of \['z'\] holds 'tumor'"):
        called_patches.draw(inputs, samples=["z"])
    with pytest.raises(ValueError, match="no patch of part 'test' holds 'tumor'"):
        called_patches.draw(inputs, part="test")


@pytest.mark.parametrize(
    "place", [Place("a", 0, 0, 7, 9), Place("a", 5, 6, 10, 11), Place("a", 150, 230, 10, 10)]
)
def test_a_coarser_map_is_read_where_the_window_lies(inputs, place):
    folder = inputs.record("r34").folder / "predictions/val-0000"
    whole = (images.read(folder / "a.tif") / 255).repeat(4, axis=0).repeat(4, axis=1)
    found = read_heat([folder], place, "tumor", mpp=MPP)
    expected = whole[place.y : place.y + place.height, place.x : place.x + place.width]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_regions_at_the_border_count_as_large():
    p = np.zeros((8, 8))
    p[0, 0] = p[4, 4] = 1
    large, small = large_regions(p, 0.5, 2.0, pixel_area=1.0)
    assert (large[0, 0], small[4, 4]) == (True, True)
    assert not large_regions(p * 0, 0.5, 0.0, pixel_area=1.0)[0].any()


def test_long_names_of_runs_stay_above_their_panels(inputs):
    long = [replace(record, label="ResNet34-UNet + Linear") for record in inputs.runs]
    runs = ["unet", "r34"] * 2
    figure = called_patches.draw(replace(inputs, runs=tuple(long)), runs=runs).figure
    figure.draw_without_rendering()
    heads = [axes._left_title.get_window_extent() for axes in figure.axes if axes.get_title(loc="left")]
    assert len(heads) == 1 + len(runs)
    assert all(one.x1 <= other.x0 for one, other in pairwise(heads))
    assert max(head.y1 for head in heads) <= figure.bbox.y1
