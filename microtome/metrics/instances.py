# SPDX-License-Identifier: MIT
"""Scores of instance label maps: AJI, AJI+, panoptic quality and object F1, from sparse overlaps.

Three different things are called AJI in published code, so each has its own name here:

* `aji`: the Aggregated Jaccard Index as in Kumar et al. 2017 (doi:10.1109/TMI.2017.2677499) and their MATLAB
  program. Each true object takes the predicted object of largest IoU (the first of equals, in order of
  identifier); a predicted object may be taken more than once. AJI = sum of intersections / (sum of unions +
  areas of true objects without overlap + areas of predicted objects never taken).
* `aji_plus`: the same with a one-to-one assignment that maximises the sum of IoUs (Graham et al. 2019,
  HoVer-Net, doi:10.1016/j.media.2019.101563).
* the matched intersection over foreground union of Cellpose is neither and is left out.

Background is 0; identifiers may have gaps and any order. Empty images: if truth and prediction are both
without objects, every score is NaN (nothing to measure, so it does not move a mean); if one of them is, the
score is 0.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from microtome.metrics.contingency import Contingency, contingency

MATCH_IOU = 0.5
"""Objects match above it; from 0.5 on, none can match twice."""

Labels = npt.NDArray[np.integer]
Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PanopticQuality:
    """Panoptic quality of one image and its counts, which can be added over images.

    Attributes:
        pq: Panoptic quality, sum of matched IoUs / (tp + fp / 2 + fn / 2); equals sq * dq.
        sq: Segmentation quality, mean IoU of the matched objects; NaN without a match.
        dq: Detection quality, the F1 score of detection, tp / (tp + fp / 2 + fn / 2).
        true_positives: Matched pairs.
        false_positives: Predicted objects without a match.
        false_negatives: True objects without a match.
    """

    pq: float
    sq: float
    dq: float
    true_positives: int
    false_positives: int
    false_negatives: int


@dataclass(frozen=True)
class InstanceScores:
    """Every score of one image, from one pass over its pixels; rules for empty images as in the module.

    Attributes:
        aji: Aggregated Jaccard Index (Kumar).
        aji_plus: The same with objects paired one to one so that the sum of IoUs is largest.
        panoptic: Panoptic quality and its counts.
        precision: Matched / predicted objects; 0 if only the truth has objects.
        recall: Matched / true objects; 0 if only the prediction has objects.
        dice: Of the pixels in any object.
        truth_objects: True objects.
        predicted_objects: Predicted objects.
    """

    aji: float
    aji_plus: float
    panoptic: PanopticQuality
    precision: float
    recall: float
    dice: float
    truth_objects: int
    predicted_objects: int


def score(truth: Labels, prediction: Labels) -> InstanceScores:
    """All scores of an image from one contingency table.

    Args:
        truth: True objects, integer labels, 0 = background, shape (H, W).
        prediction: Predicted objects, same shape.

    Returns:
        AJI, AJI+, panoptic quality, precision and recall of objects, Dice of the foreground, and counts.

    Raises:
        ValueError: If the maps are not integer label maps of one shape.

    Example:
        >>> found = score(np.array([[1, 1, 2, 0]]), np.array([[1, 1, 0, 3]]))
        >>> found.aji, found.panoptic.pq, found.precision, round(found.dice, 3)
        (0.5, 0.5, 0.5, 0.667)
    """
    table = contingency(truth, prediction)
    panoptic = _panoptic(table)
    foreground = int(table.truth_areas.sum() + table.prediction_areas.sum())
    nothing = 0.0 if foreground else float("nan")
    matched, true, predicted = panoptic.true_positives, table.truth_ids.size, table.prediction_ids.size
    return InstanceScores(
        aji=_aggregate(table, _best(table)),
        aji_plus=_aggregate(table, _assign(table)),
        panoptic=panoptic,
        precision=matched / predicted if predicted else nothing,
        recall=matched / true if true else nothing,
        dice=2 * int(table.overlaps.sum()) / foreground if foreground else float("nan"),
        truth_objects=true,
        predicted_objects=predicted,
    )


def aji(truth: Labels, prediction: Labels) -> float:
    """Aggregated Jaccard Index (Kumar): every true object takes its best prediction, which may be used again.

    Args:
        truth: True objects, integer labels, 0 = background, shape (H, W).
        prediction: Predicted objects, same shape.

    Returns:
        AJI, 0 to 1; NaN if neither map has an object.

    Raises:
        ValueError: If the maps are not integer label maps of one shape.

    Example:
        >>> truth = np.array([[1, 1, 2, 2]])
        >>> aji(truth, np.array([[5, 5, 5, 5]]))  # one prediction, taken twice: 4 / 8
        0.5
    """
    table = contingency(truth, prediction)
    return _aggregate(table, _best(table))


def _panoptic(table: Contingency) -> PanopticQuality:
    matched = table.ious[table.ious > MATCH_IOU]
    objects = table.truth_ids.size + table.prediction_ids.size
    return PanopticQuality(
        pq=2 * float(matched.sum()) / objects if objects else float("nan"),
        sq=float(matched.mean()) if matched.size else float("nan"),
        dq=2 * matched.size / objects if objects else float("nan"),
        true_positives=matched.size,
        false_positives=table.prediction_ids.size - matched.size,
        false_negatives=table.truth_ids.size - matched.size,
    )


def _best(table: Contingency) -> Pairs:
    """For each true object with an overlap, its pair of largest IoU, the first of equals."""
    order = np.lexsort((table.columns, -table.ious, table.rows))
    _, first = np.unique(table.rows[order], return_index=True)
    return order[first]


def _aggregate(table: Contingency, chosen: Pairs) -> float:
    taken_truth = np.isin(np.arange(table.truth_ids.size), table.rows[chosen])
    taken_prediction = np.isin(np.arange(table.prediction_ids.size), table.columns[chosen])
    union = (
        table.unions[chosen].sum()
        + table.truth_areas[~taken_truth].sum()
        + table.prediction_areas[~taken_prediction].sum()
    )
    return float(table.overlaps[chosen].sum() / union) if union else float("nan")


def _assign(table: Contingency) -> Pairs:
    """One-to-one pairs with the largest sum of IoUs, solved per connected group of overlapping objects."""
    groups = _groups(table)
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    members = np.split(order, starts[1:])
    chosen = [each if each.size == 1 else _assign_group(table, each) for each in members]
    return np.concatenate(chosen) if table.overlaps.size else np.empty(0, np.int64)


def _groups(table: Contingency) -> Pairs:
    truths, size = table.truth_ids.size, table.truth_ids.size + table.prediction_ids.size
    links = coo_array((np.ones(table.rows.size), (table.rows, table.columns + truths)), shape=(size, size))
    _, group = connected_components(links, directed=False)
    return group[table.rows].astype(np.int64)


def _assign_group(table: Contingency, pairs: Pairs) -> Pairs:
    rows, row = np.unique(table.rows[pairs], return_inverse=True)
    columns, column = np.unique(table.columns[pairs], return_inverse=True)
    values = np.zeros((rows.size, columns.size))
    index = np.full(values.shape, -1)
    values[row, column], index[row, column] = table.ious[pairs], pairs
    found = index[linear_sum_assignment(values, maximize=True)]
    return found[found >= 0]
