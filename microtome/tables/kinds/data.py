# SPDX-License-Identifier: MIT
"""Composition of the data: samples per part, pixels, class fractions."""

from collections.abc import Sequence

import pandas as pd

from microtome.config.checks import UNLABELLED
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts import left_out
from microtome.tables.parts.pixels import PER_CENT, PIXEL_COLUMNS, REMEDY, count

NEEDS = frozenset({"labels"})
CLASS_OPTIONS = ("classes",)
TOTAL = "total"
PART_ORDER = ("train", "val", "test")


def tabulate(inputs: Inputs, *, title: str = "Composition of the data", classes: Sequence[str] = ()) -> Table:
    """Tabulate samples, pixels and class fractions per part.

    Args:
        inputs: Targets and splits.
        title: Caption.
        classes: Classes, in order; by default as they occur.

    Returns:
        One row per part and a total. Fractions are of the labelled pixels.

    Raises:
        ValueError: There are no pixels, or a class asked for does not occur.
    """
    pixels = inputs.collected(count, PIXEL_COLUMNS, REMEDY)
    named = [name for name in pixels["class"].unique() if name != UNLABELLED]
    chosen = list(classes) or named
    if set(chosen) - set(named):
        msg = f"classes {sorted(set(chosen) - set(named))} do not occur; the data hold {named}"
        raise ValueError(msg)
    parts = [part for part in PART_ORDER if part in set(pixels["part"])]
    parts += sorted(set(pixels["part"]) - set(parts))
    rows = [_row(part, pixels[pixels["part"] == part], chosen) for part in parts]
    rows.append(_row(TOTAL, pixels, chosen))
    frame = pd.DataFrame(rows).assign(data=" + ".join(inputs.data_kinds))
    columns = (
        Column("part", "Part", kind="text"),
        Column("samples", "Samples", format=".0f"),
        Column("pixels", "Pixels", format=",.0f"),
        Column("labelled", "Labelled", unit="% of pixels", format=".1f"),
        *(
            Column(f"fraction_{name}", name, unit="%", format=".1f", group="Of the labelled pixels")
            for name in chosen
        ),
        Column("data", "Data", kind="text", once=True),
    )
    note = f"Fractions are pooled over the pixels of each part. {left_out.note(inputs)}".strip()
    return Table(frame, columns, title, note, inputs.data_kinds)


def _row(part: str, pixels: pd.DataFrame, classes: Sequence[str]) -> dict[str, object]:
    total = int(pixels["pixels"].sum())
    by_class = pixels.groupby("class")["pixels"].sum()
    labelled = total - int(by_class.get(UNLABELLED, 0))
    percent = {f"fraction_{name}": _percent(by_class.get(name, 0), labelled) for name in classes}
    head = {"part": part, "samples": pixels["sample"].nunique(), "pixels": total}
    return head | {"labelled": _percent(labelled, total)} | percent


def _percent(count: float, whole: float) -> float:
    return PER_CENT * float(count) / float(whole) if whole else float("nan")
