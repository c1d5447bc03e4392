# SPDX-License-Identifier: MIT
"""Calls of the sections of a slide against their labels, by the definitions in `microtome.metrics.sections`.

The counts add up over slides; rates of all sections together, with intervals by patient, are those of the
tables of kind `section_metrics`, which read `sections.tsv`. A slide without a labelled section has no value.
"""

import pandas as pd

from microtome.metrics import sections
from microtome.metrics.families._context import Measure
from microtome.metrics.overlap import COUNTS as OUTCOMES
from microtome.metrics.overlap import EVERY_CLASS

NEEDS = frozenset({"slides"})
OF_IMAGE = ("section_accuracy", "sections_tp", "sections_fp", "sections_fn", "sections_tn")
LOWER_IS_BETTER = ("sections_fp", "sections_fn")
POOLED = ("section_accuracy",)


def measure(labelled: pd.DataFrame, positive: str) -> list[Measure]:
    """The share of a slide's sections that are called right, and their counts by outcome.

    Args:
        labelled: Its labelled sections: `label` and `call`, names of classes.
        positive: The class that is called.

    Example:
        >>> frame = pd.DataFrame({"label": ["t", "n"], "call": ["t", "t"]})
        >>> [f"{m.metric} {m.value:g}" for m in measure(frame, "t")][:3]
        ['section_accuracy 0.5', 'sections_tp 1', 'sections_fp 1']
    """
    found = sections.outcomes(labelled, positive)
    counts = {name: float((found == name).sum()) for name in OUTCOMES}
    share = sections.pooled(pd.DataFrame([counts]), "accuracy")
    values = [share, *counts.values()] if len(labelled) else [float("nan")] * len(OF_IMAGE)
    return [Measure(EVERY_CLASS, name, value) for name, value in zip(OF_IMAGE, values, strict=True)]
