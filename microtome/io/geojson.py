# SPDX-License-Identifier: MIT
"""GeoJSON annotations as QuPath writes them, read (through :mod:`microtome.io.annotations`) and written.

The structure is checked here and not by `shapely.geometry.shape`, which takes `"4"`, `true` and NaN for
coordinates, and whose errors name no feature.
"""

import json
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome.files import finished_file
from microtome.io.errors import AnnotationError

KINDS = ("Polygon", "MultiPolygon")
COLLECTION = "FeatureCollection"
SPACES = re.compile(r"[ \t\n\r]*")
LIST = re.compile(
    rf'{SPACES.pattern}(?:{{\s*"type"\s*:\s*"{COLLECTION}"\s*,\s*"features"\s*:\s*)?\[', re.ASCII
)
"""How a file begins whose features follow one after the other."""
FEWEST_AXES = 2
OLD_TYPE = re.compile(r"Path(\w+)Object")
TYPES = ("annotation", "detection", "cell", "tile", "tma_core")
"""QuPath's types of objects; what another program writes there is no type."""
EXPORT_AGAIN = "export the file again"
LONGEST = 40
"""Characters of a wrong value that a message repeats."""


def parse(path: Path, content: bytes) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Read the features of a GeoJSON file (its bytes; the path is for messages) in file order.

    A feature of QuPath's cells has two outlines; the nucleus (`nucleusGeometry`) is taken.

    Yields:
        Where each feature is, its parts (rings of [x, y]), and the further fields of the polygon.

    Raises:
        AnnotationError: Not JSON, no features, or a geometry without area.
    """
    for number, feature in enumerate(_features(path, content), start=1):
        name = _text(feature.get("id")) if isinstance(feature, Mapping) else ""
        where = f"{path}, feature {number}" + (f" (id {name[:LONGEST]})" if name else "")
        parts = _parts(feature, where)
        properties = _properties(feature)
        fields = {
            "region": name or str(number),
            "classification": _classification(properties.get("classification")),
            "text": _text(properties.get("name")),
            "object_type": _object_type(feature, properties),
        }
        yield where, parts, fields


def names(path: Path, content: bytes) -> Iterator[tuple[str, str]]:
    """The classification and the object type of each feature, empty where it has none.

    Raises:
        AnnotationError: Not JSON, or no features.
    """
    for feature in _features(path, content):
        properties = _properties(feature)
        kind = _object_type(feature, properties) if isinstance(feature, Mapping) else ""
        yield _classification(properties.get("classification")), kind


def write(path: Path, features: Sequence[Mapping[str, Any]]) -> None:
    r"""Write features as a FeatureCollection, which QuPath opens.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "none.geojson"
        >>> write(file, [])
        >>> file.read_text()
        '{"type": "FeatureCollection", "features": []}\n'
    """
    document = {"type": "FeatureCollection", "features": list(features)}
    with finished_file(path) as partial:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")


def _features(path: Path, content: bytes) -> Iterator[Any]:
    """The features of a file, one at a time where they are the last that it holds, as QuPath writes it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_json(path, error) from error
    head = LIST.match(text)
    yield from _streamed(path, text, head) if head else _of_document(path, _loaded(path, text))


def _streamed(path: Path, text: str, head: re.Match[str]) -> Iterator[Any]:
    """The features of a list, each decoded when its turn comes: whole, they take nine times the file."""
    decode, place = json.JSONDecoder().raw_decode, _behind_spaces(text, head.end())
    is_first = True
    while text[place : place + 1] != "]":
        if not is_first and text[place : place + 1] != ",":
            break
        try:
            feature, place = decode(text, place if is_first else _behind_spaces(text, place + 1))
        except (ValueError, RecursionError):
            break
        yield feature
        is_first, place = False, _behind_spaces(text, place)
    is_whole = text[place : place + 1] == "]"
    rest = _loaded(path, head[0] + text[place:] if is_whole else text)
    kind, others = (COLLECTION, rest) if isinstance(rest, list) else (rest["type"], rest["features"])
    if (kind, others) != (COLLECTION, []):
        found = "a second list of features behind the first, or another type"
        raise AnnotationError(path, found, "one list of features", EXPORT_AGAIN)


