# SPDX-License-Identifier: MIT
"""Regions of class maps against a flood by hand: their number, their areas, which of them are small."""

from dataclasses import replace

import numpy as np
import pytest

from microtome.metrics.families import fragmentation as family
from microtome.metrics.families._context import Context
from microtome.metrics.fragmentation import SMALL_MM2, fragmentation
from microtome.metrics.undefined import UndefinedMetricError

MPP = 40.0
PIXEL = (MPP / 1000) ** 2


def flooded(classes, within):
    """The sizes of regions, pixels: neighbours by edge or corner of one class, from pixel to pixel."""
    left, sizes = {tuple(p) for p in np.argwhere(within)}, []
    while left:
        stack = [next(iter(left))]
        left.discard(stack[0])
        size = 0
        while stack:
            row, column = stack.pop()
            size += 1
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            same = {place for place in near if classes[place] == classes[row, column]}
            left -= same
            stack += same
        sizes.append(size)
    return sizes


def rates(classes, within):
    sizes = flooded(classes, within)
    area = sum(sizes) * PIXEL
    small = sum(size for size in sizes if size * PIXEL < SMALL_MM2) * PIXEL
    return (len(sizes) / area, small / area) if sizes else (np.nan, np.nan)


@pytest.fixture
def image():
    rng = np.random.default_rng(1)
    full = np.repeat(np.repeat(rng.integers(0, 3, (5, 6)), 5, 0), 5, 1).astype(np.uint8)
    truth = np.where(np.add.outer(np.arange(25), np.arange(30)) % 17 < 10, full, 255).astype(np.uint8)
    segmentation = np.where(rng.random(full.shape) < 0.8, full, rng.integers(0, 3, full.shape))
    maps = np.zeros((3, *full.shape), np.float32)
    return Context(truth, maps, segmentation.astype(np.uint8), ["a", "b", "c"], full=full, mpp=MPP)


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_regions_are_those_of_a_flood(image, share):
    within = np.random.default_rng(2).random(image.truth.shape) < share
    found = fragmentation(image.segmentation, within, mpp=MPP)
    sizes = flooded(image.segmentation, within)
    assert found.regions == len(sizes)
    assert found.mm2 == pytest.approx(within.sum() * PIXEL)
    assert found.small_mm2 == pytest.approx(sum(s for s in sizes if s * PIXEL < SMALL_MM2) * PIXEL)
    assert found.small_mm2 > 0


def test_a_region_of_the_limit_itself_is_not_small():
    square = np.zeros((10, 10), np.uint8)
    everywhere = np.ones_like(square, bool)
    assert fragmentation(square, everywhere, mpp=10, small=0.01).small_share == 0
    assert fragmentation(square, everywhere, mpp=10, small=0.010001).small_share == 1
    with pytest.raises(ValueError, match="0 µm a pixel; expected one shape, and pixels of more than 0 µm"):
        fragmentation(square, everywhere, mpp=0)


def test_the_family_measures_segmentation_labels_and_complete_labels_in_and_out_of_the_labelled_part(image):
    found = {m.metric: m.value for m in family.measure(image)}
    parts = {"": np.ones_like(image.valid), "_labelled": image.valid, "_unlabelled": ~image.valid}
    sides = {"": image.segmentation, "full_": image.full}
    for ending, within in parts.items():
        for prefix, classes in sides.items():
            names = (f"{prefix}regions_per_mm2{ending}", f"{prefix}small_region_share{ending}")
            assert [found[name] for name in names] == pytest.approx(rates(classes, within)), names
    names = ("truth_regions_per_mm2_labelled", "truth_small_region_share_labelled")
    assert [found[name] for name in names] == pytest.approx(rates(image.truth, image.valid))
    assert found["mm2_labelled"] == pytest.approx(image.valid.sum() * PIXEL)
    assert found["mm2_unlabelled"] == pytest.approx((~image.valid).sum() * PIXEL)
    assert tuple(found) == family.OF_IMAGE


def test_what_is_not_there_has_no_value(image):
    found = {m.metric: m.value for m in family.measure(replace(image, truth=image.full, full=None))}
    nothing = {name for name, value in found.items() if np.isnan(value)}
    assert nothing == {name for name in family.OF_IMAGE if name.startswith("full_")} | {
        "regions_per_mm2_unlabelled",
        "small_region_share_unlabelled",
    }
    with pytest.raises(UndefinedMetricError, match="column `mpp` of the sheet"):
        family.measure(replace(image, mpp=None))
