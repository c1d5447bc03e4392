# SPDX-License-Identifier: MIT
"""A slide that is scanned at 0.25 and at 0.5 µm gives the same sections, areas and calls."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2hed

from microtome.config.phantoms.slides import SlidePhantomData
from microtome.config.sections import Glass, Proposed
from microtome.io import slides as whole_slides
from microtome.io.section_boxes import Box
from microtome.phantoms.slides.sheet import slides
from microtome.phantoms.slides.simulation import simulate, writer
from microtome.slides.sections import propose
from microtome.slides.statistics import largest_regions
from microtome.slides.tissue import find_tissue

MPP, TISSUE_MPP = 2.0, 8.0
THRESHOLDS = (0.3, 0.5, 0.7)
AREA_STEP, AREAS = 1280.0, 17
OPTIONS = {"height": 1300, "width": 2400, "sections": 2, "seed": 3}


@dataclass(frozen=True)
class Scanned:
    """What is made of a scan: boxes in slide pixels of 0.25 µm, areas by section and threshold (µm²)."""

    boxes: list[Box]
    areas: NDArray[np.float64]
    tissue: float


def basaloid(rgb):
    """A stand-in for a network, (H, W) 0 to 1: haematoxylin, one half between that of dermis and of nests."""
    dense = gaussian_filter(rgb2hed(np.moveaxis(rgb, 0, -1))[..., 0], 4.0)
    return 1 / (1 + np.exp(-(dense - 0.04) / 0.012))


def scanned(folder, mpp, kind):
    settings = SlidePhantomData(mpp=mpp, **OPTIONS)
    slide = slides(settings)[0]
    path = folder / f"{mpp}.{kind}"
    writer(settings, slide, simulate(settings, slide), kind)(path)
    source = whole_slides.SlideSource(whole_slides.describe(path, mpp=MPP))
    seen = source.at(TISSUE_MPP)
    found = find_tissue(seen.read(0, 0, *seen.shape[1:]), Glass(), spacing=seen.mpp, name=path)
    bounds = source.reference.bounds
    laid = {"spacing": seen.mpp, "scale": seen.scale, "size": (bounds.height, bounds.width)}
    boxes = propose(found.tissue, Proposed(), **laid, name=path)
    areas = [_areas(source, box) for box in boxes]
    factor = round(mpp / 0.25)
    scaled = [
        Box(y=b.y * factor, x=b.x * factor, height=b.height * factor, width=b.width * factor) for b in boxes
    ]
    return Scanned(scaled, np.array(areas), float(found.tissue.sum()) * TISSUE_MPP**2)


def _areas(source, box):
    y, x, bottom, right = (
        round(side / step)
        for side, step in zip((box.y, box.x, box.bottom, box.right), source.scale * 2, strict=True)
    )
    rgb = source.read(y, x, min(bottom, source.shape[1]) - y, min(right, source.shape[2]) - x)
    return largest_regions(basaloid(rgb), THRESHOLDS, pixel_area=MPP**2).areas


@pytest.fixture(scope="module", params=["tiff", "scn"])
def both(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    return [scanned(folder, mpp, request.param) for mpp in (0.25, 0.5)]


def test_the_sections_are_the_same(both):
    fine, coarse = both
    assert len(fine.boxes) == len(coarse.boxes) == OPTIONS["sections"]
    step = TISSUE_MPP / 0.25
    for one, other in zip(fine.boxes, coarse.boxes, strict=True):
        for name in ("y", "x", "bottom", "right"):
            assert abs(getattr(one, name) - getattr(other, name)) <= step


def test_areas_differ_by_two_per_cent_at_most(both):
    fine, coarse = both
    assert coarse.tissue == pytest.approx(fine.tissue, rel=0.02)
    assert (fine.areas[0] > 10_000).all(), "the first section has a nodular tumour"
    np.testing.assert_allclose(coarse.areas, fine.areas, rtol=0.02, atol=2 * MPP**2)


def test_the_calls_are_the_same_by_any_area(both):
    fine, coarse = both
    for least in AREA_STEP * np.arange(1, AREAS):
        np.testing.assert_array_equal(fine.areas >= least, coarse.areas >= least)
