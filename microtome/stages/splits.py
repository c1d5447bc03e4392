# SPDX-License-Identifier: MIT
"""Write the resolved sample sheet and the splits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from microtome.job import finished_file


def write_split(rows: Sequence[Mapping[str, str]], digest: str, path: Path) -> None:
    """Write sample, unit, group and part of each sample, and the hash of the split in every row.

    Args:
        rows: One mapping a sample.
        digest: See `splits.digest`.
        path: The TSV.
    """
    with finished_file(path) as partial:
        pd.DataFrame(list(rows)).assign(hash=digest).to_csv(partial, sep="\t", index=False)


def write_sheet(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Write the sample sheet as the workflow understood it.

    Args:
        rows: One mapping a sample.
        path: The TSV.
    """
    with finished_file(path) as partial:
        pd.DataFrame(list(rows)).to_csv(partial, sep="\t", index=False)
