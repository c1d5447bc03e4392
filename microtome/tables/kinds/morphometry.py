# SPDX-License-Identifier: MIT
"""Size, shape and stain of the objects by group: the true ones, and those each run finds."""

from collections.abc import Mapping, Sequence

import pandas as pd

from microtome.io import images, views
from microtome.objects.measure import measure
from microtome.provenance import tsv
from microtome.tables.frame import SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA
from microtome.tables.parts.numbers import group_names
from microtome.tables.parts.published import note_of

NEEDS = frozenset({"instances", "labels", "objects"})
USES = frozenset({"groups"})
OBJECT_COLUMNS = ("run", "sample", "group", "id")
TRUTH = ""
"""Stands in the column ``run`` for true objects."""
TRUE_LABEL = "truth"
AREAS = (("area_um2", "µm²"), ("area_px2", "px²"))
"""Columns of the area, the first that all objects have, and their units."""
STAIN = "hematoxylin_mean"
REMEDY = "name runs that find objects"
NOTE = (
    "Medians and means over all objects of a group. Of true: number found in per cent of the true number on "
    "the same images. Of several seeds the first is taken."
)


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Morphometry of the objects",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    heading: str = "Organ",
    objects: str = "Nuclei",
) -> Table:
    """Tabulate number, area, eccentricity and haematoxylin of objects by group and run.

    Args:
        inputs: Objects that runs found, true ones, groups, records of the runs.
        title: Caption.
        rows: Runs, or mappings with ``run`` and ``label``; all that found objects by default.
        heading: Heading of the groups.
        objects: Heading of the number of objects.

    Returns:
        Per group, then over all: a row for the truth, where it was measured, and one per run.

    Raises:
        ValueError: No objects were measured, or a run asked for found none.
    """
    frame = inputs.collected(collect, (*OBJECT_COLUMNS, "eccentricity"), REMEDY)
    frame = frame.assign(group=frame["group"].astype(object).where(frame["group"].notna(), "").astype(str))
    labels = _labels(inputs, frame, rows)
    frame = _comparable(frame, labels)
    area, unit = _area(frame)
    found = []
    for group, name in group_names(frame["group"]).items():
        in_group = frame if group is None else frame[frame["group"] == group]
        for run, label in labels.items():
            chosen = in_group[in_group["run"] == run]
            found.append(_row(name, run, label, chosen, _truth_beside(in_group, chosen), area))
    has_stain = STAIN in frame
    columns = [
        Column("group", heading, kind="text"),
        Column("label", "Objects of", kind="text"),
        Column("images", "Images", format=".0f"),
        Column("objects", objects, format=",.0f"),
        Column("of_true", "Of true", unit="%", format=".0f"),
        Column("area", "Median area", unit=unit, format=".1f" if unit == "µm²" else ".0f"),
        Column("eccentricity", "Eccentricity", format=".2f"),
        *[Column("haematoxylin", "Mean haematoxylin", format=".2f")] * has_stain,
        DATA,
    ]
    table = pd.DataFrame(found).assign(data=" + ".join(inputs.data_kinds))
    spread = "Eccentricity and haematoxylin: mean ± sample sd over objects."
    return Table(table, tuple(columns), title, note_of(inputs, NOTE, spread), inputs.data_kinds)


def collect(inputs: Inputs) -> pd.DataFrame:
    """Collect the objects that the runs found (of the first seed that holds an image), and the true ones.

    One row per object (`OBJECT_COLUMNS`, then those of `microtome.objects.measure`); true ones have the run
    `TRUTH`, and an image without objects has one row with no `id`.
    """
    runs = {record.folder.resolve(): record.run for record in inputs.runs}
    found: dict[tuple[str, str], pd.DataFrame] = {}
    for path in inputs.found("objects", "*.tsv"):
        key = runs[path.parents[2].resolve()], path.stem
        found.setdefault(key, tsv.read(path))
    for path in inputs.found("labels", f"instances/*{views.IMAGE}"):
        found[TRUTH, path.stem] = measure(images.read(path), mpp=images.header(path).mpp)
    nothing = pd.DataFrame({"id": [None]}, dtype="float64")
    frames = [
        (frame if len(frame) else nothing).assign(run=run, sample=sample, group=inputs.groups.get(sample, ""))
        for (run, sample), frame in found.items()
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(OBJECT_COLUMNS))


def _labels(
    inputs: Inputs, frame: pd.DataFrame, rows: Sequence[str | Mapping[str, str]] | None
) -> dict[str, str]:
    """Name to print by run, the truth first."""
    known = {record.run: record.label for record in inputs.runs}
    items = [{"run": item} if isinstance(item, str) else dict(item) for item in rows or ()]
    items = items or [{"run": run} for run in dict.fromkeys(frame["run"]) if run != TRUTH]
    measured = set(frame["run"])
    if missing := [item["run"] for item in items if item["run"] not in measured]:
        msg = f"no objects of the runs {missing}; runs with objects: {sorted(measured - {TRUTH})}; {REMEDY}"
        raise ValueError(msg)
    truth = {TRUTH: TRUE_LABEL} if TRUTH in measured else {}
    return truth | {item["run"]: item.get("label", known.get(item["run"], item["run"])) for item in items}


def _area(frame: pd.DataFrame) -> tuple[str, str]:
    """The column of the area and its unit: micrometres only where the pixel size of all images is known."""
    there = frame[frame["id"].notna()]
    return next(((key, unit) for key, unit in AREAS if key in there and there[key].notna().all()), AREAS[-1])


def _comparable(frame: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """The objects of what is shown, the true ones only of images that a run shown has measured."""
    shown = frame[frame["run"].isin(labels)]
    found = shown.loc[shown["run"] != TRUTH, "sample"]
    return shown if found.empty else shown[shown["sample"].isin(found)]


def _truth_beside(in_group: pd.DataFrame, chosen: pd.DataFrame) -> int:
    """True objects on the images of a run."""
    is_true = (in_group["run"] == TRUTH) & in_group["sample"].isin(chosen["sample"])
    return int(in_group.loc[is_true, "id"].notna().sum())


def _row(group: str, run: str, label: str, chosen: pd.DataFrame, truth: int, area: str) -> dict[str, object]:
    nothing, count = float("nan"), int(chosen["id"].notna().sum())
    row = {
        "group": group,
        "run": run,
        "label": label,
        "images": chosen["sample"].nunique(),
        "objects": count,
        "of_true": 100 * count / truth if truth and run != TRUTH else nothing,
        "area": chosen[area].median(),
        "eccentricity": chosen["eccentricity"].mean(),
        "eccentricity" + SD_SUFFIX: chosen["eccentricity"].std(),
    }
    if STAIN in chosen:
        row |= {"haematoxylin": chosen[STAIN].mean(), "haematoxylin" + SD_SUFFIX: chosen[STAIN].std()}
    return row
