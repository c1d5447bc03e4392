# SPDX-License-Identifier: MIT
"""Whether probabilities are what they say: sums over pixels that add up, and what follows from them.

A pixel is given a probability of each class, and one of them is the most probable. For each class, and for
the most probable one, pixels are counted in bins of the probability, with those of which the class is true.
The bins lie between `EDGES`: fifteen of equal width, each cut further where networks are sure, at equal steps
of the logit. So the errors over bins of equal width are exact, and those over bins of equally many pixels,
and the risk at a coverage, are as fine as the cuts, of one image or of many together.

Errors are by Guo et al. (ICML 2017, arXiv:1706.04599; after Naeini et al., AAAI 2015), for classes by Kull et
al. (NeurIPS 2019, arXiv:1910.12656), with equally many pixels by Nixon et al. (CVPR Workshops 2019,
arXiv:1904.01685). The Brier score is that of all classes (Brier 1950, Mon. Weather Rev. 78:1), 0 to 2. Risk
and coverage are by Geifman and El-Yaniv (NeurIPS 2017, arXiv:1705.08500), their area by Geifman et al. (ICLR
2019, arXiv:1805.08206).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from microtome.class_maps import IGNORE

BINS = 15
"""Bins of equal width, and bins of equally many pixels."""
LOGITS = np.arange(-16, 17) / 2
EDGES = np.unique([*np.linspace(0, 1, BINS + 1), *expit(LOGITS)])
"""Ends of the bins that are counted, 49 of them from 0 to 1; a bin holds its lower end."""
STARTS = np.searchsorted(EDGES, np.linspace(0, 1, BINS + 1)[:-1])
"""Where each bin of equal width begins among those that are counted."""
PIXELS, HITS, CONFIDENCE = range(3)
"""What is counted in a bin: pixels, those of which the class is true, the sum of their probabilities."""
FLOOR = 1e-7
"""A smaller probability of the true class counts as this one, or its logarithm would have no end."""
ROUNDING = 1e-5
"""How far a sum of float32 probabilities may leave 0 to 1."""
NUDGE = 5e-7
"""What is that little below the end of a bin lies on it: of bytes, every 17th does, if not for rounding."""
STEP = 2**20
"""Pixels that are looked at together."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """What adds up over pixels, and over images with ``+``.

    Attributes:
        bins: Of each class, and of the most probable one last, by bin and `PIXELS`, `HITS`, `CONFIDENCE`:
            float64, (K + 1, B, 3).
        squares: Squared distance of probability and truth, of each class and of all together: (K + 1,).
        surprise: Sum of -ln of the probability of the true class, nat.
    """

    bins: Values
    squares: Values
    surprise: float

    def __add__(self, other: "Sums") -> "Sums":
        bins, squares = self.bins + other.bins, self.squares + other.squares
        return Sums(bins, squares, self.surprise + other.surprise)

    @property
    def pixels(self) -> float:
        """Labelled pixels."""
        return float(self.bins[-1, :, PIXELS].sum())


def nothing(classes: int) -> Sums:
    """The sums of no pixel, of so many classes."""
    return Sums(np.zeros((classes + 1, EDGES.size - 1, 3)), np.zeros(classes + 1), 0.0)


def count(probability: npt.NDArray[np.floating], truth: npt.NDArray, *, floor: float = FLOOR) -> Sums:
    """Count the labelled pixels of an image, or of a part of one.

    Args:
        probability: Of each class, (K, H, W), 0 to 1; they sum to 1.
        truth: Class of each pixel, (H, W), 0 to K - 1 or `IGNORE`.
        floor: Least probability that the true class counts as; maps that are kept in steps say nothing below
            half a step.

    Returns:
        The sums; all 0 where no pixel is labelled.

    Raises:
        ValueError: Shapes or values do not fit.

    Example:
        >>> sums = count(np.array([[[0.9, 0.4]], [[0.1, 0.6]]]), np.array([[0, 0]]))
        >>> sums.pixels, sums.bins[:, :, HITS].sum(1).tolist(), sums.squares.round(2).tolist()
        (2.0, [2.0, 0.0, 1.0], [0.37, 0.37, 0.74])
    """
    _validate(probability, truth)
    classes, places = len(probability), np.flatnonzero(truth.ravel() != IGNORE)
    flat, ids = probability.reshape(classes, -1), truth.ravel()
    total = nothing(classes)
    for start in range(0, places.size, STEP):
        chosen = places[start : start + STEP]
        total = total + _counted(flat[:, chosen].astype(np.float64).clip(0, 1), ids[chosen], floor)
    return total


def equal_width(bins: Values) -> Values:
    """The sums (…, BINS, 3) in bins of equal width, of those (…, B, 3) that are counted."""
    return np.add.reduceat(bins, STARTS, axis=-2)


def expected_error(bins: Values) -> Values:
    """Expected calibration error (ECE): distance of frequency and mean probability, mean over the pixels.

    Args:
        bins: Sums (…, B, 3) as of `Sums.bins`, one or many.

    Returns:
        0 to 1, (…); NaN without a pixel.

    Example:
        >>> sums = count(np.array([[[0.7, 0.7]], [[0.3, 0.3]]]), np.array([[0, 0]]))
        >>> expected_error(sums.bins).round(2).tolist()
        [0.3, 0.3, 0.3]
    """
    merged = equal_width(bins)
    gaps = np.abs(merged[..., HITS] - merged[..., CONFIDENCE]).sum(-1)
    return _ratio(gaps, merged[..., PIXELS].sum(-1))


def largest_error(bins: Values) -> Values:
    """Maximum calibration error (MCE): the same in the bin of equal width where it is largest."""
    merged = equal_width(bins)
    gaps = _ratio(np.abs(merged[..., HITS] - merged[..., CONFIDENCE]), merged[..., PIXELS])
    worst = np.where(np.isnan(gaps), -1.0, gaps).max(-1)
    return np.where(worst < 0, np.nan, worst)


def adaptive_error(bins: Values) -> Values:
    """Adaptive calibration error (ACE): the same as the ECE over bins of equally many pixels.

    A bin of those that are counted goes as a whole to the one in which its middle pixel lies.
    """
    pixels = bins[..., PIXELS]
    total = pixels.sum(-1, keepdims=True)
    middle = pixels.cumsum(-1) - pixels / 2
    group = np.minimum((middle * BINS / np.where(total > 0, total, 1)).astype(np.int64), BINS - 1)
    signed = bins[..., HITS] - bins[..., CONFIDENCE]
    gaps = sum(np.abs(np.where(group == each, signed, 0).sum(-1)) for each in range(BINS))
    return _ratio(np.asarray(gaps), total[..., 0])


def risk_by_coverage(bins: Values) -> tuple[Values, Values]:
    """Share of wrong pixels among the surest ones, by their share of all.

    Args:
        bins: Sums (B, 3) of the most probable class.

    Returns:
        Coverage, rising to 1, and risk at it, (N,) each: a point after each bin with pixels, surest first.

    Example:
        >>> sums = count(np.array([[[0.9, 0.6]], [[0.1, 0.4]]]), np.array([[0, 1]]))
        >>> [values.tolist() for values in risk_by_coverage(sums.bins[-1])]
        [[0.5, 1.0], [0.0, 0.5]]
    """
    found = bins[bins[:, PIXELS] > 0][::-1]
    covered = found[:, PIXELS].cumsum()
    wrong = (found[:, PIXELS] - found[:, HITS]).cumsum()
    return covered / covered[-1:], wrong / covered


def area_under_risk(bins: Values) -> Values:
    """Area under the curve of risk against coverage (AURC): the mean risk over all coverages.

    Within a bin wrong pixels are taken to be spread evenly.

    Args:
        bins: Sums (…, B, 3) of the most probable class.

    Returns:
        0 to 1, (…); NaN without a pixel.
    """
    found = bins[..., ::-1, :]
    pixels, wrong = found[..., PIXELS], found[..., PIXELS] - found[..., HITS]
    before, wrong_before = pixels.cumsum(-1) - pixels, wrong.cumsum(-1) - wrong
    rate = np.nan_to_num(_ratio(wrong, pixels))
    growth = np.log1p(np.nan_to_num(_ratio(pixels, before)))
    area = rate * pixels + (wrong_before - rate * before) * growth
    return _ratio(area.sum(-1), pixels.sum(-1))


def _counted(shares: Values, ids: npt.NDArray, floor: float) -> Sums:
    """The sums of labelled pixels: probabilities (K, N) and classes (N,)."""
    best = shares.argmax(0)
    is_true = ids == np.arange(len(shares))[:, None]
    sure = np.take_along_axis(shares, best[None], 0)
    pairs = zip([*shares, sure[0]], [*is_true, best == ids], strict=True)
    bins = np.stack([_binned(values, hits) for values, hits in pairs])
    squares = np.square(shares - is_true).sum(1)
    of_truth = np.take_along_axis(shares, ids[None].astype(np.int64), 0)
    return Sums(bins, np.append(squares, squares.sum()), float(-np.log(of_truth.clip(floor)).sum()))


def _binned(values: Values, hits: npt.NDArray[np.bool_]) -> Values:
    """Pixels, hits and sum of probabilities (N,) by bin: (B, 3)."""
    size = EDGES.size - 1
    place = np.searchsorted(EDGES[1:-1], values + NUDGE, side="right")
    columns = (None, hits, values)
    return np.stack([np.bincount(place, weights=weights, minlength=size) for weights in columns], 1)


def _ratio(numerator: Values, denominator: Values) -> Values:
    """A ratio, NaN where its denominator is 0."""
    blank = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    return np.divide(numerator, denominator, out=blank, where=np.asarray(denominator) > 0)


def _validate(probability: npt.NDArray[np.floating], truth: npt.NDArray) -> None:
    if probability.ndim != 3 or probability.shape[1:] != truth.shape:
        msg = f"probabilities {probability.shape} and truth {truth.shape}: expected (K, H, W) and (H, W)"
        raise ValueError(msg)
    low, high = (probability.min(), probability.max()) if probability.size else (0, 1)
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        msg = f"probabilities of {low} to {high}; expected 0 to 1: apply the softmax or sigmoid first"
        raise ValueError(msg)
    known = truth[truth != IGNORE]
    if known.size and (known.min() < 0 or known.max() >= len(probability)):
        found = f"classes {int(known.min())} to {int(known.max())}"
        msg = f"the truth has {found}, the probabilities are of {len(probability)} classes"
        raise ValueError(msg)
