# SPDX-License-Identifier: MIT
"""Outlines from the annotation files of pathology viewers: XML of ImageScope and ASAP, GeoJSON of QuPath.

Polygons come in file order with the coordinates of the file: pixels of the full resolution, x to the right
and y down from the upper left corner of the image. Open outlines are closed; repeated neighbouring vertices
are left out; outlines that cross themselves stay as they are and are filled by the even-odd rule
(:func:`microtome.objects.labels.rasterize`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.io import aperio, asap, geojson
from microtome.io.errors import AnnotationError

__all__ = ["AnnotationError", "Polygon", "read_names", "read_polygons", "ring_area", "starts_at_canvas"]

LARGEST_FILE = 512 * 2**20
"""Bytes; the XML of a MoNuSeg image with 1800 nuclei has 8 MB."""
HEAD = 4096
"""Bytes in which the root of an XML file begins."""
BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
FEWEST_VERTICES = 3
LARGEST_COORDINATE = 1e7
"""Pixels; the largest slides have some 500,000 a side."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Polygon:
    """One region of an annotation file.

    Attributes:
        parts: One or more parts, each its outer ring followed by its holes; a ring is (V, 2) float64, columns
            x and y in pixels as in the file, not closed (the first vertex is not repeated at the end). The
            even-odd rule over all rings of all parts decides what is inside.
        region: Identifier in the file (Aperio `Id`, ASAP `Name`, GeoJSON `id`), or the place in the file,
            from 1.
        classification: Name of the layer (Aperio), of the group (ASAP) or of the class (GeoJSON), empty if
            none.
        text: Free text of the region (Aperio `Text`, GeoJSON `properties.name`).
        negative: The region is cut out of the others (Aperio `NegativeROA`).
        object_type: QuPath's type of object (`annotation`, `detection`, `cell`, `tile`), empty if unknown.

    Example:
        >>> square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], float)
        >>> Polygon(parts=((square, square / 2 + 0.5),), region="1").area
        12.0
    """

    parts: tuple[tuple[NDArray[np.float64], ...], ...]
    region: str
    classification: str = ""
    text: str = ""
    negative: bool = False
    object_type: str = ""

    @property
    def rings(self) -> tuple[NDArray[np.float64], ...]:
        """All rings, in order."""
        return tuple(ring for part in self.parts for ring in part)

    @property
    def area(self) -> float:
        """Area in square pixels by the shoelace formula, holes subtracted (MATLAB's `polyarea`)."""
        return sum(ring_area(part[0]) - sum(map(ring_area, part[1:])) for part in self.parts)


def ring_area(ring: NDArray[np.float64]) -> float:
    """The area a ring encloses, square pixels, never negative; (V, 2) x and y, closed implicitly.

    Example:
        >>> ring_area(np.array([[0.0, 0], [2, 0], [2, 3]]))
        3.0
    """
    x, y = (ring - ring[0]).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def read_polygons(path: Path | str) -> list[Polygon]:
    """Read the outlines of an annotation file.

    Args:
        path: Aperio ImageScope XML (`Annotations/Annotation/Regions/Region/Vertices/Vertex`), ASAP XML
            (`ASAP_Annotations/Annotations/Annotation/Coordinates/Coordinate`), or GeoJSON
            (FeatureCollection, list of features or one feature; Polygon with holes, MultiPolygon). Which of
            them is decided by the content.

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
    parser = _parser(content)
    if parser is aperio and b"<" not in content[:1024]:
        expected, remedy = "XML of Aperio ImageScope or ASAP, or GeoJSON", "see the sample sheet"
        raise AnnotationError(path, "neither XML nor JSON", expected, remedy)
    found = [(region[0], _polygon(*region)) for region in parser.parse(path, content)]
    empty = [where for where, polygon in found if polygon is None]
    if empty:
        more = f" (and {len(empty) - 1} regions more)" if len(empty) > 1 else ""
        few = f"fewer than {FEWEST_VERTICES} different vertices"
        raise AnnotationError(empty[0], few, f"an outline{more}", "delete the region")
    return [polygon for _, polygon in found]


def read_names(path: Path | str) -> dict[tuple[str, str], int]:
    """Read which classes or layers an annotation file names, without looking at its outlines.

    Returns:
        Name and object type, as in `Polygon`, to the number of outlines; those that are cut out of others are
        left out.

    Raises:
        AnnotationError: The file cannot be read, or is of another format.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "one.geojson"
        >>> _ = file.write_text('{"type": "Feature", "properties": {"classification": {"name": "Tumor"}}}')
        >>> read_names(file)
        {('Tumor', ''): 1}
    """
    path = Path(path)
    content = _content(path)
    return dict(Counter(_parser(content).names(path, content)))


def starts_at_canvas(path: Path | str) -> bool:
    """Whether coordinates are of the whole canvas of a slide, not of its bounds, to which QuPath crops.

    Raises:
        OSError: The file cannot be read.
    """
    with Path(path).open("rb") as file:
        return _parser(file.read(HEAD)) is asap


def _polygon(where: str, parts: Sequence[Any], fields: Mapping[str, Any]) -> Polygon | None:
    """The polygon of a region; None where no part has an outline of 3 different vertices or more."""
    rings = [[_checked_ring(vertices, where) for vertices in part] for part in parts]
    sound = [
        tuple(ring for ring in part if ring is not None) for part in rings if part and part[0] is not None
    ]
    return Polygon(parts=tuple(sound), **fields) if sound else None


def _checked_ring(vertices: Sequence[Sequence[float]], where: str) -> NDArray[np.float64] | None:
    """A ring without repeated neighbours and the closing vertex; None if fewer than 3 vertices differ."""
    ring = np.asarray(vertices, np.float64).reshape(-1, 2)
    wrong = ~(np.abs(ring) <= LARGEST_COORDINATE).all(axis=1)
    if wrong.any():
        number = int(wrong.argmax())
        x, y = ring[number]
        found, expected = f"vertex {number + 1} is ({x:g}, {y:g})", "expected finite pixel coordinates"
        remedy = "redraw the region or export pixels, not micrometres"
        msg = f"{where}: {found}, {expected} up to {LARGEST_COORDINATE:g}; {remedy}."
        raise AnnotationError(msg)
    ring = ring[(ring != np.roll(ring, -1, axis=0)).any(axis=1)]
    return ring if len(np.unique(ring, axis=0)) >= FEWEST_VERTICES else None


def _content(path: Path) -> bytes:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise AnnotationError(path, found, "an annotation file", "check the path in the sample sheet")
    size = path.stat().st_size
    if size == 0 or size > LARGEST_FILE:
        expected, remedy = f"1 to {LARGEST_FILE}", "export or copy the file again"
        raise AnnotationError(path, f"{size} bytes", expected, remedy)
    return path.read_bytes()


def _parser(content: bytes) -> ModuleType:
    """The format that a file begins like."""
    if _start(content) in (b"{", b"["):
        return geojson
    return asap if f"<{asap.ROOT}".encode() in content[:HEAD] else aperio


def _start(content: bytes) -> bytes:
    """The first byte that is not a mark or white space."""
    start = content[:1024]
    for mark in BYTE_ORDER_MARKS:
        start = start.removeprefix(mark)
    return start.lstrip()[:1]
