# SPDX-License-Identifier: MIT
"""Make tables from run folders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from microtome import images, tables
from microtome.records import load_runs
from microtome.tables.data import count_pixels
from microtome.tables.inputs import TableInputs
from microtome.tables.save import save_table

Options = Mapping[str, Any]
Paths = Sequence[Path]


def make_table(
    options: Options, *, runs: Paths, splits: Paths, targets: Paths, published: Path, stem: Path
) -> None:
    """Make one table and write it as TSV, Markdown, LaTeX, and JSON for the report.

    Args:
        options: The rule's options (see `plan.StudyPlan.entry`).
        runs: Run folders, in the order of the rows.
        splits: Splits of the study.
        targets: Batch folders of targets, where the table counts pixels.
        published: Published values.
        stem: Path of the table without suffix.
    """
    inputs = TableInputs(
        runs=load_runs(runs, labels=options["labels"]) if runs else (),
        published=yaml.safe_load(published.read_text(encoding="utf-8")),
        paper=options["paper"],
        data_kind=options["data_kind"],
        pixels=_pixels(splits[0], targets, options["classes"]) if targets else None,
    )
    known = tables.options(options["kind"])
    chosen = dict(options["options"])
    if options["runs"] and "rows" in known:
        chosen["rows"] = options["runs"]
    if options["title"] and "title" in known:
        chosen["title"] = options["title"]
    table = tables.tabulate(options["kind"], inputs, **chosen)
    save_table(table, stem, title=options["title"])


def _pixels(split: Path, targets: Paths, classes: Sequence[str]) -> pd.DataFrame:
    """Pixels per sample and class, with the part of each sample."""
    parts = pd.read_csv(split, sep="\t", dtype=str).set_index("sample")["part"]
    files = [path for folder in targets for path in sorted(folder.glob("*.tif"))]
    frames = [
        count_pixels(
            images.read(path),
            classes={name: i for i, name in enumerate(classes)},
            sample=path.stem,
            part=parts[path.stem],
        )
        for path in files
    ]
    return pd.concat(frames, ignore_index=True)
