# SPDX-License-Identifier: MIT
"""Published values of each class: tables whose rows are runs, columns rates, and cells values by class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from microtome.tables.inputs import Inputs
from microtome.tables.parts.published import cell, published_row, published_table
from microtome.tables.parts.rows import Row

AVERAGE = "average"
"""What tables call the mean over classes, and published ones, too."""
DERIVED = "Published means over classes are computed from the printed values where none is printed."


def class_cells(
    inputs: Inputs, table: str, row: Row, rate: str, classes: Sequence[str], mean_classes: Sequence[str]
) -> pd.DataFrame:
    """Look up what is published of a run and a rate.

    Args:
        inputs: The table's inputs.
        table: Key of the published table.
        row: The run; looked up by its key, its name, its loss.
        rate: Column of the published table; one that it lacks has no values.
        classes: Names of the classes.
        mean_classes: Those that the mean is over.

    Returns:
        ``mean`` and ``sd``, indexed by the classes and `AVERAGE`: its mean as printed, else that of the
        printed values; its sd the mean of the classes' own. NaN where nothing was published.

    Raises:
        ValueError: The table does not exist, or has no row of that key.
    """
    printed = published_row(published_table(inputs.published, inputs.paper, table)["rows"], row)
    told = printed.get(rate, {})
    values = pd.DataFrame([cell(told.get(name)) for name in classes], list(classes), ["mean", "sd"], float)
    own = values.loc[list(mean_classes)]
    mean = cell(told[AVERAGE])[0] if AVERAGE in told else _mean_of_all(own["mean"])
    values.loc[AVERAGE] = (mean, _mean_of_all(own["sd"]))
    return values


def _mean_of_all(values: pd.Series) -> float:
    """The mean; NaN unless every class has a value."""
    return float(np.mean(values)) if values.notna().all() else float("nan")
