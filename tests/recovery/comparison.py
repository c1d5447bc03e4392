# SPDX-License-Identifier: MIT
"""Whether two runs of the same studies came to the same results."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

TIMED = "seconds"
"""Columns with this word differ from run to run."""
FROM_TIMES = frozenset({"train", "validate", "per_epoch", "per_mm2", "change"})
"""What the tables of times (kinds `time` and `slide_time`) make of them."""
TABLES = "tables"
APART = "benchmarks"


def differences(expected: Path, found: Path) -> list[str]:
    """Compare all tables and weights byte by byte, columns of measured time apart.

    Args:
        expected: Results of an undisturbed run.
        found: Results of another.

    Returns:
        Names of files that are missing or differ.
    """
    names = sorted({*_names(expected), *_names(found)})
    return [name for name in names if not _same(expected / name, found / name)]


def compared(root: Path) -> int:
    """How many files `differences` compares."""
    return len(list(_names(root)))


def _names(root: Path) -> Iterator[str]:
    for pattern in ("*.tsv", "model.safetensors"):
        for path in root.rglob(pattern):
            name = path.relative_to(root)
            if APART not in name.parts and not any(part.startswith(".") for part in name.parts):
                yield name.as_posix()


def _same(expected: Path, found: Path) -> bool:
    if not expected.is_file() or not found.is_file():
        return False
    if expected.read_bytes() == found.read_bytes():
        return True
    return expected.suffix == ".tsv" and _untimed(expected).equals(_untimed(found))


def _untimed(path: Path) -> pd.DataFrame:
    """A table without what was measured in seconds and, in a study's table of times, what follows from it."""
    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    is_of_times = path.parent.name == TABLES and TIMED in frame.columns
    apart = FROM_TIMES if is_of_times else frozenset[str]()
    return frame[[name for name in frame.columns if TIMED not in name and name not in apart]]
