# SPDX-License-Identifier: MIT
"""What a run called the sections of slides: the tables that it leaves."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from microtome.provenance import tsv

SELECTION_NAME = "selection.json"
"""The chosen epoch and thresholds, in the folder of a run."""
SECTIONS_NAME = "sections.tsv"
"""The sections of all evaluated slides, in the folder of a run."""
CALL_COLUMNS = ("section", "label", "call", "area", "greatest", "threshold", "least_area")
"""Of one slide: number; names of classes (an empty label is none); µm² of the largest region at the
threshold, the greatest probability; the chosen threshold and least area (µm²)."""
SECTION_COLUMNS = ("part", "sample", "unit", "group", *CALL_COLUMNS, "status")
AREAS = "areas"
"""The folder of the tables of areas, beside the maps of a batch."""
SECONDS_NAME = "seconds.tsv"
"""Beside the maps of a batch, what each slide took: `sample seconds tissue_mm2 device threads`; the area is
that of its sections."""
SAME = 1e-9
"""How near thresholds of two files have to be."""
AREA_COLUMNS = ("section", "threshold", "area", "greatest")
NAMES = tsv.NAMES | {"call", "status"}
DONE, UNLABELLED, FAILED = "done", "unlabelled", "failed"
"""Status of a section: called and labelled; without a label; of a slide that cannot be read, which has one
row without a section."""


def read_sections(path: Path) -> pd.DataFrame:
    """Read `sections.tsv` (`SECTION_COLUMNS`); names stay text.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It lacks a column.
    """
    return _read(path, SECTION_COLUMNS, "evaluate the run again")


def failed_slides(folders: Iterable[Path]) -> list[str]:
    """The slides that could not be read, each once, as the evaluations in folders of runs say."""
    tables = [read_sections(path) for folder in folders if (path := folder / SECTIONS_NAME).is_file()]
    return list(dict.fromkeys(name for one in tables for name in one.loc[one["status"] == FAILED, "sample"]))


def read_calls(path: Path) -> pd.DataFrame:
    """Read the calls of one slide (`CALL_COLUMNS`); errors as of `read_sections`."""
    return _read(path, CALL_COLUMNS, "call the sections again")


def read_areas(path: Path) -> pd.DataFrame:
    """Read the areas (µm²) of one slide by section and threshold (`AREA_COLUMNS`); errors likewise."""
    return _read(path, AREA_COLUMNS, "predict the slide again")


def find(folders: Sequence[Path], name: str) -> Path:
    """The file of this name in one of several batch folders.

    Raises:
        FileNotFoundError: None has it.
    """
    found = next((path for folder in folders if (path := folder / name).is_file()), None)
    if found is None:
        msg = f"no file '{name}' in {', '.join(map(str, folders))}; run the rule that writes it again"
        raise FileNotFoundError(msg)
    return found


def _read(path: Path, columns: Sequence[str], remedy: str) -> pd.DataFrame:
    frame = tsv.read(path, names=NAMES)
    if missing := [name for name in columns if name not in frame]:
        msg = f"{path} lacks the columns {missing}; it holds {list(frame.columns)}; {remedy}"
        raise ValueError(msg)
    return frame
