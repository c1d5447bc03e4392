# SPDX-License-Identifier: MIT
"""Outlines of objects from the annotation files of pathology viewers: Aperio ImageScope XML, QuPath GeoJSON.

Polygons come in file order with the coordinates of the file: pixels of the full resolution, x to the right
and y down from the upper left corner of the image. Open outlines are closed; repeated neighbouring vertices
are left out; outlines that cross themselves stay as they are and are filled by the even-odd rule
(:func:`microtome.objects.labels.rasterize`).
"""

from __future__ import annotations

import logging
from pathlib import Path

from microtome.io import aperio, geojson
from microtome.io.polygons import FEWEST_VERTICES, AnnotationError, Polygon

__all__ = ["AnnotationError", "Polygon", "read_polygons"]

LARGEST_FILE = 512 * 2**20
"""Bytes; the XML of a MoNuSeg image with 1800 nuclei has 8 MB."""

BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

logger = logging.getLogger(__name__)


def read_polygons(path: Path | str, *, skip_degenerate: bool = False) -> list[Polygon]:
    """Read the outlines of an annotation file.

    Args:
        path: Aperio ImageScope XML (`Annotations/Annotation/Regions/Region/Vertices/Vertex`), or GeoJSON
            (FeatureCollection, list of features or one feature; Polygon with holes, MultiPolygon). Which of
            them is decided by the content.
        skip_degenerate: Leave out regions of fewer than 3 different vertices with a warning in the log
            instead of refusing the file.

    Returns:
        The polygons in file order; an empty list if the file says that there are none.

    Raises:
        AnnotationError: The file is missing, empty, too large, of another format or structure, has a document
            type or entities, or a region whose vertices are not at least 3 finite numbers.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "one.geojson"
        >>> ring = [[0, 0], [4, 0], [4, 4], [0, 0]]
        >>> geometry = {"type": "Polygon", "coordinates": [ring]}
        >>> import json
        >>> _ = file.write_text(json.dumps({"type": "Feature", "id": "7", "geometry": geometry}))
        >>> [(polygon.region, polygon.area) for polygon in read_polygons(file)]
        [('7', 8.0)]
    """
    path = Path(path)
    content = _content(path)
    parser = geojson if _start(content) in (b"{", b"[") else aperio
    if parser is aperio and b"<" not in content[:1024]:
        msg = f"{path}: neither XML nor JSON; expected Aperio ImageScope XML or GeoJSON, see the sheet."
        raise AnnotationError(msg)
    found = list(parser.parse(path, content))
    empty = [where for where, polygon in found if polygon is None]
    if empty and not skip_degenerate:
        msg = (
            f"{empty[0]}: found fewer than {FEWEST_VERTICES} different vertices, expected an outline"
            f"{f' (and {len(empty) - 1} regions more)' if len(empty) > 1 else ''}; delete the region or set "
            "skip_degenerate."
        )
        raise AnnotationError(msg)
    for where in empty:
        logger.warning("%s: left out, fewer than %d different vertices", where, FEWEST_VERTICES)
    return [polygon for _, polygon in found if polygon is not None]


def _content(path: Path) -> bytes:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        msg = f"{path}: found {found}, expected an annotation file; check the path in the sample sheet."
        raise AnnotationError(msg)
    size = path.stat().st_size
    if size == 0 or size > LARGEST_FILE:
        msg = f"{path}: found {size} bytes, expected 1 to {LARGEST_FILE}; export or copy the file again."
        raise AnnotationError(msg)
    return path.read_bytes()


def _start(content: bytes) -> bytes:
    """The first byte that is not a mark or white space."""
    start = content[:1024]
    for mark in BYTE_ORDER_MARKS:
        start = start.removeprefix(mark)
    return start.lstrip()[:1]
