# SPDX-License-Identifier: MIT
"""Which outlines of an annotation file are labels, and of which class.

Files of QuPath and ImageScope hold regions of interest, annotations and objects side by side. What is left
out is counted by its reason (`Selection.left_out`), so that nothing disappears without a word.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.config.features import Features, name_faults, reason_by_name, types_chosen, with_names
from microtome.io.annotations import Polygon, read_polygons
from microtome.io.errors import AnnotationError
from microtome.objects import labels
from microtome.objects.areas import NO_CLASS, Areas, on_lattice
from microtome.objects.placement import check_placement

ENCLOSING = 10
"""Times the smaller median area: an outline that large, with others inside, is a region."""
HALF = 0.5
"""Share of the image from which on an outline is a region."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The outlines that are labels.

    Attributes:
        chosen: Place in the file, from 0, of each outline to be drawn, cutting ones (`negative`) among them.
        classes: Class index of each, `NO_CLASS` where it has none; where classes are not told apart by name,
            1.
        left_out: Reason to the number of outlines left out.
    """

    chosen: tuple[int, ...]
    classes: tuple[int, ...]
    left_out: Mapping[str, int]


def select(
    polygons: Sequence[Polygon],
    features: Features,
    *,
    kind: str,
    classes: Sequence[str],
    shape: tuple[int, int],
    name: str,
    regions: Mapping[str, Sequence[str]] | None = None,
) -> Selection:
    """Choose the outlines that are labels, and the class of each.

    Args:
        polygons: In the order of the file.
        features: What the study says of them.
        kind: `instances` or `semantic`.
        classes: Names in class order; of instances the first is the background. Two classes of instances are
            not told apart by name.
        shape: Rows and columns of the image.
        name: The file, for messages.
        regions: Region to the names of its outlines, which need not be classes.

    Raises:
        AnnotationError: Outlines have names that no class has, or no name where one is needed.

    Example:
        >>> square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], float)
        >>> found = [Polygon(parts=((square,),), region="1", classification=n) for n in ("Tumor", "Region*")]
        >>> options = {"kind": "semantic", "shape": (9, 9), "name": "a.geojson"}
        >>> select(found, Features(), classes=["background", "Tumor"], **options)
        Selection(chosen=(0,), classes=(1,), left_out={"class 'Region*'": 1})
    """
    by_name = kind == "semantic" or len(classes) > 2
    of_regions = {one for names in (regions or {}).values() for one in names}
    reasons = _reasons(polygons, with_names(features, of_regions), kind, needs_name=by_name)
    _check_types(polygons, reasons, features, name)
    if by_name:
        named = Counter(
            (polygon.classification, polygon.object_type)
            for polygon, reason in zip(polygons, reasons, strict=True)
            if not reason and not polygon.negative
        )
        _check_names(named, features, classes if kind == "semantic" else classes[1:], name, of_regions)
    if kind == "instances" and features.regions == "skip":
        reasons = _without_regions(polygons, reasons, shape)
    chosen = [number for number, reason in enumerate(reasons) if not reason]
    indices = [_class_of(polygons[number], features, classes) if by_name else 1 for number in chosen]
    return Selection(tuple(chosen), tuple(indices), dict(Counter(reason for reason in reasons if reason)))


def load_objects(
    path: Path,
    shape: tuple[int, int],
    features: Features,
    *,
    classes: Sequence[str],
    convention: labels.Convention = "pixel_centre",
) -> tuple[labels.Instances, dict[int, int], Mapping[str, int]]:
    """Read the objects of an annotation file that are labels.

    Args:
        path: Aperio or ASAP XML, or GeoJSON.
        shape: Rows and columns of the image.
        features: Which outlines are objects.
        classes: Names in class order, the background first.
        convention: See `microtome.objects.labels`.

    Returns:
        The objects, numbered by their place in the file; the class index of each number; reason to the number
        of outlines left out.

    Raises:
        AnnotationError: The file is at fault, or names no class.
    """
    polygons = read_polygons(path)
    options = {"kind": "instances", "classes": classes, "shape": shape, "name": str(path)}
    selection = select(polygons, features, **options)
    chosen = [polygons[n] for n in selection.chosen]
    check_placement(chosen, shape, name=str(path))
    drawn = labels.rasterize(chosen, shape, convention=convention)
    numbers = np.array([0, *(n + 1 for n in selection.chosen)], np.int32)
    areas = {int(numbers[number]): area for number, area in drawn.areas.items()}
    places = zip(numbers[1:].tolist(), selection.chosen, selection.classes, strict=True)
    of = {number: index for number, place, index in places if not polygons[place].negative}
    return labels.Instances(numbers[drawn.labels], areas), of, selection.left_out


def load_classes(
    path: Path,
    shape: tuple[int, int],
    features: Features,
    *,
    classes: Sequence[str],
    order: str,
    outside: int,
    convention: labels.Convention = "pixel_centre",
) -> tuple[NDArray[np.uint8], Mapping[str, int]]:
    """Draw the outlines of an annotation file as class indices, by the names of the classes.

    Args:
        path: Aperio or ASAP XML, or GeoJSON.
        shape: Rows and columns of the image.
        features: Which outlines are labels, and what their names mean.
        classes: Names in class order.
        order: As for :func:`read_areas`.
        outside: Value of pixels that no outline covers.
        convention: See `microtome.objects.labels`.

    Returns:
        (H, W) uint8 class indices, and reason to the number of outlines left out.

    Raises:
        AnnotationError: The file is at fault, or names no class.
    """
    options = {"classes": classes, "order": order, "outside": outside, "convention": convention}
    areas, left_out = read_areas(path, shape, features, **options)
    return np.concatenate([band.classes for band in areas.bands(shape)]), left_out


def read_areas(
    path: Path,
    shape: tuple[int, int],
    features: Features,
    *,
    classes: Sequence[str],
    order: str,
    outside: int,
    regions: Mapping[str, Sequence[str]] | None = None,
    convention: labels.Convention = "pixel_centre",
    scale: tuple[float, float] = (1.0, 1.0),
    origin: tuple[float, float] = (0.0, 0.0),
) -> tuple[Areas, Mapping[str, int]]:
    """Read the outlines of an annotation file that are classes or regions, ready to be drawn by bands.

    Args:
        path: Aperio or ASAP XML, or GeoJSON. A negative outline cuts its area out of those of the same name.
        shape: Rows and columns of the image.
        features: Which outlines are labels, and what their names mean.
        classes: Names in class order.
        order: `area`: smaller over larger; `file`: later over earlier; `classes`: later classes over earlier.
        outside: Value of pixels that no outline covers.
        regions: Region to the names of its outlines, in the order of their bits.
        convention: See `microtome.objects.labels`; `matlab` only where the grids are one.
        scale: Pixels of the file in a pixel of the image (y, x).
        origin: Where the image begins (y, x), in pixels of the file.

    Returns:
        What is to be drawn, and reason to the number of outlines left out.

    Raises:
        AnnotationError: The file is at fault, names no class, or none of its outlines lies in the image.
        ValueError: MATLAB's convention for an image on another grid than the file.
    """
    regions, polygons = regions or {}, read_polygons(path)
    options = {"kind": "semantic", "classes": classes, "shape": shape, "name": str(path)}
    selection = select(polygons, features, **options, regions=regions)
    chosen, centre = [polygons[number] for number in selection.chosen], labels.CONVENTIONS[convention]
    if (tuple(scale), tuple(origin)) != ((1, 1), (0, 0)):
        if centre is None:
            msg = f"{path}: convention 'matlab' is for images on the grid of the file; take 'pixel_centre'"
            raise ValueError(msg)
        chosen, centre = [on_lattice(one, scale, origin, centre) for one in chosen], 0.5
    check_placement(chosen, shape, name=str(path), are_objects=False)
    bits = [_bits(polygon.classification, regions) for polygon in chosen]
    drawn = _drawing_order(chosen, selection.classes, order)
    return Areas(chosen, selection.classes, bits, drawn, outside, centre), selection.left_out


def _bits(name: str, regions: Mapping[str, Sequence[str]]) -> int:
    """The bits of the regions that a name means."""
    return sum(1 << place for place, names in enumerate(regions.values()) if name in names)


def _drawing_order(polygons: Sequence[Polygon], indices: Sequence[int], order: str) -> list[int]:
    """Places of the outlines, those first over which others are drawn; of equals, the order of the file."""
    keys = {"file": range(len(polygons)), "classes": indices, "area": [-p.area for p in polygons]}[order]
    return sorted(range(len(polygons)), key=lambda number: keys[number])


def _reasons(polygons: Sequence[Polygon], features: Features, kind: str, *, needs_name: bool) -> list[str]:
    """Why each outline is left out by its type or name; empty where it is not."""
    types = types_chosen({polygon.object_type for polygon in polygons}, features, kind)
    return [_reason(polygon, features, types, needs_name=needs_name) for polygon in polygons]


def _reason(polygon: Polygon, features: Features, types: frozenset[str], *, needs_name: bool) -> str:
    if polygon.object_type not in types:
        return f"object type {polygon.object_type}" if polygon.object_type else "no object type"
    needs_name = needs_name and not polygon.negative
    return reason_by_name(polygon.classification, features, needs_name=needs_name)


def _check_types(polygons: Sequence[Polygon], reasons: Sequence[str], features: Features, name: str) -> None:
    """Refuse a file none of whose outlines is of a type that is a label unless it is asked for."""
    types = sorted({polygon.object_type for polygon in polygons})
    is_none = all(reason.startswith("object type") for reason in reasons)
    if polygons and is_none and not features.object_types:
        found = f"{len(polygons)} outlines, all of object type {' or '.join(types)}"
        expected = "annotations, detections or cells"
        raise AnnotationError(
            name, found, expected, f"set targets.features.object_types: [{', '.join(types)}]"
        )


def _check_names(
    named: Mapping[tuple[str, str], int],
    features: Features,
    classes: Sequence[str],
    name: str,
    regions: Collection[str],
) -> None:
    faults = name_faults(named, features, classes, regions)
    if faults:
        what, expected = zip(*faults, strict=True)
        raise AnnotationError(name, " and ".join(what), expected[0], "correct the file or targets.features")


def _class_of(polygon: Polygon, features: Features, classes: Sequence[str]) -> int:
    """The index of a class; cutting outlines and those of regions have none."""
    name = polygon.classification
    called = features.names.get(name, name)
    is_class = called in classes and (not features.take or name in features.take)
    return classes.index(called) if is_class else NO_CLASS


def _without_regions(
    polygons: Sequence[Polygon], reasons: Sequence[str], shape: tuple[int, int]
) -> list[str]:
    """The reasons, with those of outlines that enclose others or cover half of the image."""
    kept = [n for n, reason in enumerate(reasons) if not reason and not polygons[n].negative]
    areas = np.array([polygons[number].area for number in kept])
    found = dict(enumerate(reasons))
    if not kept:
        return list(reasons)
    rings = [np.concatenate([part[0] for part in polygons[number].parts]) for number in kept]
    corners = np.array([[ring.min(0), ring.max(0)] for ring in rings])
    smaller = float(np.quantile(areas, 0.5, method="lower"))
    for place, number in enumerate(kept):
        if areas[place] >= ENCLOSING * smaller and _encloses(place, polygons[number], corners, rings):
            found[number] = "encloses others"
        elif areas[place] >= HALF * shape[0] * shape[1]:
            found[number] = "covers half of the image"
    return list(found.values())


def _encloses(place: int, polygon: Polygon, corners: NDArray, rings: Sequence[NDArray]) -> bool:
    """Whether another outline lies in this one with all its vertices."""
    import shapely

    low, high = corners[place]
    inside = (corners[:, 0] >= low).all(1) & (corners[:, 1] <= high).all(1)
    inside[place] = False
    shapes = [shapely.Polygon(part[0], part[1:]).buffer(0) for part in polygon.parts]
    return any(
        bool(shapely.contains_xy(shape, rings[other]).all())
        for other in np.flatnonzero(inside)
        for shape in shapes
    )
