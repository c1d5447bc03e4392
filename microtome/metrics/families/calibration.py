# SPDX-License-Identifier: MIT
"""Whether the probabilities of the classes are true, by the definitions in `microtome.metrics.calibration`.

Of all classes together errors are those of the most probable class; `mean_ece` is the mean of the errors of
the classes. `bin_pixels@N`, `bin_hits@N` and `bin_confidence@N` are what all errors follow from, of one image
or of many together: pixels in a bin of the probability, those of which the class is true, and the sum of
their probabilities. Of two classes of which there is one map the other has the rest. Probabilities of a
marker are none of a class, and are left out.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from microtome.metrics import calibration
from microtome.metrics.calibration import Sums
from microtome.metrics.families._context import Context, Measure
from microtome.metrics.overlap import EVERY_CLASS
from microtome.metrics.undefined import UndefinedMetricError

OF_CLASS = ("ece", "ace", "mce", "brier", "bin_pixels@{bin}", "bin_hits@{bin}", "bin_confidence@{bin}")
OF_IMAGE = (
    "ece",
    "ace",
    "mce",
    "mean_ece",
    "brier",
    "nll",
    "aurc",
    "bin_pixels@{bin}",
    "bin_hits@{bin}",
    "bin_confidence@{bin}",
)
LOWER_IS_BETTER = ("ece", "ace", "mce", "mean_ece", "brier", "nll", "aurc")
OF_PROBABILITIES = True
BINNED = ("bin_pixels@", "bin_hits@", "bin_confidence@")
"""What the names of the sums begin with, in the order of the sums."""


def measure(context: Context) -> list[Measure]:
    """The measures of `OF_CLASS` of each class, then those of `OF_IMAGE`.

    Raises:
        UndefinedMetricError: The maps are not of the classes.
    """
    shares = class_probabilities(context.probability, len(context.classes), context.activation)
    floor = max(calibration.FLOOR, context.step / 2)
    return of_sums(calibration.count(shares, context.truth, floor=floor), context.classes)


def class_probabilities(maps: npt.NDArray, classes: int, activation: str) -> npt.NDArray:
    """Probabilities (K, H, W) of all classes.

    Args:
        maps: (C, H, W): of the classes, or of the outputs, of which the first is of class 1.
        classes: How many there are, K.
        activation: `softmax` if the maps are of the classes, which sum to 1; else `sigmoid`.

    Raises:
        UndefinedMetricError: The maps are of something else.
    """
    if activation == "softmax" and len(maps) == classes:
        return maps
    if activation == "sigmoid" and classes == 2:
        return np.stack([1 - maps[0], maps[0]])
    msg = f"{len(maps)} maps ({activation}) say no probability of each of {classes} classes"
    raise UndefinedMetricError(msg)


def of_sums(sums: Sums, classes: Sequence[str]) -> list[Measure]:
    """The measures of sums that are counted already; errors and scores are NaN without a pixel."""
    bins, names = sums.bins, [*classes, EVERY_CLASS]
    pixels = sums.pixels or float("nan")
    ece = calibration.expected_error(bins)
    values = {"ece": ece, "ace": calibration.adaptive_error(bins), "mce": calibration.largest_error(bins)}
    values["brier"] = sums.squares / pixels
    found = [
        Measure(name, key, float(v)) for key, of in values.items() for name, v in zip(names, of, strict=True)
    ]
    together = {"mean_ece": ece[:-1].mean(), "nll": sums.surprise / pixels}
    together["aurc"] = calibration.area_under_risk(bins[-1])
    found += [Measure(EVERY_CLASS, key, float(value)) for key, value in together.items()]
    return [*found, *_binned(bins, names)]


def _binned(bins: npt.NDArray, names: Sequence[str]) -> Iterator[Measure]:
    for column, prefix in enumerate(BINNED):
        for name, of_class in zip(names, bins[..., column], strict=True):
            yield from (Measure(name, f"{prefix}{at}", float(value)) for at, value in enumerate(of_class))
