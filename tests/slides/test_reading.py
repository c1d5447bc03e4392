# SPDX-License-Identifier: MIT
"""Slides against OpenSlide, and against area averages computed by brute force."""

import os
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray
from pytest import fixture, mark, skip

from microtome.io import images, slides

NAMES = {"CMU-1-Small-Region.svs": 0.499, "TCGA-CR-7395-01A-01-TS1.svs": 0.25}


@fixture(params=sorted(NAMES))
def slide(request) -> tuple[Path, float]:
    """A real slide and its pixel size."""
    root = os.environ.get("MICROTOME_DATA")
    if not root:
        skip("MICROTOME_DATA is not set: no real slides")
    return Path(root) / "wsi_small" / request.param, NAMES[request.param]


def _level(path: Path, level: int) -> NDArray[np.uint8]:
    with openslide.OpenSlide(path) as opened:
        return np.asarray(opened.read_region((0, 0), level, opened.level_dimensions[level]))[..., :3]


def _overlaps(count: int, step: float, length: int) -> NDArray[np.float64]:
    """What part of each of `length` pixels lies under each of `count` larger ones."""
    edges, pixels = np.arange(count + 1) * step, np.arange(length)
    low, high = np.maximum(edges[:-1, None], pixels), np.minimum(edges[1:, None], pixels + 1)
    return np.clip(high - low, 0, None) / step


def test_native_levels_equal_openslide(slide: tuple[Path, float]) -> None:
    path, mpp = slide
    for level in range(len(slides.header(path).levels)):
        source = slides.SlideSource(slides.describe(path, mpp=mpp * 2**level, slide_mpp=mpp))
        assert source.reference.level == level
        assert np.array_equal(np.moveaxis(source.read(0, 0, *source.shape[1:]), 0, -1), _level(path, level))


def test_between_levels_the_area_is_averaged(slide: tuple[Path, float]) -> None:
    path, mpp = slide
    source = slides.SlideSource(slides.describe(path, mpp=1.0, slide_mpp=mpp))
    level = source.reference.level
    pixels, step = _level(path, level).astype(np.float64), 1.0 / mpp / 2**level
    assert step > 1
    height, width = (int(length / step) for length in pixels.shape[:2])
    rows, columns = _overlaps(height, step, len(pixels)), _overlaps(width, step, pixels.shape[1])
    expected = np.einsum("xw,ywc->yxc", columns, np.tensordot(rows, pixels, 1), optimize=True)
    found = np.moveaxis(source.read(0, 0, *source.shape[1:]), 0, -1)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1


@mark.parametrize("mpp", [0.5, 1.0, 1.7])
def test_a_place_has_one_value(slide: tuple[Path, float], mpp: float, tmp_path: Path) -> None:
    path, own = slide
    slides.describe(path, mpp=mpp, slide_mpp=own).write(tmp_path / "a.slide")
    source = images.open_source(tmp_path / "a.slide")
    height, width = source.shape[1:]
    whole = source.read(0, 0, height, width)
    generator = np.random.default_rng(0)
    for _ in range(20):
        h, w = generator.integers(1, 400, 2)
        y, x = generator.integers(0, height - h + 1), generator.integers(0, width - w + 1)
        assert np.array_equal(source.read(y, x, h, w), whole[:, y : y + h, x : x + w])
