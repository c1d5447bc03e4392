# SPDX-License-Identifier: MIT
"""Pixels of each class against the rest: true and false positives and negatives, which add up over images.

They are of the labelled pixels. Where an image has labels that are complete (column `full` of the sheet),
`full_tp` and so on are of all of its pixels, whatever is labelled in what training and the others see. Tables
of the kind `pooled` add them up first and then take rates.
"""

from microtome.metrics import overlap
from microtome.metrics.families._context import Context, Measure

OF_CLASS = ("tp", "fp", "fn", "tn", "full_tp", "full_fp", "full_fn", "full_tn")
FULL = "full_"
"""Before a count that is against complete labels."""


def measure(context: Context) -> list[Measure]:
    """The counts of each class, against the labels and, where there are such, against complete ones."""
    truths = {"": context.truth} | ({} if context.full is None else {FULL: context.full})
    found = []
    for prefix, truth in truths.items():
        counts = overlap.confusion_counts(truth, context.segmentation, classes=list(context.classes))
        found += [
            Measure(name, f"{prefix}{outcome}", float(counts.loc[name, outcome]))
            for outcome in overlap.COUNTS
            for name in context.classes
        ]
    return found
