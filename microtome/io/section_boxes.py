# SPDX-License-Identifier: MIT
"""Boxes of sections: rectangles of a slide with a label each, as GeoJSON or as a table.

Whole slide pixels (of the full resolution, from the corner of the slide's bounds), y down. No NumPy: boxes
are looked at when the DAG is made.
"""

import csv
import io
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from microtome.files import finished_file
from microtome.io import geojson
from microtome.io.errors import AnnotationError

SUFFIXES = (".geojson", ".json", ".tsv")
NEEDED = ("y", "x", "height", "width")
OPTIONAL = ("label", "section")
COLUMNS = ("section", *NEEDED, "label")
LARGEST_FILE = 64 * 2**20
"""Bytes; a slide has some ten sections."""
LARGEST_COORDINATE = 10**7
"""Slide pixels; the largest slides have some 500,000 a side."""
NAMESPACE = uuid.UUID("a5a0b5f4-3f0e-5a5c-9a57-64f7f3c1d2b6")
"""Of the identifiers of sections, fixed so that equal sections get equal identifiers."""
LONGEST = 40
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A section: a rectangle of a slide.

    Attributes:
        y: First row, slide pixels.
        x: First column, slide pixels.
        height: Rows.
        width: Columns.
        label: What the section is; empty if nobody said.
        section: Its number on the slide, from 1; 0: not numbered.

    Example:
        >>> Box(y=10, x=20, height=5, width=6).is_inside(15, 26)
        True
    """

    y: int
    x: int
    height: int
    width: int
    label: str = ""
    section: int = 0

    @property
    def bottom(self) -> int:
        """The row below the last."""
        return self.y + self.height

    @property
    def right(self) -> int:
        """The column beside the last."""
        return self.x + self.width

    def is_inside(self, height: int, width: int) -> bool:
        """Whether a slide of this size holds all of the box."""
        return min(self.y, self.x) >= 0 and self.bottom <= height and self.right <= width


def read_boxes(path: Path | str) -> list[Box]:
    r"""Read boxes in file order.

    Args:
        path: GeoJSON, such as QuPath exports it: the bounding box of each outline, the classification (else
            the name) being the label; or a table (TSV) with the columns `y x height width` and, if there are
            labels, `label`; a column `section` is passed over.

    Raises:
        AnnotationError: The file is missing, empty, too large, of another format, or a box is none; names the
            feature or the line.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.tsv"
        >>> _ = file.write_text("y\tx\theight\twidth\tlabel\n0\t10\t20\t30\tTumor\n")
        >>> read_boxes(file)
        [Box(y=0, x=10, height=20, width=30, label='Tumor', section=0)]
    """
    path = Path(path)
    content = _content(path)
    is_json = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
    return _of_geojson(path, content) if is_json else _of_table(path, content)


def in_reading_order(boxes: Iterable[Box]) -> list[Box]:
    """Number boxes from 1 as a page is read: rows from above, in a row from the left.

    The uppermost box opens a row; those are in it whose middle is between its upper and its lower edge. So a
    few pixels more or less do not change the order of sections that lie side by side.

    Example:
        >>> boxes = [Box(y=9, x=0, height=40, width=5), Box(y=50, x=0, height=9, width=5),
        ...          Box(y=0, x=70, height=40, width=5)]
        >>> [(box.section, box.y) for box in in_reading_order(boxes)]
        [(1, 9), (2, 0), (3, 50)]
    """
    waiting = sorted(boxes, key=lambda box: (box.y, box.x, box.height, box.width, box.label))
    ordered: list[Box] = []
    while waiting:
        first = waiting[0]
        row = [box for box in waiting if box is first or 2 * box.y + box.height < 2 * first.bottom]
        waiting = [box for box in waiting if all(box is not other for other in row)]
        ordered += sorted(row, key=lambda box: (box.x, box.y, box.width, box.height, box.label))
    return [replace(box, section=number) for number, box in enumerate(ordered, 1)]


def write_boxes(folder: Path, sample: str, boxes: Sequence[Box], colors: Mapping[str, str]) -> None:
    """Write boxes as `{sample}.tsv` and as `{sample}.geojson`, which QuPath opens as annotations.

    `colors` are those of the labels, `#rrggbb`. :func:`read_boxes` reads back from either what was written.
    """
    with finished_file(folder / f"{sample}.tsv") as partial:
        partial.write_text(as_table(boxes), encoding="utf-8", newline="\n")
    features = [feature(sample, box, color=colors.get(box.label)) for box in boxes]
    geojson.write(folder / f"{sample}.geojson", features)


def read_table(path: Path) -> list[Box]:
    """Read the table that `write_boxes` has written, numbers of sections and all.

    Raises:
        AnnotationError: It is none, or a number stands there twice.
    """
    head, rows = _cells(path, _content(path))
    numbers = [
        _number(row["section"], f"{where}, column section") for where, row in rows if "section" in head
    ]
    if len(set(numbers)) < len(rows) or min(numbers, default=1) < 1:
        raise AnnotationError(path, f"sections {numbers}", "a number of its own for each", "find them again")
    boxes = [_of_row(where, row) for where, row in rows]
    return [replace(box, section=number) for box, number in zip(boxes, numbers, strict=True)]


def as_table(boxes: Iterable[Box]) -> str:
    """Boxes as tab-separated text with the columns `COLUMNS`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(box, name) for name in COLUMNS] for box in boxes)
    return text.getvalue()


