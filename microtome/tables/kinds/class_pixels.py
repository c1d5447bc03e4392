# SPDX-License-Identifier: MIT
"""Labelled pixels of each class, of all images and of parts of a split (Table 1 of the MED-Net paper)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts import left_out, pixels
from microtome.tables.parts.pixels import PER_CENT
from microtome.tables.parts.published import note_of, published_table, remark_of, short_heading

NEEDS = frozenset({"labels"})
PUBLISHED_OPTIONS = ("published",)
HERE = "this study"
MEGA = 1e6
DEFAULT_SETS: tuple[Mapping[str, Any], ...] = (
    {"label": "All", "parts": ("train", "val", "test")},
    {"label": "Training and validation", "parts": ("train", "val")},
    {"label": "Test", "parts": ("test",)},
)
LABELLED, IMAGES = "labelled pixels", "labelled images"
PRINTED = {LABELLED: "labeled_pixels", IMAGES: "labeled_images"}
"""What published tables call the rows beside classes."""
KEYS = ("label", "parts", "published")


@dataclass(frozen=True)
class ImageSet:
    """Images that are counted together.

    Attributes:
        label: Heading.
        parts: The parts of the split that they are in.
        published: Column of the published table; empty for none.
    """

    label: str
    parts: tuple[str, ...]
    published: str = ""


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Labelled pixels of each class",
    sets: Sequence[Mapping[str, Any]] = DEFAULT_SETS,
    published: str = "",
) -> Table:
    """Tabulate the labelled pixels of each class: their share of those of all classes, and their number.

    Args:
        inputs: Targets, splits (the first one counts), published values.
        title: Caption.
        sets: The images that are counted together: mappings with ``label``, ``parts`` of the split and, where
            something is published of them, its column (``published``).
        published: Published table, whose rows are classes and cells ``pct`` and ``mpx``; each is set below
            ours.

    Returns:
        A row for each class, one for all labelled pixels, whose share is of all pixels, and one for the
        images with labelled pixels. Of the set number i, ``share_i`` is in per cent, ``mpx_i`` in millions.

    Raises:
        ValueError: There are no targets, a set is not understood, or a published value does not exist.
    """
    chosen = [_set(item) for item in sets]
    counts = pixels.by_image(inputs)
    part_of = next(iter(pixels.parts_by_split(inputs).values()))
    found = [_count(pixels.of_parts(counts, part_of, one.parts), inputs.classes) for one in chosen]
    rows = []
    for name in (*inputs.classes, LABELLED, IMAGES):
        rows.append({"class": name, "source": HERE} | _cells([one.loc[name] for one in found]))
        if published:
            printed = [_printed(inputs, published, name, one) for one in chosen]
            rows.append({"class": name, "source": short_heading(inputs)} | _cells(printed))
    columns = [Column("class", "Class", kind="text")]
    columns += [Column("source", "Source", kind="text")] * bool(published)
    for number, one in enumerate(chosen):
        columns.append(Column(f"share_{number}", "share", unit="%", format=".1f", group=one.label))
        columns.append(Column(f"mpx_{number}", "pixels", unit="Mpx", format=",.4g", group=one.label))
    said = (
        "Shares of classes are of the labelled pixels, that of the labelled pixels is of all; pixels are of "
        f"the images as runs see them. {IMAGES.capitalize()} are counted, not in Mpx.",
        left_out.note(inputs),
        remark_of(inputs, published),
    )
    note = note_of(inputs, *said, published=published)
    frame = pd.DataFrame(rows).assign(data=" + ".join(inputs.data_kinds))
    return Table(frame, tuple(columns), title, note, inputs.data_kinds)


def _set(item: Mapping[str, Any]) -> ImageSet:
    """Read one of the sets of a study's table."""
    if set(item) - set(KEYS) or not {"label", "parts"} <= set(item):
        msg = f"the set {dict(item)} is not understood; a set is a mapping with label, parts and published"
        raise ValueError(msg)
    return ImageSet(str(item["label"]), tuple(item["parts"]), str(item.get("published", "")))


def _count(counts: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """`share` and `mpx` of each class, of the labelled pixels, and of the images (whose `mpx` is text)."""
    labelled = counts[list(classes)]
    table = pd.DataFrame(
        {"share": pixels.shares(counts, classes), "mpx": labelled.sum() / MEGA}, dtype=object
    )
    every, known = counts.to_numpy().sum(), labelled.to_numpy().sum()
    table.loc[LABELLED] = [PER_CENT * known / every if every else float("nan"), known / MEGA]
    table.loc[IMAGES] = [float("nan"), str(int((labelled.sum(axis=1) > 0).sum()))]
    return table


def _printed(inputs: Inputs, table: str, name: str, one: ImageSet) -> Mapping[str, Any]:
    """What is published of a class, or of all, in one of the sets."""
    printed = published_table(inputs.published, inputs.paper, table)
    if one.published and one.published not in printed["columns"]:
        msg = f"published table {table!r} has no column {one.published!r}; it has {printed['columns']}"
        raise ValueError(msg)
    cell = printed["rows"].get(PRINTED.get(name, name), {}).get(one.published)
    if isinstance(cell, Mapping):
        return {"share": float(cell["pct"]), "mpx": float(cell["mpx"])}
    return {"share": float("nan"), "mpx": float("nan") if cell is None else str(cell)}


def _cells(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of the frame from the values of each set."""
    pairs = enumerate(values)
    return {f"{key}_{number}": one[key] for number, one in pairs for key in ("share", "mpx")}
