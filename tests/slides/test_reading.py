# SPDX-License-Identifier: MIT
"""Slides against OpenSlide, tifffile, and area averages computed by brute force."""

import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from pytest import approx, fixture, mark, raises, skip

from benchmarks.ndpi import write_ndpi
from microtome.io import images, slides
from microtome.io.errors import ImageError
from microtome.io.slides.area import Axis, average
from microtome.io.slides.levels import OpenSlideLevels
from microtome.phantoms.slides.slide_files import block_means
from tests.slides.oracle import area_average, openslide_level
from tests.slides.written import FORMATS, phantom, write

REAL = {"CMU-1-Small-Region.svs": 0.499, "TCGA-CR-7395-01A-01-TS1.svs": 0.25}
Slide = tuple[Path, float]


def real(name: str) -> Path:
    """A real slide."""
    if not os.environ.get("MICROTOME_DATA"):
        skip("MICROTOME_DATA is not set: no real slides")
    return Path(os.environ["MICROTOME_DATA"]) / "wsi_small" / name


@fixture(params=[*REAL, *FORMATS, "ndpi"])
def slide(request, tmp_path_factory) -> Slide:
    """Each slide and its pixel size."""
    if request.param in REAL:
        return real(request.param), REAL[request.param]
    return made(request.param, tmp_path_factory)


@fixture(params=[*FORMATS, "ndpi"])
def small(request, tmp_path_factory) -> Slide:
    """Each slide that is made here."""
    return made(request.param, tmp_path_factory)


def made(kind: str, folders) -> Slide:
    """The phantom as a slide of a kind."""
    folder, (image, _) = folders.getbasetemp() / f"{kind}-slide", phantom()
    if kind == "ndpi" and not folder.exists():
        folder.mkdir()
        write_ndpi(folder / "slide.ndpi", [image, block_means(image, 4)], 1.0)
    elif not folder.exists():
        write(kind, folder, image, 1.0)
    (path,) = [*folder.glob("level-0.*"), *folder.glob("slide.*")]
    return path, 1.0


def opened(slide: Slide, mpp: float, **options) -> slides.SlideSource:
    """A slide at a pixel size."""
    return slides.SlideSource(slides.describe(slide[0], mpp=mpp, slide_mpp=slide[1], **options))


def whole(source: slides.SlideSource) -> NDArray[np.uint8]:
    """All pixels, (H, W, 3)."""
    return np.moveaxis(source.read(0, 0, *source.shape[1:]), 0, -1)


def level_of(path: Path, level: int) -> NDArray[np.uint8]:
    """All pixels of a level, as a library that is not ours has them."""
    if path.name.endswith(".ome.tif"):
        with tifffile.TiffFile(path) as file:
            return file.series[0].levels[level].asarray()
    return openslide_level(path, level)


def test_native_levels_equal_openslide(slide: Slide) -> None:
    path, mpp = slide
    sizes = slides.header(path).levels
    for level, (height, _) in enumerate(sizes):
        source = opened(slide, mpp * round(sizes[0][0] / height))
        assert source.reference.level == level
        assert np.array_equal(whole(source), level_of(path, level))


@mark.parametrize("scale", [1.5, 2.004, 5.3])
def test_between_levels_the_area_is_averaged(small: Slide, scale: float) -> None:
    path, mpp = small
    source = opened(small, mpp * scale, tolerance=0.0)
    level, sizes = source.reference.level, source.reference.levels
    step = scale / round(sizes[0][0] / sizes[level][0])
    assert step >= 1
    expected = area_average(level_of(path, level), (step, step))
    assert whole(source).shape == expected.shape
    assert np.abs(whole(source) - expected).max() <= 1
    assert source.mpp == (mpp * scale, mpp * scale)
    assert source.scale == approx((scale, scale))


@mark.parametrize("name", REAL)
def test_real_slides_at_one_micrometre(name: str) -> None:
    source = opened((real(name), REAL[name]), 1.0)
    level = source.reference.level
    step = 1.0 / REAL[name] / 2**level
    expected = area_average(level_of(real(name), level), (step, step))
    assert np.abs(whole(source) - expected).max() <= 1
    assert expected.shape == {"CMU": (1480, 1107, 3), "TCG": (891, 1110, 3)}[name[:3]]


@mark.parametrize("scale", [1.0, 2.0, 2.004, 3.7])
@mark.parametrize("decode", ["exact", "half"])
def test_a_place_has_one_value(slide: Slide, scale: float, decode: str, tmp_path: Path) -> None:
    path, own = slide
    slides.describe(path, mpp=own * scale, slide_mpp=own, decode=decode).write(tmp_path / "a.slide")
    source = images.open_source(tmp_path / "a.slide", cache_bytes=2**20)
    height, width = source.shape[1:]
    everything = images.open_source(tmp_path / "a.slide").read(0, 0, height, width)
    generator = np.random.default_rng(0)

    def agrees(_: int) -> bool:
        h, w = generator.integers(1, 300, 2)
        y, x = generator.integers(0, height - h + 1), generator.integers(0, width - w + 1)
        return np.array_equal(source.read(y, x, h, w), everything[:, y : y + h, x : x + w])

    assert all(map(agrees, range(10)))
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(agrees, range(8)))


