# SPDX-License-Identifier: MIT
"""Memory of predicting slides: of their height, and of the canvas that a section lies on."""

from __future__ import annotations

from benchmarks.harness import Case, Comparison, Prepared
from benchmarks.slide_files import scratch, write_slide

ROWS, COLUMNS, QUICK = 40_000, 20_000, 16
"""Pixels; a quick run has a sixteenth of them along either axis."""
SECTION = 4544, 3840
"""Rows and columns of a scanned area."""


def prepared(rows: int, columns: int, kind: str = "tiff", *, crop: bool = True) -> Prepared:
    from benchmarks.slide_files import prediction
    from microtome.io.slides import header

    folder = scratch()
    path = write_slide(folder / f"slide.{kind}", rows, columns, kind)
    bounds = header(path).bounds
    box = (0, 0, rows, columns) if crop else (bounds.y, bounds.x, bounds.height, bounds.width)
    return Prepared(prediction(path, box, crop=crop))


def multiple(length: int, quick: bool) -> int:
    """A side of a slide in whole groups of 64 pixels."""
    return (length // (QUICK if quick else 1)) // 64 * 64


CASE = Case(
    name="slide_memory",
    title=f"slides of {ROWS} x {COLUMNS} and {COLUMNS}²; a section on the canvas of a glass slide (SCN)",
    variants={
        "tall": lambda quick: prepared(multiple(ROWS, quick), multiple(COLUMNS, quick)),
        "square": lambda quick: prepared(multiple(COLUMNS, quick), multiple(COLUMNS, quick)),
        "canvas": lambda quick: prepared(*(multiple(side, quick) for side in SECTION), "scn", crop=False),
        "section": lambda quick: prepared(*(multiple(side, quick) for side in SECTION)),
    },
    comparisons=[
        Comparison("twice the height: peak memory", "tall", "square", 1 / 1.1, metric="peak_mb"),
        Comparison("a section on a canvas of 152,000 x 52,000: time", "canvas", "section", 1 / 1.3),
        Comparison("likewise: peak memory", "canvas", "section", 1 / 1.3, metric="peak_mb"),
    ],
    note="a network of 1x1, windows of 512, overlap 0.5; of the canvas the section alone is predicted",
)
