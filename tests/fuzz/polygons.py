# SPDX-License-Identifier: MIT
"""What must hold of the outlines of an annotation file, whatever is in it."""

from pathlib import Path

import numpy as np

from microtome.io.annotations import AnnotationError, read_polygons
from microtome.objects.labels import rasterize
from tests.fuzz.bounds import bounded

SHAPE = (24, 40)


def check_polygons(path: Path) -> None:
    """Read outlines and draw them, or be told what is wrong with the file."""
    with bounded(AnnotationError):
        found = read_polygons(path)
        for polygon in found:
            polygon.region.encode("utf-8")
            assert all(ring.shape[0] >= 3 and np.isfinite(ring).all() for ring in polygon.rings)
        if found:
            assert rasterize(found, SHAPE).labels.shape == SHAPE
