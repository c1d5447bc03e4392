# SPDX-License-Identifier: MIT
"""References to slides, broken at random, and read through."""

import json
from pathlib import Path

import numpy as np
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from microtome.io.errors import ImageError
from microtome.io.slides import describe, open_reference
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import as_json, edited, reshaped

NAMES = ("path", "format", "reader", "levels", "level", "slide_mpp", "bounds", "wanted", "tolerance", "mpp")
NAMES += ("shape", "decode", "quickhash", "size")
ODD = (
    [[64, 96]],
    [[1, 1], [64, 96]],
    [0, 0, 64, 96],
    [-5, 0, 640, 960],
    [1e308, 1e-308],
    "openslide",
    "half",
    1e-9,
)
WORDS = (
    b'"level": 1,',
    b'"mpp": [1, 1],',
    b'"levels": [],',
    b'"path": "/dev/null",',
    b"-1",
    b"1e-300",
    b"null",
)


def reference(folder: Path) -> dict:
    """A sound reference to a slide in the folder."""
    path = folder / "slide.tif"
    if not path.is_file():
        pixels = np.arange(64 * 96 * 3, dtype=np.uint16).reshape(64, 96, 3).astype(np.uint8)
        tifffile.imwrite(path, pixels, tile=(32, 32), photometric="rgb")
    describe(path, mpp=1.0, slide_mpp=0.5).write(folder / "sound.slide")
    return json.loads((folder / "sound.slide").read_text(encoding="utf-8"))


def test_the_seed_is_sound(folder):
    reference(folder)
    source = open_reference(folder / "sound.slide")
    assert source.shape == (3, 32, 48)
    assert source.read(0, 0, 32, 48).any()


@fuzzed
@given(data=st.data())
def test_a_reference_is_read_or_refused(data, folder):
    tree = reference(folder)
    files = st.one_of(edited([as_json(tree)], WORDS), reshaped([tree], NAMES, ODD).map(as_json))
    path = folder / "a.slide"
    path.write_bytes(data.draw(files))
    with bounded(ImageError):
        source = open_reference(path)
        _, height, width = source.shape
        assert source.read(0, 0, min(height, 40), min(width, 40)).dtype == np.uint8
        source.at(4.0).shape  # noqa: B018
