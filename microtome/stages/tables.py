# SPDX-License-Identifier: MIT
"""Make tables from run folders."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import yaml

from microtome import tables
from microtome.io import images
from microtome.objects.measure import measure
from microtome.provenance import record as lineage
from microtome.provenance.runs import RunRecord, load_runs
from microtome.tables.inputs import TRUTH, TableInputs
from microtome.tables.kinds.data import count_pixels
from microtome.tables.kinds.stain_report import flatten
from microtome.tables.parts.numbers import groups_of
from microtome.tables.parts.save import save_table

Options = Mapping[str, Any]
Paths = Sequence[Path]
INSTANCES = "instances"
SCRIPT = "scripts/tabulate.py"
COUNTED, MEASURED = "instance_data", "morphometry"
"""Kinds that need the true objects counted, or measured."""
NO_STAINS: Mapping[str, Paths] = MappingProxyType({})


def make_table(
    options: Options,
    *,
    runs: Paths,
    splits: Paths,
    targets: Paths,
    published: Path,
    stem: Path,
    stains: Mapping[str, Paths] = NO_STAINS,
    objects: Paths = (),
    inputs: Paths = (),
    code: str = "",
) -> None:
    """Make one table and write it as TSV, Markdown, LaTeX, and JSON for the report.

    Args:
        options: The rule's options (see `plan.StudyPlan.entry`). `groups`, where given, is the group (organ,
            clinic) of each sample; else that of the runs' metrics is taken.
        runs: Run folders, in the order of the rows.
        splits: Splits of the study.
        targets: Batch folders of targets, where the table counts pixels or objects.
        published: Published values.
        stem: Path of the table without suffix.
        stains: Batch folders of stain reports, by the name of the stain normalization.
        objects: Batch folders of the objects that runs found (``objects/{batch}`` in a run folder).
        inputs: Everything that the rule reads, for the record in the sidecar.
        code: Digest of the code behind the rule, for the same.
    """
    kind, records = options["kind"], load_runs(runs, labels=options["labels"]) if runs else []
    groups = options.get("groups") or groups_of(records)
    is_about_pixels = targets and kind not in (COUNTED, MEASURED)
    shown = TableInputs(
        runs=records,
        published=yaml.safe_load(published.read_text(encoding="utf-8")),
        paper=options["paper"],
        data_kind=options["data_kind"],
        pixels=_pixels(splits[0], targets, options["classes"]) if is_about_pixels else None,
        counts=_counts(splits[0], targets, groups) if kind == COUNTED and targets else None,
        objects=_objects(records, objects, targets, groups) if kind == MEASURED else None,
        stains=_stains(stains, groups),
    )
    known = tables.options(options["kind"])
    chosen = dict(options["options"])
    if options["runs"] and "rows" in known:
        chosen["rows"] = options["runs"]
    if options["title"] and "title" in known:
        chosen["title"] = options["title"]
    table = tables.tabulate(options["kind"], shown, **chosen)
    origin = lineage.record(options, script=SCRIPT, code=code, runs=records, inputs=inputs, home=stem.parent)
    save_table(table, stem, title=options["title"], provenance=origin)


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


def _counts(split: Path, targets: Paths, groups: Mapping[str, str]) -> pd.DataFrame:
    """True objects per sample, with its part and group."""
    parts = pd.read_csv(split, sep="\t", dtype=str).set_index("sample")["part"]
    rows = [
        {
            "sample": path.stem,
            "part": parts[path.stem],
            "group": groups.get(path.stem, ""),
            "objects": int(np.count_nonzero(np.unique(images.read(path)))),
        }
        for path in _instance_files(targets)
    ]
    return pd.DataFrame(rows)


def _objects(
    records: Sequence[RunRecord], folders: Paths, targets: Paths, groups: Mapping[str, str]
) -> pd.DataFrame | None:
    """Objects that the runs found (of the first seed that holds an image), and true ones if there are any."""
    runs = {record.folder.resolve(): record.run for record in records}
    found: dict[tuple[str, str], pd.DataFrame] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.tsv")):
            key = runs[folder.parent.parent.resolve()], path.stem
            found.setdefault(key, pd.read_csv(path, sep="\t"))
    for path in _instance_files(targets):
        found[TRUTH, path.stem] = measure(images.read(path), mpp=images.header(path).mpp)
    nothing = pd.DataFrame({"id": [None]}, dtype="float64")
    frames = [
        (frame if len(frame) else nothing).assign(run=run, sample=sample, group=groups.get(sample, ""))
        for (run, sample), frame in found.items()
    ]
    return pd.concat(frames, ignore_index=True) if frames else None


def _instance_files(targets: Paths) -> list[Path]:
    return [path for folder in targets for path in sorted((folder / INSTANCES).glob("*.tif"))]


def _stains(folders: Mapping[str, Paths], groups: Mapping[str, str]) -> pd.DataFrame | None:
    """The stain reports, one row per image."""
    rows = [
        {"stain": name, "sample": path.stem, "group": groups.get(path.stem, "")}
        | flatten(json.loads(path.read_text(encoding="utf-8")))
        for name, batches in folders.items()
        for folder in batches
        for path in sorted(folder.glob("*.json"))
    ]
    return pd.DataFrame(rows) if rows else None
