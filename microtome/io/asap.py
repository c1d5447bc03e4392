# SPDX-License-Identifier: MIT
"""Annotations of ASAP (XML), as of CAMELYON. Used through :mod:`microtome.io.annotations`.

The group of an annotation is its class. A spline is taken for the polygon through its points, as the
evaluation of CAMELYON does. Coordinates are pixels of the whole canvas of a slide, which ASAP does not crop.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from microtome.io import xml_events
from microtome.io.errors import AnnotationError
from microtome.io.xml_events import LONGEST, Points

ROOT = "ASAP_Annotations"
NO_GROUP = "None"
"""What ASAP writes as the group of an annotation that is in none."""
AREA_TYPES = {"Polygon", "Spline", "Rectangle"}
"""Types of annotations whose points are an outline."""
PATH = [ROOT, "Annotations", "Annotation"]
SKELETON = "<ASAP_Annotations><Annotations><Annotation><Coordinates><Coordinate X= Y=>"


@dataclass(frozen=True)
class _Annotation:
    """An annotation: its attributes, the line it starts on, and its points."""

    attributes: Mapping[str, str]
    line: int
    points: Points = field(default_factory=Points)


def parse(path: Path, content: bytes) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Read the annotations of an ASAP file (its bytes; the path is for messages) in file order.

    Yields:
        Where each annotation is, its points as one part of one ring, and the further fields of the polygon.

    Raises:
        AnnotationError: Not XML, not of ASAP's structure, a point that is no number, or no outline.
    """
    for number, annotation in enumerate(_annotations(path, content), start=1):
        name = annotation.attributes.get("Name", "") or str(number)
        where = f"{path}, annotation {name[:LONGEST]} (line {annotation.line})"
        fields = {"region": name, "classification": _group(annotation), "text": ""}
        yield where, [[_outline(annotation, where)]], fields


def names(path: Path, content: bytes) -> Iterator[tuple[str, str]]:
    """The group of each annotation, and an empty object type.

    Raises:
        AnnotationError: Not XML, or not of ASAP's structure.
    """
    for annotation in _annotations(path, content):
        yield _group(annotation), ""


def _annotations(path: Path, content: bytes) -> Iterator[_Annotation]:
    """The annotations, each when the chunk that ends it is read."""
    open_tags: list[str] = []
    done: list[_Annotation] = []
    current: list[_Annotation] = []

    def start(tag: str, attributes: dict[str, str], line: int) -> None:
        if not open_tags and tag != ROOT:
            found = f"XML whose root is <{tag[:LONGEST]}>"
            raise AnnotationError(path, found, SKELETON, "export it from ASAP")
        open_tags.append(tag)
        if open_tags == PATH:
            current.append(_Annotation(attributes, line))
        elif current and tag == "Coordinate" and open_tags[:-1] == [*PATH, "Coordinates"]:
            current[-1].points.add(attributes)

    def end(_: str) -> None:
        if open_tags == PATH:
            done.append(current.pop())
        open_tags.pop()

    for _ in xml_events.parse(path, content, start, end, structure=SKELETON, program="ASAP"):
        yield from done
        done.clear()


def _group(annotation: _Annotation) -> str:
    group = annotation.attributes.get("PartOfGroup", "")
    return "" if group == NO_GROUP else group


def _outline(annotation: _Annotation, where: str) -> array:
    """The points of an annotation that has an area, each its x and its y."""
    kind = annotation.attributes.get("Type", "")
    if kind not in AREA_TYPES:
        expected = f"{', '.join(sorted(AREA_TYPES))}, whose points are an outline"
        remedy = "delete the annotation or draw it as a polygon"
        raise AnnotationError(where, f"Type {kind[:LONGEST]!r}", expected, remedy)
    return annotation.points.checked(where)
