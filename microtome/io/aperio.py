# SPDX-License-Identifier: MIT
"""Aperio ImageScope annotations (XML). Used through :mod:`microtome.io.annotations`.

Document types and entities are refused by the parser itself, before anything is expanded, so a small file
cannot grow in memory or name other files.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat

from microtome.io.errors import AnnotationError

DESCRIPTION = "Description"
"""The attribute that every layer of ImageScope has."""
LONGEST = 40
"""Characters of the file that a message repeats."""
DEEPEST = 64
"""Nested elements; ImageScope's files have 5."""
AREA_TYPES = {"", "0", "1"}
"""Region types whose vertices are an outline: free hand or polygon, and rectangle."""
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
SKELETON = "<Annotations><Annotation><Regions><Region><Vertices><Vertex X= Y=>"


def parse(path: Path, content: bytes) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Read the regions of an ImageScope file (its bytes; the path is for messages) in file order.

    Yields:
        Where each region is, its vertices as one part of one ring, and the further fields of the polygon.

    Raises:
        AnnotationError: Not XML, not of ImageScope's structure, or a vertex that is no number.
    """
    layers, lines = _layers(path, content)
    number = 0
    for layer in layers:
        for region in layer.findall("Regions/Region"):
            number += 1
            name = region.get("Id") or str(number)
            where = f"{path}, region {name[:LONGEST]} (line {lines[region]})"
            fields = {
                "region": name,
                "classification": _layer_name(layer),
                "text": region.get("Text", ""),
                "negative": _is_negative(region),
            }
            yield where, [[_vertices(region, where)]], fields


def names(path: Path, content: bytes) -> Iterator[tuple[str, str]]:
    """The layer of each region that is not cut out of others, and an empty object type.

    Raises:
        AnnotationError: Not XML, or not of ImageScope's structure.
    """
    for layer in _layers(path, content)[0]:
        for region in layer.findall("Regions/Region"):
            if not _is_negative(region):
                yield _layer_name(layer), ""


def _layers(path: Path, content: bytes) -> tuple[list[ET.Element], dict[ET.Element, int]]:
    """The layers, and the line of each region."""
    root, lines = _tree(path, content)
    if root.tag != "Annotations":
        found = f"XML whose root is <{root.tag[:LONGEST]}>"
        raise AnnotationError(path, found, SKELETON, "export it from ImageScope")
    layers = root.findall("Annotation")
    if not any(layer.find("Regions") is not None for layer in layers):
        found = f"{len(layers)} <Annotation>, none with <Regions>"
        remedy = "for an image without nuclei keep a layer with an empty <Regions>"
        raise AnnotationError(path, found, SKELETON, remedy)
    return layers, lines


def _layer_name(layer: ET.Element) -> str:
    """The name of a layer; MoNuSAC's layers have none, and an attribute called like the class."""
    attributes = [one.get("Name", "") for one in layer.findall("Attributes/Attribute")]
    return layer.get("Name", "") or next((one for one in attributes if one != DESCRIPTION), "")


def _is_negative(region: ET.Element) -> bool:
    return region.get("NegativeROA", "0") == "1"


def _vertices(region: ET.Element, where: str) -> list[list[float]]:
    kind = region.get("Type", "")
    if kind not in AREA_TYPES:
        expected = "0 (polygon) or 1 (rectangle), whose vertices are an outline"
        remedy = "delete the region or draw it as a polygon"
        raise AnnotationError(where, f"Type {kind[:LONGEST]!r}", expected, remedy)
    if region.find("Vertices") is None:
        raise AnnotationError(where, "no <Vertices>", SKELETON, "export the file again")
    return [
        [_number(vertex.attrib, axis, number=number, where=where) for axis in ("X", "Y")]
        for number, vertex in enumerate(region.findall("Vertices/Vertex"), start=1)
    ]


def _number(attributes: Mapping[str, str], axis: str, *, number: int, where: str) -> float:
    value = attributes.get(axis)
    if value is None or not NUMBER.fullmatch(value):
        found = "no value" if value is None else repr(value[:LONGEST])
        what = f"{where}: vertex {number} has {found} for {axis}, expected a decimal number with a point"
        msg = f"{what}, such as 12.5; correct the file or export it again."
        raise AnnotationError(msg)
    return float(value)


def _tree(path: Path, content: bytes) -> tuple[ET.Element, dict[ET.Element, int]]:
    """The elements, and the line that each <Region> starts on."""
    builder, lines, depth = ET.TreeBuilder(), {}, 0
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            found = f"elements nested more than {DEEPEST} deep"
            raise AnnotationError(path, found, SKELETON, "export it from ImageScope")
        element = builder.start(tag, attributes)
        if tag == "Region":
            lines[element] = parser.CurrentLineNumber

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> NoReturn:
        raise AnnotationError(path, "a document type (<!DOCTYPE>)", "plain XML", "delete it from the file")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except AnnotationError:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        found = f"not well-formed XML ({error})"
        raise AnnotationError(path, found, "a complete ImageScope file", "copy it again") from error
    return builder.close(), lines
