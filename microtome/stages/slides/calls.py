# SPDX-License-Identifier: MIT
"""Call the sections of each slide of a batch by the thresholds of a run."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from microtome.config.sections import section_colors
from microtome.files import finished_folder
from microtome.io import geojson
from microtome.io.failures import pass_on
from microtome.io.section_boxes import Box, feature, read_table
from microtome.provenance.cards import read_json
from microtome.provenance.section_calls import AREAS, CALL_COLUMNS, SAME, read_areas
from microtome.slides.calls import is_positive

Options = Mapping[str, Any]


def call_sections(options: Options, selection: Path, predictions: Path, sections: Path, folder: Path) -> None:
    """Call every section of a batch: of the class if its largest region has the chosen area or more.

    Args:
        options: `calls`, with the `class`; `classes`, names in order.
        selection: `selection.json` of the run (`stages.slides.select`).
        predictions: Batch folder of the maps, with `areas/{sample}.tsv`, and records of slides that failed.
        sections: Batch folder of the boxes.
        folder: Gets `{sample}.tsv` (`CALL_COLUMNS`) and `{sample}.geojson` (boxes with the call as class, and
            what was measured), or `{sample}.failed.json`. Written whole or not at all.

    Raises:
        FileNotFoundError: The areas of a slide are missing.
        ValueError: The areas are of other sections or thresholds.
    """
    chosen = read_json(selection)
    with finished_folder(folder) as partial:
        failed = pass_on(predictions, partial) | pass_on(sections, partial)
        for path in sorted(sections.glob("*.tsv")):
            if path.stem not in failed:
                boxes, areas = read_table(path), read_areas(predictions / AREAS / path.name)
                try:
                    table = called(boxes, areas, chosen, options)
                except ValueError as error:
                    msg = f"{predictions / AREAS / path.name}: {error}; predict the slide again"
                    raise ValueError(msg) from error
                table.to_csv(partial / path.name, sep="\t", index=False, lineterminator="\n")
                features = _features(path.stem, boxes, table, options["classes"])
                geojson.write(partial / f"{path.stem}.geojson", features)


def called(
    boxes: list[Box], areas: pd.DataFrame, chosen: Mapping[str, Any], options: Options
) -> pd.DataFrame:
    """The calls of the sections of a slide.

    Args:
        boxes: The sections.
        areas: Of their largest regions (`microtome.provenance.section_calls.AREA_COLUMNS`).
        chosen: `threshold` and `least_area` (µm²).
        options: See `call_sections`.

    Returns:
        A row for each section, `CALL_COLUMNS`.

    Raises:
        ValueError: The areas are of other sections or thresholds.

    Example:
        >>> areas = pd.DataFrame({"section": [1], "threshold": 0.5, "area": 90.0, "greatest": 0.8})
        >>> options = {"calls": {"class": "tumor"}, "classes": ["normal", "tumor"]}
        >>> boxes = [Box(y=0, x=0, height=9, width=9, section=1)]
        >>> called(boxes, areas, {"threshold": 0.5, "least_area": 100.0}, options)["call"].tolist()
        ['normal']
    """
    threshold, least = float(chosen["threshold"]), float(chosen["least_area"])
    at = areas[[math.isclose(value, threshold, abs_tol=SAME) for value in areas["threshold"]]]
    at = at.set_index("section")
    numbers = [box.section for box in boxes]
    if sorted(at.index) != sorted(numbers):
        found = f"areas of the sections {sorted(at.index)} at the threshold {threshold:g}"
        msg = f"found {found}, expected {sorted(numbers)}"
        raise ValueError(msg)
    at = at.loc[numbers]
    yes = options["calls"]["class"]
    no = negative(options["classes"], yes)
    return pd.DataFrame(
        {
            "section": numbers,
            "label": [box.label for box in boxes],
            "call": [yes if one else no for one in is_positive(at["area"].to_numpy(), least)],
            "area": at["area"].to_numpy(),
            "greatest": at["greatest"].to_numpy(),
            "threshold": threshold,
            "least_area": least,
        },
        columns=list(CALL_COLUMNS),
    )


def negative(classes: list[str], positive: str) -> str:
    """What a section is called that is not of the class: of two classes the other.

    Example:
        >>> negative(["normal", "tumor"], "tumor"), negative(["skin", "naevus", "tumor"], "tumor")
        ('normal', 'no tumor')
    """
    others = [name for name in classes if name != positive]
    return others[0] if len(others) == 1 else f"no {positive}"


def _features(sample: str, boxes: list[Box], table: pd.DataFrame, classes: list[str]) -> list[dict[str, Any]]:
    colors = section_colors(classes)
    measured = table[["area", "greatest"]].rename(columns={"area": "largest region µm^2"})
    return [
        feature(sample, box, label=call, color=colors.get(call), measurements=numbers)
        for box, call, numbers in zip(boxes, table["call"], measured.to_dict("records"), strict=True)
    ]