def feature(
    sample: str,
    box: Box,
    *,
    color: str | None = None,
    label: str | None = None,
    measurements: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """A section as a GeoJSON feature: an annotation of QuPath, not locked, so that it can be corrected.

    Args:
        sample: Name of the slide; goes into the identifier.
        box: The section.
        color: Of its class, `#rrggbb`.
        label: Its class; None: the box's label.
        measurements: Numbers by name, shown beside it.

    Example:
        >>> one = feature("a", Box(y=0, x=2, height=1, width=4, section=3), label="tumor", color="#ff0000")
        >>> one["geometry"]["coordinates"]
        [[[2, 0], [6, 0], [6, 1], [2, 1], [2, 0]]]
        >>> one["properties"]["classification"]
        {'name': 'tumor', 'color': [255, 0, 0]}
    """
    left, top, right, bottom = box.x, box.y, box.right, box.bottom
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    properties: dict[str, Any] = {"objectType": "annotation", "name": f"section {box.section}"}
    if called := box.label if label is None else label:
        colored = {"color": list(bytes.fromhex(color.removeprefix("#")))} if color else {}
        properties["classification"] = {"name": called, **colored}
    if measurements:
        properties["measurements"] = {name: v for name, v in measurements.items() if math.isfinite(v)}
    key = str(uuid.uuid5(NAMESPACE, f"{sample}/{box.section}/{ring}"))
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "id": key, "geometry": geometry, "properties": properties}


def _content(path: Path) -> bytes:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        remedy = "check the column `sections` of the sample sheet"
        raise AnnotationError(path, found, "boxes of sections (GeoJSON or TSV)", remedy)
    size = path.stat().st_size
    if not 0 < size <= LARGEST_FILE:
        raise AnnotationError(path, f"{size} bytes", f"1 to {LARGEST_FILE}", "export or copy the file again")
    return path.read_bytes()


def _of_geojson(path: Path, content: bytes) -> list[Box]:
    boxes = []
    for where, parts, fields in geojson.parse(path, content):
        positions = [position for rings in parts for ring in rings for position in ring]
        if not positions:
            raise AnnotationError(where, "no corners", "a rectangle", "draw the section again")
        left, right = _ends([x for x, _ in positions], where)
        top, bottom = _ends([y for _, y in positions], where)
        label = fields["classification"]
        boxes.append(_checked(where, top, left, bottom - top, right - left, label))
    return boxes


def _ends(values: Sequence[float], where: str) -> tuple[int, int]:
    low, high = min(values), max(values)
    return _whole(low, where), _whole(high, where)


def _of_table(path: Path, content: bytes) -> list[Box]:
    return [_of_row(where, row) for where, row in _cells(path, content)[1]]


def _of_row(where: str, row: Mapping[str, str]) -> Box:
    numbers = [_number(row[name], f"{where}, column {name}") for name in NEEDED]
    return _checked(where, *numbers, row.get("label", ""))


def _cells(path: Path, content: bytes) -> tuple[list[str], list[tuple[str, dict[str, str]]]]:
    """The names of the columns; where each row stands, and its cells by column."""
    rows = _rows(path, content)
    head = [name.strip() for name in rows[0]] if rows else []
    _check_head(path, head)
    found = []
    for number, row in enumerate(rows[1:], 2):
        if any(cell.strip() for cell in row):
            where = f"{path}, line {number}"
            if len(row) != len(head):
                told, expected = f"{len(row)} cells", f"{len(head)}, one for each column"
                raise AnnotationError(where, told, expected, "separate cells by tabs")
            found.append((where, dict(zip(head, map(str.strip, row), strict=True))))
    return head, found


def _rows(path: Path, content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        found = f"no table in UTF-8 ({error})"
        raise AnnotationError(path, found, "tab-separated text", "export it as TSV in UTF-8") from error


def _check_head(path: Path, head: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in head]
    unknown = [name[:LONGEST] for name in head if name not in (*NEEDED, *OPTIONAL)]
    twice = len(set(head)) < len(head)
    if missing or unknown or twice:
        found = ("a column twice" if twice else f"no column {', '.join(missing)}") if missing or twice else ""
        found = found or f"the columns {', '.join(map(repr, unknown))}"
        expected = f"{' '.join(NEEDED)}, and `label` if there are labels"
        where, remedy = f"{path}, line 1", "correct the names in the first line"
        raise AnnotationError(where, found, expected, remedy)


def _number(text: str, where: str) -> int:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if math.isnan(value):
        remedy = "write numbers with a decimal point"
        raise AnnotationError(where, repr(text[:LONGEST]), "a number of slide pixels", remedy)
    return _whole(value, where)


def _whole(value: float, where: str) -> int:
    """The nearest whole number: edges that are drawn by hand lie between pixels."""
    if not abs(value) <= LARGEST_COORDINATE:
        expected = f"slide pixels up to {LARGEST_COORDINATE}"
        raise AnnotationError(where, f"{value:g}", expected, "give pixels of the full resolution")
    return math.floor(value + 0.5)


def _checked(where: str, y: int, x: int, height: int, width: int, label: str) -> Box:
    if height < 1 or width < 1:
        remedy = "delete it, or draw it again"
        raise AnnotationError(where, f"a box of {height} x {width} pixels", "1 x 1 at least", remedy)
    if not label.isprintable():
        remedy = "write the label in plain letters"
        raise AnnotationError(where, repr(label[:LONGEST]), "a label that prints", remedy)
    return Box(y=y, x=x, height=height, width=width, label=label.strip())
