# SPDX-License-Identifier: MIT
"""Outcomes of one class: pixels found, missed, or given to it wrongly; the same colours everywhere."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from numpy.typing import NDArray

from microtome.config import colors
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.classes import patch
from microtome.figures.parts.colors import UNLABELLED
from microtome.figures.parts.panels import IGNORE, show_classes

TN, TP, FP, FN = OUTCOMES = ("true negative", "true positive", "false positive", "false negative")
SHOWN = (TP, TN, FP, FN)
"""Their order in legends: what is right, then what is wrong."""
LEFT_OUT = "unlabelled"


def outcome_map(output: NDArray, label: NDArray, positive: int) -> NDArray[np.uint8]:
    """Sort the pixels of a segmentation into the four outcomes of one class.

    Of class ids (H, W) it makes positions in `OUTCOMES`, and `IGNORE` where there is no label.

    Example:
        >>> outcome_map(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 0, 255]]), 0).tolist()
        [[1, 2, 3, 255]]
    """
    found, truth = output == positive, label == positive
    outcomes = np.select([found & truth, found & ~truth, ~found & truth], [1, 2, 3], 0).astype(np.uint8)
    return np.where(label == IGNORE, np.uint8(IGNORE), outcomes)


def tones(inputs: FigureInputs, of: str) -> dict[str, str]:
    """Colour of each outcome of a class, in the order of `OUTCOMES`.

    Of two classes in black and white, right pixels have the colour of their class, as in labels and outputs
    beside them; of several they are dark and white.
    """
    right = {TN: colors.TRUE_NEGATIVE, TP: colors.TRUE_POSITIVE}
    if inputs.is_plain:
        right |= {TP if name == of else TN: tone for name, tone in inputs.palette.items()}
    return {**right, FP: colors.FALSE_POSITIVE, FN: colors.FALSE_NEGATIVE}


def show_outcomes(axes: Axes, inputs: FigureInputs, outcomes: NDArray, of: str) -> AxesImage:
    """Show a map of `outcome_map` of a class in their colours."""
    return show_classes(axes, outcomes, tuple(tones(inputs, of).values()))


def outcome_patches(
    inputs: FigureInputs, of: str, pixels: Mapping[str, int] | None = None, *, unlabelled: bool = False
) -> list[Patch]:
    """Give the legend of the outcomes of a class.

    Args:
        inputs: The classes; of two, those of right pixels are named, whose colours are theirs.
        of: The class.
        pixels: How many pixels have each outcome, to be told in the legend.
        unlabelled: Whether there are pixels without a label.
    """
    other = next((name for name in inputs.classes if name != of), "") if inputs.is_plain else ""
    names = {TP: f"{TP} ({of})", TN: f"{TN} ({other})"} if other else {}
    shown, tone = (*SHOWN, LEFT_OUT) if unlabelled else SHOWN, tones(inputs, of)
    return [
        patch(tone.get(one, UNLABELLED), names.get(one, one) + (f"  {pixels[one]:,}" if pixels else ""))
        for one in shown
    ]


def count_outcomes(outcomes: NDArray) -> pd.DataFrame:
    """Count the pixels of a map of `outcome_map`: columns outcome, pixels, share (of the labelled ones).

    Example:
        >>> count_outcomes(np.array([[0, 1, 1, 255]], np.uint8))["pixels"].tolist()
        [1, 2, 0, 0, 1]
    """
    counts = [int(np.count_nonzero(outcomes == index)) for index in range(len(OUTCOMES))]
    labelled = max(sum(counts), 1)
    rows = [(name, count, count / labelled) for name, count in zip(OUTCOMES, counts, strict=True)]
    rows.append((LEFT_OUT, outcomes.size - sum(counts), float("nan")))
    return pd.DataFrame(rows, columns=["outcome", "pixels", "share"])


def dice_of(pixels: Mapping[str, int]) -> float:
    """Dice of a class from the pixels of its outcomes; NaN where it is neither there nor found.

    Example:
        >>> dice_of({"true positive": 2, "false positive": 1, "false negative": 1})
        0.6666666666666666
    """
    either = 2 * pixels[TP] + pixels[FP] + pixels[FN]
    return 2 * pixels[TP] / either if either else float("nan")
