# SPDX-License-Identifier: MIT
"""Draw figures from run folders and images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from microtome import figures
from microtome.figures.inputs import FigureInputs, find_sources
from microtome.figures.save import save_figure
from microtome.records import load_runs

Paths = Sequence[Path]


def make_figure(
    options: Mapping[str, Any], *, runs: Paths, images: Paths, targets: Paths, published: Path, stem: Path
) -> None:
    """Draw one figure and write it as SVG, PDF and PNG, with the data behind it and JSON for the report.

    Args:
        options: The rule's options (see `plan.StudyPlan.entry`).
        runs: Run folders, in the order of the figure.
        images: Batch folders of images.
        targets: Batch folders of targets.
        published: Published values.
        stem: Path of the figure without suffix.
    """
    records = load_runs(runs, labels=options["labels"]) if runs else []
    files = {
        name: [p for folder in folders for p in sorted(folder.glob("*.tif"))]
        for name, folders in (("images", images), ("targets", targets))
    }
    inputs = FigureInputs(
        runs=records,
        sources=find_sources(records, files["images"], files["targets"]),
        published=yaml.safe_load(published.read_text(encoding="utf-8")),
        data_kind=options["data_kind"],
        classes=tuple(options["classes"]),
    )
    known, chosen = figures.options(options["kind"]), dict(options["options"])
    if options["runs"] and "runs" in known:
        chosen["runs"] = options["runs"]
    if options["runs"] and "run" in known:
        chosen["run"] = options["runs"][0]
    result = figures.draw(options["kind"], inputs, **chosen)
    save_figure(result, stem, kind=options["kind"], title=options["title"])
