# SPDX-License-Identifier: MIT
"""What a section of a slide is: a box that is given, else tissue that lies together, or the slide."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.config.sections import Proposed, Whole
from microtome.faults import nearest
from microtome.io.errors import AnnotationError, ImageError
from microtome.io.section_boxes import Box, in_reading_order

Spacing = tuple[float, float]
EVERY_NEIGHBOUR = np.ones((3, 3), bool)
Edges = tuple[int, int, int, int]
"""First row, first column, row below the last, column beside the last; of the mask."""


def propose(
    tissue: NDArray[np.bool_],
    options: Proposed | Whole,
    *,
    spacing: Spacing,
    scale: Spacing,
    size: tuple[int, int],
    name: object = "slide",
) -> list[Box]:
    """Propose the sections of a slide.

    Pieces of tissue nearer to each other than `options.gap` are one section, as are those of which one lies
    in the box of the other: a pixel of tissue is in one box only.

    Args:
        tissue: (H, W) mask of the whole slide.
        options: Of the study.
        spacing: Size of a pixel of the mask, µm (rows, columns).
        scale: The same, slide pixels.
        size: Rows and columns of the slide, slide pixels.
        name: The file, for messages.

    Returns:
        Boxes in slide pixels without labels, in reading order, numbered from 1.

    Raises:
        ImageError: No piece of tissue is large enough.

    Example:
        >>> mask = np.zeros((40, 100), bool)
        >>> mask[10:30, 10:30] = mask[10:30, 60:90] = True
        >>> options = Proposed(gap=50, margin=0, least_area=0)
        >>> [(box.y, box.x, box.height, box.width) for box in
        ...  propose(mask, options, spacing=(8, 8), scale=(16, 16), size=(640, 1600))]
        [(160, 160, 320, 320), (160, 960, 320, 480)]
    """
    if isinstance(options, Whole):
        return [Box(y=0, x=0, height=size[0], width=size[1], section=1)]
    labels = _pieces(tissue, options.gap, spacing)
    areas = np.bincount(labels.ravel()) * (spacing[0] * spacing[1])
    large = [number for number in range(1, len(areas)) if areas[number] >= options.least_area]
    if not large:
        found = f"no section with {options.least_area:g} µm² of tissue"
        remedy = "give boxes in the sheet's column `sections`, or see slides.sections.least_area"
        raise ImageError(name, found, "one at least", remedy)
    margins = tuple(int(np.ceil(options.margin / side)) for side in spacing)
    edges = _apart(labels, large, margins)
    return in_reading_order(_on_slide(one, tissue.shape, scale, size) for one in edges)


def given(
    boxes: Iterable[Box],
    options: Proposed | Whole,
    *,
    size: tuple[int, int],
    classes: Sequence[str],
    path: Path | str,
) -> list[Box]:
    """The sections that a file gives, their labels turned into classes.

    Args:
        boxes: As they stand in the file.
        options: Of the study; `names` says which labels mean a class beside its own name.
        size: Rows and columns of the slide, slide pixels.
        classes: Names of the study's classes.
        path: The file, for messages.

    Returns:
        Boxes in reading order, numbered from 1; the label is a class, or empty.

    Raises:
        AnnotationError: There is no box, one reaches beyond the slide, or a label means no class.

    Example:
        >>> boxes = [Box(y=0, x=5, height=4, width=5, label="BCC"), Box(y=0, x=0, height=4, width=5)]
        >>> options = Proposed(names={"tumor": ("BCC",)})
        >>> found = given(boxes, options, size=(4, 10), classes=("normal", "tumor"), path="a.tsv")
        >>> [(box.section, box.x, box.label) for box in found]
        [(1, 0, ''), (2, 5, 'tumor')]
    """
    found = list(boxes)
    if not found:
        raise AnnotationError(path, "no box", "one at least", "leave the cell of the sheet empty")
    for number, box in enumerate(found, 1):
        if not box.is_inside(*size):
            rows, columns = f"rows {box.y} to {box.bottom}", f"columns {box.x} to {box.right}"
            expected = f"boxes inside the slide of {size[0]} rows and {size[1]} columns"
            remedy = "give boxes of this slide, pixels of its full resolution from the corner of its bounds"
            where = f"{path}, box {number}"
            raise AnnotationError(where, f"{rows}, {columns}", expected, remedy)
    return in_reading_order(
        replace(box, label=class_of(box.label, options, classes, path=path)) for box in found
    )


def class_of(label: str, options: Proposed | Whole, classes: Sequence[str], *, path: Path | str) -> str:
    """The class that a label means; empty if it is empty.

    Raises:
        AnnotationError: None; names the nearest.

    Example:
        >>> class_of("BCC", Proposed(names={"tumor": ("BCC",)}), ["normal", "tumor"], path="a.tsv")
        'tumor'
    """
    meant = options.meanings(classes)
    if label and label not in meant:
        remedy = "correct the label, or name it in slides.sections.names"
        raise AnnotationError(path, f"the label '{label}'", nearest(label, meant), remedy)
    return meant[label] if label else ""


def _pieces(tissue: NDArray[np.bool_], gap: float, spacing: Spacing) -> NDArray[np.int32]:
    """Number pieces of tissue (H, W); pieces nearer to each other than the gap (µm) have one number.

    Two pieces are as near as that where their neighbourhoods of half the gap meet, give or take a pixel.
    """
    reach = ndimage.distance_transform_edt(~tissue, sampling=spacing) <= gap / 2
    labels, _ = ndimage.label(reach, EVERY_NEIGHBOUR)
    return np.where(tissue, labels, 0)


def _apart(labels: NDArray[np.int32], numbers: Sequence[int], margins: tuple[int, int]) -> list[Edges]:
    """The boxes of pieces, with margins; pieces that lie in each other's box have one."""
    places = ndimage.find_objects(labels)
    groups = {number: _wider(_edges(places[number - 1]), margins, labels.shape) for number in numbers}
    of = {number: number for number in numbers}
    while merged := next(_sharing(labels, groups, of), None):
        keep, lost = merged
        groups[keep] = _around(groups[keep], groups.pop(lost))
        of = {number: keep if group == lost else group for number, group in of.items()}
    return list(groups.values())


