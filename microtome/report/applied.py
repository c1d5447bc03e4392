# SPDX-License-Identifier: MIT
"""The page of a run that was applied to new images: what became of each, what was found, and how it looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microtome.io import images, views
from microtome.report.inputs import Picture
from microtome.report.page import render
from microtome.report.thumbnails import encode_thumbnail, load_overview, show_image, show_labels

TEMPLATE = "applied.html.j2"
OBJECTS = "segmentations/instances"
MOST_PICTURED = 100
"""Images that are shown; all stand in the table."""


@dataclass(frozen=True)
class AppliedPage:
    """What the page shows.

    Attributes:
        title: Heading.
        facts: What a reader must know of the run, name to value.
        warnings: What a reader must be warned of.
        rows: The rows of `summary.tsv`, as texts.
        classes: Class names in order.
        colors: Their colours, `#rrggbb`; empty: those of objects.
    """

    title: str
    facts: Mapping[str, str]
    warnings: Sequence[str]
    rows: Sequence[Mapping[str, str]]
    classes: Sequence[str]
    colors: Sequence[str]


def build_applied(page: AppliedPage, folder: Path) -> str:
    """Write the page of the results in a folder; pictures that cannot be made are said to be missing."""
    done = [row for row in page.rows if row["status"] == "done"]
    shown = {row["sample"]: _pictures(folder, row["sample"], page.colors) for row in done[:MOST_PICTURED]}
    columns = [name for name in (page.rows[0] if page.rows else {}) if name not in ("status", "message")]
    failed = [row for row in page.rows if row["status"] != "done"]
    is_of_objects = (folder / OBJECTS).is_dir()  # which have colours of their own
    legend = [] if is_of_objects else list(zip(page.classes, page.colors, strict=False))
    rows = {"done": done, "failed": failed, "columns": columns}
    return render(TEMPLATE, page=page, shown=shown, legend=legend, folder=folder, **rows)


def _pictures(folder: Path, sample: str, colors: Sequence[str]) -> list[Picture]:
    if (folder / sample).is_dir():
        drawn = {"image": folder / sample / "thumbnail.png", "found": folder / sample / "overlay.png"}
        return [_drawn(label, sample, path) for label, path in drawn.items()]
    objects = views.place(folder / OBJECTS, sample)
    found = objects if objects.is_file() else views.place(folder / "segmentations", sample)
    image = views.samples(folder / "images").get(sample, views.place(folder / "images", sample))
    sources = {"image": image, "found": found}
    of_found = () if found == objects else colors
    return [_picture(label, sample, path, of_found) for label, path in sources.items()]


def _drawn(label: str, sample: str, path: Path) -> Picture:
    """A picture that was drawn already."""
    alt = f"{label} of {sample}"
    try:
        return encode_thumbnail(images.read(path), label=label, alt=alt)
    except (OSError, ValueError) as error:
        return Picture(label, alt, problem=f"not shown: {error}")


def _picture(label: str, sample: str, path: Path, colors: Sequence[str]) -> Picture:
    alt = f"{label} of {sample}"
    try:
        values: np.ndarray = load_overview(path)
        rgb = show_image(values) if label == "image" else show_labels(values, colors)
        return encode_thumbnail(rgb, label=label, alt=alt)
    except (OSError, ValueError, KeyError, IndexError) as error:
        return Picture(label, alt, problem=f"not shown: {error}")
