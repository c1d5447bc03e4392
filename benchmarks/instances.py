# SPDX-License-Identifier: MIT
"""AJI and panoptic quality against one full-image mask per object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE, COUNT, QUICK_SIDE, QUICK_COUNT = 1000, 700, 200, 30
LARGE_SIDE, LARGE_COUNT = 5000, 15000
MOST_MB = 2000.0


def maps(side: int, count: int) -> tuple[NDArray, NDArray]:
    from benchmarks import nuclei

    truth = nuclei.labels(side, count)
    return truth, nuclei.predicted(truth)


def masks_of(labels: NDArray) -> list[NDArray[np.uint8]]:
    """A full-image mask per object, in order of their numbers."""
    import numpy as np

    return [(labels == number).astype(np.uint8) for number in np.unique(labels)[1:]]


def by_masks(truth: NDArray, prediction: NDArray) -> float:
    """AJI the way HoVer-Net's `get_fast_aji` computes it, written anew; numbers must have no gaps."""
    import numpy as np

    true_masks, predicted_masks = masks_of(truth), masks_of(prediction)
    shared = np.zeros((len(true_masks), len(predicted_masks)))
    joint = np.zeros_like(shared)
    for row, mask in enumerate(true_masks):
        for number in np.unique(prediction[mask > 0]):
            if number:
                other = predicted_masks[number - 1]
                shared[row, number - 1] = (mask * other).sum()
                joint[row, number - 1] = (mask + other).sum() - shared[row, number - 1]
    ious = shared / (joint + 1e-6)
    best = ious.argmax(1)
    rows = np.flatnonzero(ious.max(1) > 0)
    union = joint[rows, best[rows]].sum()
    union += sum(int(true_masks[row].sum()) for row in set(range(len(true_masks))) - set(rows.tolist()))
    unused = set(range(len(predicted_masks))) - set(best[rows].tolist())
    union += sum(int(predicted_masks[column].sum()) for column in unused)
    return float(shared[rows, best[rows]].sum() / union)


def size(quick: bool) -> tuple[int, int]:
    return (QUICK_SIDE, QUICK_COUNT) if quick else (SIDE, COUNT)


def hover_net(quick: bool) -> Prepared:
    truth, prediction = maps(*size(quick))
    return Prepared(lambda: by_masks(truth, prediction))


def microtome(quick: bool) -> Prepared:
    from microtome.metrics.instances import aji

    truth, prediction = maps(*size(quick))
    return Prepared(
        lambda: aji(truth, prediction), lambda found: abs(found - by_masks(truth, prediction)), warm=True
    )


def all_scores(quick: bool) -> Prepared:
    from microtome.metrics.instances import score

    truth, prediction = maps(*size(quick))
    return Prepared(lambda: score(truth, prediction), warm=True)


def large(quick: bool) -> Prepared:
    from microtome.metrics.instances import score

    truth, prediction = maps(*(size(quick) if quick else (LARGE_SIDE, LARGE_COUNT)))

    def run() -> Any:
        return score(truth, prediction)

    return Prepared(run)


CASE = Case(
    name="instances",
    title="AJI of 700 nuclei in 1000²; all scores of 15,000 in 5000²",
    variants={"hover_net": hover_net, "microtome": microtome, "all_scores": all_scores, "large": large},
    comparisons=[
        Comparison("AJI", "microtome", "hover_net", 200.0),
        Comparison("AJI: equal within 1e-9", "microtome", 1e-9, 1.0, "error"),
        Comparison("AJI, CPU time", "microtome", "hover_net", 200.0, "cpu_seconds"),
        Comparison("AJI, AJI+ and PQ together", "all_scores", "hover_net", None),
        Comparison("5000², 15,000 nuclei: below 2 GB", "large", MOST_MB, 1.0, "peak_mb"),
    ],
    note="hover_net: its algorithm written anew; its masks would take 750 GB at 5000²; memory: beyond maps",
)
