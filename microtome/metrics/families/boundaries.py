# SPDX-License-Identifier: MIT
"""V_Rand and V_Info after thinning (Arganda-Carreras et al. 2015, doi:10.3389/fnana.2015.00142).

As in the challenge, one threshold serves a whole part: the one with the best mean over its images. It is the
maximum over thresholds of the maps that are scored, which nobody has who does not know the truth.
`v_rand_segmentation` and `v_info_segmentation` are of the segmentation as it is, whose threshold, or whatever
else tells cells from borders, was chosen before. `v_rand@t` and `v_info@t` keep the sweep of every image.
Pixels that are not labelled belong to no cell, so the scores pass them over; the pixel errors leave them out.
"""

import math
from collections.abc import Mapping

import numpy as np

from microtome.metrics.boundaries import best_pixel_error, boundary_scores, pixel_error
from microtome.metrics.families._context import Context, Measure

SCORES = ("v_rand", "v_info")
OF_IMAGE = (
    "v_rand",
    "v_rand_threshold",
    "v_rand_tenths",
    "v_rand_tenths_threshold",
    "v_rand@{threshold}",
    "v_rand_segmentation",
    "v_info",
    "v_info_threshold",
    "v_info_tenths",
    "v_info_tenths_threshold",
    "v_info@{threshold}",
    "v_info_segmentation",
    "pixel_error",
    "pixel_error_best",
    "pixel_error_logit",
    "border_dice_logit",
)
LOWER_IS_BETTER = ("pixel_error", "pixel_error_best", "pixel_error_logit")
LOGIT = 0.5
"""Threshold on the logit that published code takes where it means the probability; p > 0.622."""
FOUND = 0.5
"""Threshold on a segmentation as a map of 0 and 1."""
CLASSES = 2
"""Borders and cells; of more classes none is the border."""
TOLERANCE = 1e-6


def measure(context: Context) -> list[Measure]:
    """The sweep over thresholds of one image, and its pixel errors."""
    cells, probability = context.truth == 1, context.positive
    scores = boundary_scores(cells, probability, context.thresholds)
    sweep = [
        Measure("all", f"{name}@{threshold:g}", float(value))
        for name in SCORES
        for threshold, value in zip(scores.thresholds, getattr(scores, name), strict=True)
    ]
    found = (context.segmentation == 1).astype(np.float32)
    segmented = boundary_scores(cells, found, (FOUND,))
    known = cells[context.valid][None], probability[context.valid][None]
    best, _ = best_pixel_error(*known, context.thresholds)
    return [
        *sweep,
        *(Measure("all", f"{name}_segmentation", float(getattr(segmented, name)[0])) for name in SCORES),
        Measure("all", "pixel_error", float(pixel_error(*known))),
        Measure("all", "pixel_error_best", float(best)),
        *_at_logit(known[0], known[1]),
    ]


def _at_logit(cells: np.ndarray, probability: np.ndarray) -> list[Measure]:
    """What a threshold on the logit gives: the share of wrong pixels, and Dice of the border."""
    found = probability > 1 / (1 + np.exp(-LOGIT))
    border, both = ~cells, (~cells & ~found).sum()
    total = border.sum() + (~found).sum()
    dice = 2 * both / total if total else float("nan")
    return [
        Measure("all", "pixel_error_logit", float((found != cells).mean())),
        Measure("all", "border_dice_logit", float(dice)),
    ]


def finish(measures: Mapping[str, list[Measure]]) -> dict[str, list[Measure]]:
    """The scores of each image at the threshold that is best for all of them.

    `v_rand` takes the whole sweep of the study; `v_rand_tenths` only its multiples of 0.1, the sweep of the
    challenge's script.

    Args:
        measures: What `measure` said of each image of a part, by sample.

    Returns:
        By sample, the scores and their thresholds; the lowest threshold if several are best.
    """
    found: dict[str, list[Measure]] = {sample: [] for sample in measures}
    for name in SCORES:
        sweeps = {sample: _sweep(name, values) for sample, values in measures.items()}
        thresholds = list(next(iter(sweeps.values())))
        tenths = [t for t in thresholds if abs(float(t) * 10 - round(float(t) * 10)) < TOLERANCE]
        for label, allowed in ((name, thresholds), (f"{name}_tenths", tenths)):
            best = _best(sweeps, allowed)
            for sample, sweep in sweeps.items() if best else ():
                found[sample] += [
                    Measure("all", label, sweep[best]),
                    Measure("all", f"{label}_threshold", float(best)),
                ]
    return found


def _sweep(name: str, measures: list[Measure]) -> dict[str, float]:
    """Score by threshold of one image."""
    return {m.metric.split("@")[1]: m.value for m in measures if m.metric.startswith(f"{name}@")}


def _best(sweeps: Mapping[str, dict[str, float]], thresholds: list[str]) -> str:
    """The first threshold with the best mean over the images that have scores; empty if there is none."""
    defined = [sweep for sweep in sweeps.values() if not any(map(math.isnan, sweep.values()))]
    means = [np.mean([sweep[threshold] for sweep in defined]) for threshold in thresholds if defined]
    return thresholds[int(np.argmax(means))] if means else next(iter(thresholds), "")
