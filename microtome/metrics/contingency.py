# SPDX-License-Identifier: MIT
"""Sparse contingency table of two label maps: one pass over the pixels, memory by the overlapping pairs.

Label maps are piecewise constant, so each block of rows is first cut into runs of equal (truth, prediction)
labels and only the runs are sorted. Identifiers may have gaps and be as large as int64 products allow.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BLOCK_PIXELS = 1 << 20
MAX_IDENTIFIER = (1 << 31) - 1

Labels = npt.NDArray[np.integer]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Contingency:
    """Areas of the objects of two label maps and the areas of their overlaps, in pixels.

    Attributes:
        truth_ids: Identifiers in the truth, ascending, without the background 0, shape (T,).
        truth_areas: Pixels of each true object, shape (T,).
        prediction_ids: Identifiers in the prediction, ascending, without 0, shape (P,).
        prediction_areas: Pixels of each predicted object, shape (P,).
        rows: Index into `truth_ids` of each overlapping pair, ascending, shape (K,).
        columns: Index into `prediction_ids` of each pair, ascending within a row, shape (K,).
        overlaps: Pixels that the two objects of a pair share, shape (K,).
    """

    truth_ids: Counts
    truth_areas: Counts
    prediction_ids: Counts
    prediction_areas: Counts
    rows: Counts
    columns: Counts
    overlaps: Counts

    @property
    def ious(self) -> npt.NDArray[np.float64]:
        """Intersection over union of each overlapping pair, shape (K,)."""
        return self.overlaps / self.unions

    @property
    def unions(self) -> Counts:
        """Pixels in the union of each overlapping pair, shape (K,)."""
        return self.truth_areas[self.rows] + self.prediction_areas[self.columns] - self.overlaps


def contingency(truth: Labels, prediction: Labels) -> Contingency:
    """Count the overlaps of two label maps.

    Args:
        truth: True labels, integer, 0 = background, any shape.
        prediction: Predicted labels, integer, 0 = background, same shape.

    Returns:
        Areas and overlaps of all objects.

    Raises:
        ValueError: If a map is not an integer label map, is empty, or the shapes differ.

    Example:
        >>> table = contingency(np.array([[7, 7, 0]]), np.array([[0, 3, 3]]))
        >>> table.truth_areas, table.prediction_areas, table.overlaps
        (array([2]), array([2]), array([1]))
    """
    true, predicted, counts = overlap_table(truth, prediction)
    truth_ids, truth_areas = _areas(true, counts)
    prediction_ids, prediction_areas = _areas(predicted, counts)
    both = (true > 0) & (predicted > 0)
    return Contingency(
        truth_ids=truth_ids,
        truth_areas=truth_areas,
        prediction_ids=prediction_ids,
        prediction_areas=prediction_areas,
        rows=np.searchsorted(truth_ids, true[both]),
        columns=np.searchsorted(prediction_ids, predicted[both]),
        overlaps=counts[both],
    )


def overlap_table(truth: Labels, prediction: Labels) -> tuple[Counts, Counts, Counts]:
    """Count the pixels of every (truth, prediction) pair of labels, background included.

    Args:
        truth: True labels, integer, not negative, any shape.
        prediction: Predicted labels, integer, not negative, same shape.

    Returns:
        True labels, predicted labels and pixels of the pairs that occur, sorted by truth then prediction,
        each of shape (K,).

    Raises:
        ValueError: If a map is not an integer label map, is empty, or the shapes differ.

    Example:
        >>> overlap_table(np.array([0, 1, 1]), np.array([2, 2, 2]))
        (array([0, 1]), array([2, 2]), array([1, 2]))
    """
    _validate(truth, prediction)
    base = int(prediction.max()) + 1
    blocks = [sum_by_key(keys, lengths) for keys, lengths in _runs(truth.ravel(), prediction.ravel(), base)]
    keys, counts = sum_by_key(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
    true, predicted = np.divmod(keys, base)
    return true, predicted, counts


def _validate(truth: Labels, prediction: Labels) -> None:
    if truth.shape != prediction.shape or truth.size == 0:
        found = f"truth {truth.shape} and prediction {prediction.shape}"
        msg = f"{found} must be label maps of one shape, not empty"
        raise ValueError(msg)
    for name, labels in (("truth", truth), ("prediction", prediction)):
        if not np.issubdtype(labels.dtype, np.integer):
            msg = f"{name} is {labels.dtype}, expected integer labels; label a mask's components first"
            raise ValueError(msg)
        if int(labels.min()) < 0 or int(labels.max()) > MAX_IDENTIFIER:
            found = f"{name} has labels {labels.min()} to {labels.max()}"
            msg = f"{found}, expected 0 to {MAX_IDENTIFIER}; renumber them"
            raise ValueError(msg)


def _runs(truth: Labels, prediction: Labels, base: int) -> Iterator[tuple[Counts, Counts]]:
    for start in range(0, truth.size, BLOCK_PIXELS):
        true, predicted = truth[start : start + BLOCK_PIXELS], prediction[start : start + BLOCK_PIXELS]
        change = (true[1:] != true[:-1]) | (predicted[1:] != predicted[:-1])
        starts = np.concatenate(([0], np.flatnonzero(change) + 1))
        lengths = np.diff(starts, append=true.size)
        yield true[starts].astype(np.int64) * base + predicted[starts].astype(np.int64), lengths


def sum_by_key(keys: Counts, counts: npt.NDArray) -> tuple[Counts, npt.NDArray]:
    """Add up the counts of equal keys.

    Args:
        keys: Integers, shape (K,).
        counts: Numbers to add, shape (K,).

    Returns:
        The distinct keys, ascending, and the sum of each.

    Example:
        >>> sum_by_key(np.array([5, 2, 5]), np.array([1, 1, 3]))
        (array([2, 5]), array([1, 4]))
    """
    if keys.size == 0:
        return keys, counts
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[starts], np.add.reduceat(counts[order], starts)


def _areas(labels: Counts, counts: Counts) -> tuple[Counts, Counts]:
    foreground = labels > 0
    return sum_by_key(labels[foreground], counts[foreground])
