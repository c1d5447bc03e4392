# SPDX-License-Identifier: MIT
"""Write what the workflow understood of the samples: their sheet, and each split."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from microtome.files import finished_file


def write_sheet(rows: Sequence[Mapping[str, Any]], path: Path, **same: str) -> None:
    """Write a TSV of samples, the sheet as the workflow understood it or a split, one row a sample.

    `same` are further columns, whose value is the same in every row, such as the hash of a split.
    """
    with finished_file(path) as partial:
        pd.DataFrame([{**row, **same} for row in rows]).to_csv(partial, sep="\t", index=False)
