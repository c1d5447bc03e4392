# SPDX-License-Identifier: MIT
"""Labels as users have them: grey values, colour tables, floating point."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from microtome.io import images
from microtome.stages.images import import_images
from microtome.stages.targets import rasterize_targets

INDICES = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
TARGETS = {"kind": "semantic", "classes": [["a", 0], ["b", 1], ["c", 2]], "ignore": []}
TABLE = [9, 9, 9, 255, 0, 0, 0, 0, 255]
"""Colours of the three classes."""


def _palette_png(path: Path) -> None:
    image = Image.fromarray(INDICES)
    indexed = Image.frombytes("P", image.size, image.tobytes())
    indexed.putpalette(TABLE)
    indexed.save(path)


def _palette_tiff(path: Path) -> None:
    colours = np.zeros((3, 256), np.uint16)
    colours[:, :3] = np.array(TABLE, np.uint16).reshape(3, 3).T * 257
    tifffile.imwrite(path, INDICES, photometric="palette", colormap=colours)


def _float_tiff(path: Path) -> None:
    tifffile.imwrite(path, INDICES.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "write"), [("l.png", _palette_png), ("l.tif", _palette_tiff), ("f.tif", _float_tiff)]
)
def test_labels_are_read_by_their_values(name, write, tmp_path):
    write(tmp_path / name)
    row = {"sample": "s", "image": "i.png", "label": name, "page": 0, "mpp": None}
    rasterize_targets([row], tmp_path, tmp_path / "out", targets=TARGETS)
    assert np.array_equal(images.read(tmp_path / "out/s.tif"), INDICES)


def test_an_image_with_a_colour_table_is_refused(tmp_path):
    _palette_png(tmp_path / "i.png")
    row = {"sample": "s", "image": "i.png", "label": None, "page": 0, "mpp": None}
    with pytest.raises(images.ImageError, match=r"i\.png: found a colour table, .*; save an image as RGB"):
        import_images([row], tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_smaller_levels_of_a_target_hold_classes_alone(tmp_path):
    """A viewer that shows a large target from afar shows no class between two others."""
    label = np.tile(np.array([0, 2, 2, 0], np.uint8), (4200, 4))
    tifffile.imwrite(tmp_path / "a.tif", label)
    targets = {"kind": "semantic", "classes": [("a", 0), ("b", 1), ("c", 2)], "ignore": ()}
    rows = [{"sample": "a", "image": "a.tif", "label": "a.tif", "page": None, "mpp": None}]
    rasterize_targets(rows, tmp_path, tmp_path / "out", targets=targets)
    with tifffile.TiffFile(tmp_path / "out/a.tif") as file:
        levels = [level.asarray() for level in file.series[0].levels]
    assert len(levels) > 1
    assert all(np.isin(level, (0, 2)).all() for level in levels)