def _sharing(
    labels: NDArray[np.int32], groups: Mapping[int, Edges], of: Mapping[int, int]
) -> Iterator[tuple[int, int]]:
    """Pairs of groups of which one has tissue in the box of the other."""
    for group, (top, left, bottom, right) in groups.items():
        present = np.unique(labels[top:bottom, left:right]).tolist()
        others = sorted({of[number] for number in present if number in of} - {group})
        if others:
            yield group, others[0]


def _edges(place: tuple[slice, slice]) -> Edges:
    rows, columns = place
    return rows.start, columns.start, rows.stop, columns.stop


def _wider(edges: Edges, margins: tuple[int, int], shape: tuple[int, int]) -> Edges:
    (top, left, bottom, right), (rows, columns) = edges, margins
    below, beside = min(bottom + rows, shape[0]), min(right + columns, shape[1])
    return max(top - rows, 0), max(left - columns, 0), below, beside


def _around(one: Edges, other: Edges) -> Edges:
    least, most = map(min, one[:2], other[:2]), map(max, one[2:], other[2:])
    return (*least, *most)


def _on_slide(edges: Edges, shape: tuple[int, int], scale: Spacing, size: tuple[int, int]) -> Box:
    """From pixels of the mask to whole slide pixels; where the mask ends, the slide ends."""
    (top, bottom), (left, right) = (
        [most if edge == last else min(round(edge * of), most) for edge in edges[axis::2]]
        for axis, (last, of, most) in enumerate(zip(shape, scale, size, strict=True))
    )
    return Box(y=top, x=left, height=bottom - top, width=right - left)
