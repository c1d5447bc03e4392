# SPDX-License-Identifier: MIT
"""The slides that tests read are what they say: OpenSlide and tifffile see the same pixels in all of them."""

from pathlib import Path

import numpy as np
import openslide
import tifffile
from numpy.typing import NDArray
from pytest import approx, fixture, mark

from tests.slides.written import FORMATS, phantom, write

VENDORS = {"tiff": "generic-tiff", "svs": "aperio", "scn": "leica", "dicom": "dicom"}
STEPS = {"tiff": 2, "svs": 4, "scn": 4, "dicom": 2}


@fixture(scope="module")
def decoded(tmp_path_factory) -> list[NDArray[np.uint8]]:
    """The levels as tifffile decodes them of the plain TIFF."""
    path = write("tiff", tmp_path_factory.mktemp("plain"), phantom()[0], 1.0)
    with tifffile.TiffFile(path) as file:
        return [page.asarray() for page in file.pages]


@mark.parametrize("kind", VENDORS)
def test_openslide_sees_the_same_pixels(kind: str, tmp_path: Path, decoded: list) -> None:
    path = write(kind, tmp_path, phantom()[0], 1.0)
    assert openslide.OpenSlide.detect_format(path) == VENDORS[kind]
    with openslide.OpenSlide(path) as slide:
        said = dict(slide.properties)
        start = tuple(int(said.get(f"openslide.bounds-{axis}", 0)) for axis in "xy")
        assert float(said["openslide.mpp-x"]) == approx(1.0)
        assert slide.level_downsamples == approx(tuple(STEPS[kind] ** n for n in range(slide.level_count)))
        assert slide.level_count > 1
        for level, step in enumerate(map(round, slide.level_downsamples)):
            height, width = (side // step for side in decoded[0].shape[:2])
            means = decoded[0].reshape(height, step, width, step, 3).mean((1, 3))
            found = np.asarray(slide.read_region(start, level, (width, height)))
            assert (found[..., 3] == 255).all()
            assert np.abs(found[..., :3] - means).mean() < 3
            if step <= 2:  # SVS and SCN reduce by four at once
                np.testing.assert_array_equal(found[..., :3], decoded[level])


def test_ome_has_its_levels_in_subifds(tmp_path: Path, decoded: list) -> None:
    path = write("ome", tmp_path, phantom()[0], 0.5)
    with tifffile.TiffFile(path) as file:
        (series,) = file.series
        assert len(file.pages) == 1
        for level, expected in zip(series.levels, decoded, strict=True):
            np.testing.assert_array_equal(level.asarray(), expected)
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata


def test_outside_its_bounds_a_scn_is_transparent(tmp_path: Path) -> None:
    path = write("scn", tmp_path, phantom()[0], 1.0)
    with openslide.OpenSlide(path) as slide:
        x, y = (int(slide.properties[f"openslide.bounds-{axis}"]) for axis in "xy")
        found = np.asarray(slide.read_region((x - 64, y - 64), 0, (64, 64)))
    assert (found == 0).all()
    assert x > 0 < y


def test_compression_is_all_that_changes(decoded: list) -> None:
    assert np.abs(decoded[0].astype(int) - phantom()[0]).mean() < 4
    assert set(FORMATS) == {*VENDORS, "ome"}