def _behind_spaces(text: str, place: int) -> int:
    return SPACES.match(text, place).end()


def _loaded(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_json(path, error) from error


def _no_json(path: Path, error: Exception) -> AnnotationError:
    found = f"not JSON in UTF-8 ({error})"
    return AnnotationError(path, found, "a complete GeoJSON file", "export it again")


def _properties(feature: Any) -> Mapping[str, Any]:
    given = feature.get("properties") if isinstance(feature, Mapping) else None
    return given if isinstance(given, Mapping) else {}


def _object_type(feature: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """The type of QuPath's object: `objectType`; in old files `object_type`, or `PathCellObject` as id."""
    told = _text(properties.get("objectType") or properties.get("object_type")) or _text(feature.get("id"))
    old = OLD_TYPE.fullmatch(told)
    kind = "cell" if feature.get("nucleusGeometry") else (old[1] if old else told).lower()
    return "tma_core" if kind == "tmacore" else kind if kind in TYPES else ""


def _of_document(path: Path, document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    kind = document.get("type") if isinstance(document, Mapping) else type(document).__name__
    if kind == "Feature":
        return [document]
    if kind == COLLECTION and isinstance(document.get("features"), list):
        return document["features"]
    expected = "a FeatureCollection, a list of features or one Feature"
    remedy = "export it from QuPath with 'Export objects as GeoJSON'"
    raise AnnotationError(path, f"JSON of type {_quoted(kind)}", expected, remedy)


def _parts(feature: Any, where: str) -> list[list[list[list[float]]]]:
    """The rings of each part of a feature, positions [x, y]."""
    if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
        found = feature.get("type") if isinstance(feature, Mapping) else type(feature).__name__
        raise AnnotationError(where, _quoted(found), "an object of type 'Feature'", EXPORT_AGAIN)
    geometry = feature.get("nucleusGeometry") or feature.get("geometry")
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if kind not in KINDS:
        expected = f"{' or '.join(KINDS)}, which have an area"
        remedy = "delete points and lines or draw the region as a polygon"
        raise AnnotationError(where, f"the geometry {_quoted(kind)}", expected, remedy)
    coordinates = geometry.get("coordinates")
    parts = [coordinates] if kind == "Polygon" else _listed(coordinates, "polygons", where=where)
    return [
        [
            [_position(position, where=where) for position in _listed(ring, "positions", where=where)]
            for ring in _listed(part, "rings", where=where)
        ]
        for part in parts
    ]


def _listed(value: Any, what: str, *, where: str) -> list[Any]:
    if not isinstance(value, list):
        found = f"{_quoted(value)} where a list of {what} belongs"
        raise AnnotationError(where, found, "one", EXPORT_AGAIN)
    return value


def _position(value: Any, *, where: str) -> list[float]:
    numbers = value[:FEWEST_AXES] if isinstance(value, list) else []
    good = [number for number in numbers if isinstance(number, int | float) and not isinstance(number, bool)]
    if len(good) < FEWEST_AXES:
        raise AnnotationError(where, _quoted(value), "a position [x, y]", EXPORT_AGAIN)
    return [_float(number) for number in good]


def _float(number: float) -> float:
    """A whole number too long for a float is as far out as infinity, which the ring's check refuses."""
    try:
        return float(number)
    except OverflowError:
        return float("inf")


def _classification(value: Any) -> str:
    """The class name, old and new: {'name': 'Tumor'}, {'names': ['Tumor', 'Positive']} or 'Tumor'."""
    if isinstance(value, Mapping):
        names = value.get("names")
        joined = ": ".join(map(_text, names)) if isinstance(names, list) else ""
        return _text(value.get("name")) or joined
    return _text(value)


def _text(value: Any) -> str:
    """A name or number as text; halves of surrogate pairs, which no file can hold, become question marks."""
    text = "" if value is None or isinstance(value, Mapping | list) else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")


def _quoted(value: Any) -> str:
    """The beginning of a value, however long or deep it is."""
    return reprlib.repr(value)[:LONGEST]
