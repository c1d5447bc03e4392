# SPDX-License-Identifier: MIT
"""Aperio ImageScope annotations (XML). Used through :mod:`microtome.io.annotations`.

Vertices become numbers as they are read and no elements of a tree, as files of slides hold millions of them.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from microtome.io import xml_events
from microtome.io.errors import AnnotationError
from microtome.io.xml_events import LONGEST, Points

DESCRIPTION = "Description"
"""The attribute that every layer of ImageScope has."""
AREA_TYPES = {"", "0", "1"}
"""Region types whose vertices are an outline: free hand or polygon, and rectangle."""
SKELETON = "<Annotations><Annotation><Regions><Region><Vertices><Vertex X= Y=>"
VERTEX = ["Region", "Vertices", "Vertex"]


@dataclass(frozen=True)
class _Outline:
    """The line that a region starts on, and its vertices."""

    line: int
    points: Points = field(default_factory=Points)


Outlines = Mapping[ET.Element, _Outline]


def parse(path: Path, content: bytes) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Read the regions of an ImageScope file (its bytes; the path is for messages) in file order.

    Yields:
        Where each region is, its vertices as one part of one ring, and the further fields of the polygon.

    Raises:
        AnnotationError: Not XML, not of ImageScope's structure, or a vertex that is no number.
    """
    layers, outlines = _layers(path, content)
    number = 0
    for layer in layers:
        for region in layer.findall("Regions/Region"):
            number += 1
            name = region.get("Id") or str(number)
            where = f"{path}, region {name[:LONGEST]} (line {outlines[region].line})"
            fields = {
                "region": name,
                "classification": _layer_name(layer),
                "text": region.get("Text", ""),
                "negative": _is_negative(region),
            }
            yield where, [[_vertices(region, outlines[region], where)]], fields


def names(path: Path, content: bytes) -> Iterator[tuple[str, str]]:
    """The layer of each region that is not cut out of others, and an empty object type.

    Raises:
        AnnotationError: Not XML, or not of ImageScope's structure.
    """
    for layer in _layers(path, content)[0]:
        for region in layer.findall("Regions/Region"):
            if not _is_negative(region):
                yield _layer_name(layer), ""


def _layers(path: Path, content: bytes) -> tuple[list[ET.Element], Outlines]:
    """The layers, and the outline of each region."""
    root, outlines = _tree(path, content)
    if root.tag != "Annotations":
        found = f"XML whose root is <{root.tag[:LONGEST]}>"
        raise AnnotationError(path, found, SKELETON, "export it from ImageScope")
    layers = root.findall("Annotation")
    if not any(layer.find("Regions") is not None for layer in layers):
        found = f"{len(layers)} <Annotation>, none with <Regions>"
        remedy = "for an image without nuclei keep a layer with an empty <Regions>"
        raise AnnotationError(path, found, SKELETON, remedy)
    return layers, outlines


def _layer_name(layer: ET.Element) -> str:
    """The name of a layer; MoNuSAC's layers have none, and an attribute called like the class."""
    attributes = [one.get("Name", "") for one in layer.findall("Attributes/Attribute")]
    return layer.get("Name", "") or next((one for one in attributes if one != DESCRIPTION), "")


def _is_negative(region: ET.Element) -> bool:
    return region.get("NegativeROA", "0") == "1"


def _vertices(region: ET.Element, outline: _Outline, where: str) -> array:
    """The vertices, each its x and its y."""
    kind = region.get("Type", "")
    if kind not in AREA_TYPES:
        expected = "0 (polygon) or 1 (rectangle), whose vertices are an outline"
        remedy = "delete the region or draw it as a polygon"
        raise AnnotationError(where, f"Type {kind[:LONGEST]!r}", expected, remedy)
    if region.find("Vertices") is None:
        raise AnnotationError(where, "no <Vertices>", SKELETON, "export the file again")
    return outline.points.checked(where)


def _tree(path: Path, content: bytes) -> tuple[ET.Element, dict[ET.Element, _Outline]]:
    """The elements but for vertices, and the outline of each region."""
    builder, outlines = ET.TreeBuilder(), {}
    tags: list[str] = []
    regions: list[ET.Element] = []

    def start(tag: str, attributes: dict[str, str], line: int) -> None:
        tags.append(tag)
        if tags[-3:] == VERTEX:
            outlines[regions[-1]].points.add(attributes)
            return
        element = builder.start(tag, attributes)
        if tag == "Region":
            outlines[element] = _Outline(line)
            regions.append(element)

    def end(tag: str) -> None:
        if tags[-3:] != VERTEX:
            builder.end(tag)
        if tag == "Region":
            regions.pop()
        tags.pop()

    for _ in xml_events.parse(path, content, start, end, structure=SKELETON, program="ImageScope"):
        pass
    return builder.close(), outlines
