# SPDX-License-Identifier: MIT
"""When a section is called positive, and which epoch and thresholds call best.

A section is positive if its largest region of pixels with p >= t has an area of a or more; an area of 0 means
any region. The choice is made on the sections of the validation part by F_β, in whole numbers and fractions,
so that equal is equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An epoch with two thresholds, and how it calls the sections of the validation part.

    Attributes:
        epoch: The epoch whose weights are used.
        threshold: Least probability of a pixel.
        least_area: Least area of a region, µm².
        tp: Positive sections called positive.
        fp: Negative ones called positive.
        fn: Positive ones called negative.
        tn: Negative ones called negative.

    Example:
        >>> one = Candidate(epoch=3, threshold=0.5, least_area=0.0, tp=3, fp=1, fn=1, tn=5)
        >>> one.sensitivity, one.f_beta(1)
        (Fraction(3, 4), Fraction(3, 4))
    """

    epoch: int
    threshold: float
    least_area: float
    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def sensitivity(self) -> Fraction:
        """Share of the positive sections that are called so."""
        return Fraction(self.tp, self.tp + self.fn)

    def f_beta(self, beta: float) -> Fraction:
        """F_β = (1 + β²) TP / ((1 + β²) TP + β² FN + FP)."""
        square = Fraction(str(beta)) ** 2
        weighted = (1 + square) * self.tp
        return weighted / (weighted + square * self.fn + self.fp)


def is_positive(areas: NDArray[np.floating], least_area: float) -> NDArray[np.bool_]:
    """Whether sections are positive whose largest regions have these areas, µm².

    Example:
        >>> [is_positive(np.array([0.0, 5.0, 9.0]), least).tolist() for least in (0.0, 9.0)]
        [[False, True, True], [False, False, True]]
    """
    return (areas >= least_area) & (areas > 0)


def candidates(
    areas: Mapping[int, NDArray[np.floating]],
    truth: NDArray[np.bool_],
    *,
    thresholds: Sequence[float],
    least_areas: Sequence[float],
) -> list[Candidate]:
    """Call the sections by every epoch, threshold and area.

    Args:
        areas: Epoch to the areas of the largest regions, (S, T) µm², of each section at each threshold.
        truth: (S,), whether the section is positive.
        thresholds: (T,) probabilities.
        least_areas: µm².

    Returns:
        By epoch, then threshold, then area, each ascending.

    Raises:
        ValueError: The sections are of one class, or areas and truth do not belong together.

    Example:
        >>> found = candidates({1: np.array([[8.0], [2.0]])}, np.array([True, False]),
        ...                    thresholds=[0.5], least_areas=[0, 4])
        >>> [(one.least_area, one.tp, one.fp) for one in found]
        [(0, 1, 1), (4, 1, 0)]
    """
    _check(areas, truth, len(thresholds))
    return [
        Candidate(epoch=epoch, threshold=threshold, least_area=least, **_counts(called, truth))
        for epoch in sorted(areas)
        for number, threshold in enumerate(thresholds)
        for least, called in _called(areas[epoch][:, number], least_areas)
    ]


def best(found: Sequence[Candidate], *, beta: float) -> Candidate:
    """The candidate of the largest F_β.

    Of equal ones that of the largest sensitivity, then of the smallest area, then of the earliest epoch. Of
    the thresholds that are then left the middle one is taken (of two the lower): it is furthest from calling
    a section otherwise, on either side.

    Raises:
        ValueError: There is none.

    Example:
        >>> counts = {"epoch": 1, "tp": 1, "fp": 0, "fn": 0, "tn": 1, "least_area": 0.0}
        >>> best([Candidate(threshold=t, **counts) for t in (0.1, 0.2, 0.3, 0.9)], beta=1.5).threshold
        0.2
    """
    if not found:
        msg = "no candidate to choose from; calls.thresholds and calls.areas name one at least"
        raise ValueError(msg)
    ranks = {one: (one.f_beta(beta), one.sensitivity, -one.least_area, -one.epoch) for one in found}
    highest = max(ranks.values())
    equal = sorted((one for one in found if ranks[one] == highest), key=lambda one: one.threshold)
    return equal[(len(equal) - 1) // 2]


def _called(
    areas: NDArray[np.floating], least_areas: Sequence[float]
) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    return ((least, is_positive(areas, least)) for least in least_areas)


def _counts(called: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, int]:
    cells = {"tp": called & truth, "fp": called & ~truth, "fn": ~called & truth, "tn": ~called & ~truth}
    return {name: int(cell.sum()) for name, cell in cells.items()}


def _check(areas: Mapping[int, NDArray], truth: NDArray[np.bool_], thresholds: int) -> None:
    wrong = {epoch: one.shape for epoch, one in areas.items() if one.shape != (truth.size, thresholds)}
    if wrong or not areas:
        epoch, shape = next(iter(wrong.items()), (0, ()))
        msg = f"found areas of shape {shape} at epoch {epoch}, expected {(truth.size, thresholds)}"
        raise ValueError(msg)
    if truth.all() or not truth.any():
        found = f"{truth.size} sections with a label, {int(truth.sum())} of them positive"
        remedy = (
            "thresholds are chosen where both are; label more sections of the part `val` (column `sections`)"
        )
        msg = f"found {found}, expected positive and negative ones; {remedy}"
        raise ValueError(msg)
