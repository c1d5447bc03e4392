# SPDX-License-Identifier: MIT
"""Stain normalization of each image: stain vectors, angles, scales, gains, and what had to be borrowed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs

NEEDS = frozenset({"stains", "names"})
USES = frozenset({"groups"})
STAIN_OPTIONS = ("stain",)
STAIN_COLUMNS = ("stain", "sample", "group")
STAINS = {"h": 0, "e": 1}
COLOURS = ("red", "green", "blue")
NO_FALLBACK = "no"
REMEDY = "name a stain normalization in the study's `stains` and a run that uses it"
NOTE = (
    "Vectors: optical density of red, green, blue, length 1. Angle: between the image's stain vector and the "
    "target's, before normalization. P99: 99th percentile (or that of the settings) of the concentration. "
    "Fallback: what the image could not tell itself and was taken from the target."
)


def tabulate(
    inputs: Inputs, *, title: str = "Stain normalization by image", stain: str = "", vectors: bool = True
) -> Table:
    """Tabulate the stain reports.

    Args:
        inputs: Stain reports, groups.
        title: Caption.
        stain: Name of a stain normalization; all by default.
        vectors: Whether to print the stain vectors (the TSV always holds them).

    Returns:
        One row per image.

    Raises:
        ValueError: There are no reports, or none of that stain normalization.
    """
    frame = inputs.collected(collect, STAIN_COLUMNS, REMEDY)
    if stain:
        known = sorted(frame["stain"].unique())
        frame = frame[frame["stain"] == stain]
        if frame.empty:
            msg = f"no report of the stain normalization {stain!r}; those at hand: {known}"
            raise ValueError(msg)
    frame = frame.sort_values(["stain", "group", "sample"], ignore_index=True)
    methods = [inputs.name_of("stain", name) for name in frame["method"]]
    frame = frame.assign(method=methods, data=" + ".join(inputs.data_kinds))
    shown = [key for key in STAINS if vectors and frame[key].astype(bool).any()]
    columns = [
        Column("sample", "Sample", kind="text"),
        Column("group", "Group", kind="text"),
        Column("method", "Method", kind="text", once=True),
        *(Column(key, key.upper(), kind="text") for key in shown),
        Column("angle_h", "H to target", unit="°", format=".1f", group="Angle"),
        Column("angle_e", "E to target", unit="°", format=".1f", group="Angle"),
        Column("angle_h_e", "H to E", unit="°", format=".1f", group="Angle"),
    ]
    for key, name in (("h", "H"), ("e", "E")):
        columns.append(Column(f"p99_{key}_before", "P99 before", format=".2f", group=name))
        columns.append(Column(f"p99_{key}_after", "P99 after", format=".2f", group=name))
        columns.append(Column(f"gain_{key}", "Gain", format=".2f", group=name))
    columns += [
        Column("tissue", "Tissue", unit="% of pixels", format=".1f"),
        Column("fallback", "Fallback", kind="text", once=True),
        Column("data", "Data", kind="text", once=True),
    ]
    return Table(frame, tuple(columns), title, NOTE, inputs.data_kinds)


def collect(inputs: Inputs) -> pd.DataFrame:
    """Collect the stain reports beside the normalized images (`Inputs.files`: ``stains``).

    One row per stain normalization and image (`STAIN_COLUMNS`, then those of `flatten`).
    """
    reports: dict[str, list[Path]] = {}
    for path in inputs.found("stains", "*.json"):
        reports.setdefault(path.parents[2].name, []).append(path)
    rows = [
        {"stain": name, "sample": path.stem, "group": inputs.groups.get(path.stem, "")}
        | flatten(json.loads(path.read_text(encoding="utf-8")))
        for name, paths in reports.items()
        for path in paths
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(STAIN_COLUMNS))


def flatten(report: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the report of one image (`microtome.stain.apply`) into columns.

    Args:
        report: The report; parts that its method does not have may be missing or None.

    Returns:
        ``method``; ``h`` and ``e`` (stain vectors as text) and ``h_red`` … ``e_blue``; ``angle_h``,
        ``angle_e``, ``angle_h_e`` in degrees; ``p99_h_before``, ``p99_h_after``, ``gain_h`` and the same of
        ``e``; ``tissue`` in per cent; ``fallback`` and ``warnings`` as text.

    Example:
        >>> row = flatten({"method": "spcn", "gain": [1.5, 0.5], "fallback": None})
        >>> row["gain_h"], row["angle_h"], row["fallback"]
        (1.5, nan, 'no')
    """
    angles, levels = (report.get(key) or {} for key in ("angle_degrees", "concentration_p99"))
    matrix = (report.get("source") or {}).get("stain_matrix")
    row: dict[str, Any] = {"method": report.get("method", "none")}
    for key, index in STAINS.items():
        vector = None if matrix is None else matrix[index]
        row[key] = "" if vector is None else " ".join(f"{value:.2f}" for value in vector)
        row |= {f"{key}_{c}": _number(vector, i) for i, c in enumerate(COLOURS)}
        row[f"angle_{key}"] = _number(angles, key.upper())
        row |= {f"p99_{key}_{when}": _number(levels.get(when), index) for when in ("before", "after")}
        row[f"gain_{key}"] = _number(report.get("gain"), index)
    row["angle_h_e"] = _number(angles, "source_H_E")
    row["tissue"] = 100 * _number(report, "tissue_fraction")
    return row | {
        "fallback": str(report.get("fallback") or NO_FALLBACK),
        "warnings": "; ".join(map(str, report.get("warnings") or ())),
    }


def _number(values: Any, key: Any) -> float:
    """An entry of a list or mapping as a number, NaN where there is none."""
    if values is None or (isinstance(values, Mapping) and values.get(key) is None):
        return float("nan")
    return float(values[key])
