# SPDX-License-Identifier: MIT
"""Draw figures from run folders and images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from microtome import figures
from microtome.figures.inputs import STAIN_TARGET, FigureInputs, find_sources
from microtome.figures.save import save_figure
from microtome.provenance import record
from microtome.provenance.runs import load_runs
from microtome.tables.parts.numbers import groups_of

Paths = Sequence[Path]
SCRIPT = "scripts/draw.py"
NO_STAINS: Mapping[str, Paths] = MappingProxyType({})
NO_CUBES: Mapping[str, Path] = MappingProxyType({})


def make_figure(
    options: Mapping[str, Any],
    *,
    runs: Paths,
    images: Paths,
    targets: Paths,
    published: Path,
    stem: Path,
    stains: Mapping[str, Paths] = NO_STAINS,
    cubes: Paths = (),
    raw_cubes: Mapping[str, Path] = NO_CUBES,
    bands: Path | None = None,
    inputs: Paths = (),
    code: str = "",
) -> None:
    """Draw one figure and write it as SVG, PDF and PNG, with the data behind it and JSON for the report.

    Args:
        options: The rule's options (see `plan.StudyPlan.entry`). `groups`, where given, is the group (organ,
            clinic) of each sample, else that of the runs' metrics is taken; `settings` are
            `FigureInputs.settings`.
        runs: Run folders, in the order of the figure.
        images: Batch folders of images.
        targets: Batch folders of targets.
        published: Published values.
        stem: Path of the figure without suffix.
        stains: Batch folders of normalized images (``stains/{name}/images/{batch}``) by the name of the
            stain normalization; the target's profile lies in ``stains/{name}``.
        cubes: Batch folders of calibrated cubes.
        raw_cubes: Cube as it was recorded, by sample.
        bands: Table of chosen bands.
        inputs: Everything that the rule reads, for the record in the sidecar.
        code: Digest of the code behind the rule, for the same.
    """
    records = load_runs(runs, labels=options["labels"]) if runs else []
    normalized = {name: _files(folders) for name, folders in stains.items()}
    shown = FigureInputs(
        runs=records,
        sources=find_sources(records, _files(images), _files(targets), stains=normalized),
        published=yaml.safe_load(published.read_text(encoding="utf-8")),
        data_kind=options["data_kind"],
        classes=tuple(options["classes"]),
        groups=options.get("groups") or groups_of(records),
        settings=options.get("settings") or {},
        stain_targets={
            name: folders[0].parent.parent / STAIN_TARGET for name, folders in stains.items() if folders
        },
        cubes={path.stem: path for folder in cubes for path in sorted(folder.glob("*.hdr"))},
        raw_cubes=raw_cubes,
        bands=bands,
    )
    known, chosen = figures.options(options["kind"]), dict(options["options"])
    if options["runs"] and "runs" in known:
        chosen["runs"] = options["runs"]
    if options["runs"] and "run" in known:
        chosen["run"] = options["runs"][0]
    result = figures.draw(options["kind"], shown, **chosen)
    origin = record.record(options, script=SCRIPT, code=code, runs=records, inputs=inputs, home=stem.parent)
    save_figure(result, stem, kind=options["kind"], title=options["title"], provenance=origin)


def _files(folders: Paths) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("*.tif"))]