def test_half_size_tiles_differ_by_less_than_a_grey_level(slide: Slide) -> None:
    path, mpp = slide
    sizes = slides.header(path).levels
    factor = next((n for n in (2, 4, 8) if n not in {round(sizes[0][0] / height) for height, _ in sizes}), 2)
    exact, half = (whole(opened(slide, mpp * factor, decode=decode)) for decode in ("exact", "half"))
    assert exact.shape == half.shape
    assert np.abs(exact.astype(int) - half).mean() <= 1
    by_openslide = path.suffix in (".scn", ".dcm", ".ndpi") or "TCGA" in path.name  # which is of JPEG 2000
    assert np.array_equal(exact, half) == by_openslide


def test_references_come_back_as_they_were(slide: Slide, tmp_path: Path) -> None:
    source = opened(slide, slide[1] * 2.3)
    source.reference.write(tmp_path / "a.slide")
    assert slides.read_reference(tmp_path / "a.slide") == source.reference
    found = images.header(tmp_path / "a.slide")
    assert (found.channels, found.height, found.width) == source.shape
    assert found.mpp == approx(slide[1] * 2.3)
    copy = pickle.loads(pickle.dumps(images.open_source(tmp_path / "a.slide")))
    assert np.array_equal(copy.read(5, 6, 30, 40), source.read(5, 6, 30, 40))
    assert np.array_equal(images.read(tmp_path / "a.slide"), whole(source))


def test_at_is_the_same_slide_from_the_level_that_suits(small: Slide) -> None:
    path, mpp = small
    coarse = opened(small, mpp).at(mpp * 8)
    assert coarse.reference.bounds == opened(small, mpp).reference.bounds
    factors = [round(slides.header(path).levels[0][0] / height) for height, _ in coarse.reference.levels]
    step = 8 / factors[coarse.reference.level]
    assert coarse.reference.level == max(level for level, factor in enumerate(factors) if factor <= 8)
    expected = area_average(level_of(path, coarse.reference.level), (step, step))
    assert np.abs(whole(coarse) - expected).max() <= 1


@mark.parametrize("cache_bytes", [0, 2**26])
def test_levels_of_broken_ratios_have_one_value_a_place(cache_bytes: int) -> None:
    """OpenSlide mixes neighbours by where a window begins, where sizes of levels were rounded."""
    path = real("TCGA-CR-7395-01A-01-TS1.svs")
    levels, (height, width) = OpenSlideLevels(path, cache_bytes=cache_bytes), slides.header(path).levels[1]
    everything = levels.read(1, 0, 0, height, width)
    assert np.array_equal(everything[:512, :512], level_of(path, 1)[:512, :512])
    for y, x in ((500, 500), (1001, 1203), (1400, 1900)):
        assert np.array_equal(levels.read(1, y, x, 300, 301), everything[y : y + 300, x : x + 301])


@mark.parametrize("step", [2, 3, 1.5])
def test_averages_are_rounded_to_the_nearest_level_halves_up(step: float) -> None:
    block = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)
    rows, columns = (Axis(0.0, step, int(side / step), side) for side in block.shape[:2])
    found = average(block, rows, columns, (0, 0, rows.length, columns.length))
    side = int(2 * step)  # of halves of pixels
    halves = block.astype(int).repeat(2, axis=0).repeat(2, axis=1)
    sums = halves.reshape(rows.length, side, columns.length, side, 3).sum((1, 3))
    np.testing.assert_array_equal(found, np.moveaxis((2 * sums + side**2) // (2 * side**2), -1, 0))


@mark.parametrize("broken", [{"wanted": 1e308}, {"slide_mpp": [1e-300, 1e-300]}, {"mpp": [1e7, 1.0]}])
def test_a_reference_with_a_pixel_size_that_nothing_has_is_refused(
    tmp_path: Path, broken: dict[str, object]
) -> None:
    pixels = np.zeros((64, 96, 3), np.uint8)
    tifffile.imwrite(tmp_path / "slide.tif", pixels, tile=(32, 32), photometric="rgb")
    slides.describe(tmp_path / "slide.tif", mpp=1.0, slide_mpp=0.5).write(tmp_path / "a.slide")
    sound = json.loads((tmp_path / "a.slide").read_text(encoding="utf-8"))
    (tmp_path / "a.slide").write_text(json.dumps(sound | broken), encoding="utf-8")
    with raises(ImageError, match="a pixel size that is not between 1e-06 and 1e"):
        slides.open_reference(tmp_path / "a.slide")
