# SPDX-License-Identifier: MIT
"""From network output to probability: monotone cubic calibration, median filter.

Ciresan et al. 2012 (Deep neural networks segment neuronal membranes, NIPS) train on equally many windows of
each class, so the network overrates the rare one. They read, on slices it has not seen, how often a pixel of
a given output is truly positive, fit a monotone cubic to that curve by least squares, apply the same
polynomial to every network, smooth with a median filter and average the networks (see `ensemble`). The
filter, and its radius of 2 px, are recalled from that work, not checked; the thesis does not mention them.

The fit is exact: every cubic that rises on [0, 1] has a slope that is a sum of (x - u)^2, 0 <= u <= 1, and
x (1 - x) with weights >= 0 (Markov-Lukacs), and any such sum rises. Non-negative least squares finds the
weights; the u are added one at a time where the error falls fastest (a parabola in u, so the best one is
known in closed form) until none helps.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Polynomial
from scipy.ndimage import median_filter as _median_filter
from scipy.optimize import nnls

BINS = 256
DEGREE = 3
MEDIAN_RADIUS = 2
MAX_ATOMS = 50
TOLERANCE = 1e-12
MIN_SLOPE = -1e-9

Probability = npt.NDArray[np.floating]
Float32 = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Histogram:
    """Pixels per bin of the predicted value; histograms of several slices add up with ``+``.

    Attributes:
        pixels: Labelled pixels in each bin of equal width over [0, 1], int64, shape (bins,).
        positives: Those that are truly positive, int64, shape (bins,).
        sums: Sum of their predicted values, float64, shape (bins,).
    """

    pixels: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int64]
    sums: Values

    def __add__(self, other: "Histogram") -> "Histogram":
        if self.pixels.shape != other.pixels.shape:
            msg = f"histograms have {self.pixels.size} and {other.pixels.size} bins; use the same number"
            raise ValueError(msg)
        return Histogram(self.pixels + other.pixels, self.positives + other.positives, self.sums + other.sums)


@dataclass(frozen=True)
class Calibration:
    """A polynomial that maps a predicted value to a probability, not falling on [0, 1].

    Attributes:
        coefficients: Coefficients of 1, x, x^2, ...
        pixels: Pixels it was fitted to.
        residual: Root mean square distance from the observed frequencies, weighted by pixels.
    """

    coefficients: tuple[float, ...]
    pixels: int
    residual: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.coefficients).all() or not 1 < len(self.coefficients) <= DEGREE + 1:
            msg = f"coefficients {self.coefficients}: expected 2 to {DEGREE + 1} finite numbers"
            raise ValueError(msg)
        if self.lowest_slope < MIN_SLOPE:
            found = f"the polynomial {self.coefficients} falls in [0, 1] (slope {self.lowest_slope:.3g})"
            msg = f"{found}; fit it again"
            raise ValueError(msg)

    @property
    def lowest_slope(self) -> float:
        """Exact minimum of the slope on [0, 1] (of a parabola: at an end or at its vertex)."""
        slope = Polynomial(self.coefficients).deriv()
        inside = [x.real for x in slope.deriv().roots() if abs(x.imag) < TOLERANCE and 0 < x.real < 1]
        return float(min(slope(x) for x in (0.0, 1.0, *inside)))

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as plain numbers and lists, ready for JSON."""
        return asdict(self) | {"coefficients": list(self.coefficients)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a calibration from what `to_dict` gave.

        Args:
            values: Mapping with ``coefficients``, ``pixels`` and ``residual``.

        Returns:
            The same calibration.

        Raises:
            ValueError: If it is no mapping, a key is missing or unknown, a value is no number, or the
                polynomial is not monotone.
        """
        if not isinstance(values, Mapping) or set(values) != set(cls.__dataclass_fields__):
            found = sorted(values) if isinstance(values, Mapping) else type(values).__name__
            msg = f"a calibration has {sorted(cls.__dataclass_fields__)}, found {found}; fit it again"
            raise ValueError(msg)
        try:
            coefficients = tuple(float(value) for value in values["coefficients"])
            return cls(coefficients, int(values["pixels"]), float(values["residual"]))
        except (TypeError, OverflowError) as error:
            msg = f"a calibration holds numbers, found others ({error}); fit it again"
            raise ValueError(msg) from error


def histogram(
    probability: Probability,
    truth: npt.NDArray[np.bool_],
    bins: int = BINS,
    *,
    valid: npt.NDArray[np.bool_] | None = None,
) -> Histogram:
    """Count, per bin of the predicted value, pixels and truly positive pixels of one slice.

    Args:
        probability: Predicted value of the positive class, 0 to 1, any shape.
        truth: True where the pixel is positive, bool, same shape.
        bins: Number of bins of equal width.
        valid: Labelled pixels, bool, same shape; None = all.

    Returns:
        The histogram; add those of several slices.

    Raises:
        ValueError: If shapes, types or values do not fit.

    Example:
        >>> histogram(np.array([0.1, 0.9, 0.8]), np.array([False, True, False]), bins=2).positives
        array([0, 1])
    """
    _validate(probability)
    if bins < 1 or truth.dtype != bool or truth.shape != probability.shape:
        found = f"truth {truth.shape} {truth.dtype} with {bins} bins"
        msg = f"{found}; expected bool {probability.shape}, bins >= 1"
        raise ValueError(msg)
    used = np.ones(truth.shape, bool) if valid is None else valid
    values, positive = probability[used].astype(np.float64), truth[used]
    index = np.minimum((values * bins).astype(np.int64), bins - 1)
    return Histogram(
        pixels=np.bincount(index, minlength=bins),
        positives=np.bincount(index[positive], minlength=bins),
        sums=np.bincount(index, weights=values, minlength=bins),
    )


def fit(probability: Probability, truth: npt.NDArray[np.bool_], *, bins: int = BINS) -> Calibration:
    """Fit the calibration to one map (or several stacked ones).

    Args:
        probability: Predicted value of the positive class, 0 to 1, any shape.
        truth: True where the pixel is positive, bool, same shape.
        bins: Bins of the histogram.

    Returns:
        The calibration.

    Raises:
        ValueError: As `histogram` and `fit_histogram`.

    Example:
        >>> predicted = np.linspace(0, 1, 1001)
        >>> truth = np.arange(1001) % 4 == 0  # one in four, whatever is predicted
        >>> calibration = fit(predicted, truth)
        >>> np.round(apply(calibration, np.array([0.1, 0.9])), 2)
        array([0.25, 0.25], dtype=float32)
    """
    return fit_histogram(histogram(probability, truth, bins))


def fit_histogram(counts: Histogram) -> Calibration:
    """Fit the calibration to a histogram: least squares over the bins, weighted by their pixels.

    Args:
        counts: Histogram, e.g. the sum over held-out slices.

    Returns:
        The cubic closest to the observed frequencies among those that never fall on [0, 1].

    Raises:
        ValueError: If fewer than 4 bins are occupied, or one class is missing.
    """
    occupied = counts.pixels > 0
    if occupied.sum() <= DEGREE:
        msg = f"degree {DEGREE} with {occupied.sum()} occupied bins; needs more bins than the degree"
        raise ValueError(msg)
    if counts.positives.sum() in (0, counts.pixels.sum()):
        found = f"{counts.positives.sum()} of {counts.pixels.sum()} pixels are positive"
        msg = f"{found}; calibration needs both classes"
        raise ValueError(msg)
    pixels = counts.pixels[occupied]
    frequency = counts.positives[occupied] / pixels
    fitted = _monotone_fit(counts.sums[occupied] / pixels, frequency, pixels / pixels.sum())
    misfit = fitted(counts.sums[occupied] / pixels) - frequency
    residual = float(np.sqrt(np.average(np.square(misfit), weights=pixels)))
    coefficients = np.pad(fitted.coef, (0, DEGREE + 1 - fitted.coef.size))
    return Calibration(tuple(coefficients.tolist()), int(pixels.sum()), residual)


def apply(calibration: Calibration, probability: Probability) -> Float32:
    """Calibrate a map: evaluate the polynomial and clip to 0 to 1.

    Args:
        calibration: Fitted on slices that the network has not been trained on.
        probability: Predicted value of the positive class, 0 to 1, any shape.

    Returns:
        Calibrated probability, float32, same shape.

    Raises:
        ValueError: If values leave 0 to 1.

    Example:
        >>> apply(Calibration((0.0, 0.0, 0.0, 1.0), pixels=1, residual=0.0), np.array([0.5]))
        array([0.125], dtype=float32)
    """
    _validate(probability)
    polynomial = Polynomial(calibration.coefficients)
    return np.clip(polynomial(probability.astype(np.float64)), 0, 1).astype(np.float32)


def median_filter(probability: Probability, radius: int = MEDIAN_RADIUS) -> Float32:
    """Median over a disk, per channel; borders are mirrored.

    Args:
        probability: Probability map, shape (H, W) or (C, H, W).
        radius: Radius of the disk in px (2: the 13 pixels with dx^2 + dy^2 <= 4).

    Returns:
        Filtered map, float32, same shape.

    Raises:
        ValueError: If the map is not (H, W) or (C, H, W), or the radius is negative.

    Example:
        >>> spike = np.zeros((5, 5), np.float32)
        >>> spike[2, 2] = 1
        >>> median_filter(spike).max().item()
        0.0
    """
    if probability.ndim not in (2, 3) or radius < 0:
        msg = f"map {probability.shape} with radius {radius}; expected (H, W) or (C, H, W) and a radius >= 0"
        raise ValueError(msg)
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = y**2 + x**2 <= radius**2
    return _median_filter(probability.astype(np.float32), footprint=disk, axes=(-2, -1))


def _validate(probability: Probability) -> None:
    if probability.size == 0 or not (probability.min() >= 0 and probability.max() <= 1):
        found = f"{probability.min()} to {probability.max()}" if probability.size else "nothing"
        msg = f"probability: found {found}, expected values in 0 to 1; apply the softmax or sigmoid first"
        raise ValueError(msg)


def _monotone_fit(x: Values, y: Values, weights: Values) -> Polynomial:
    """Weighted least squares over an intercept and non-negative multiples of the integrals of `slopes`."""
    low, high = Polynomial([0.0, 1.0]), Polynomial([1.0, -1.0])
    slopes = always = [low**2, high**2, low * high]
    for _ in range(MAX_ATOMS):
        shares = _weigh([slope.integ() for slope in slopes], x, y, weights)
        fitted = sum((s * slope.integ() for s, slope in zip(shares, slopes, strict=True)), Polynomial([0.0]))
        fitted += np.average(y - fitted(x), weights=weights)
        u = _steepest(x, weights * (fitted(x) - y))
        if u is None:
            break
        slopes = [slope for s, slope in zip(shares, slopes, strict=True) if s > 0]
        slopes += [Polynomial([u * u, -2 * u, 1.0]), *(each for each in always if each not in slopes)]
    return fitted


def _weigh(parts: list[Polynomial], x: Values, y: Values, weights: Values) -> Values:
    root = np.sqrt(weights)[:, None]
    columns = np.stack([part(x) for part in parts], axis=1)
    centred = columns - np.average(columns, axis=0, weights=weights)
    shares, _ = nnls(root * centred, root[:, 0] * (y - np.average(y, weights=weights)))
    return shares


def _steepest(x: Values, gradient: Values) -> float | None:
    """The u whose slope (x - u)^2 lowers the error fastest, or None if none lowers it.

    The integral of (s - u)^2 from 0 to x is x^3 / 3 - u x^2 + u^2 x, so the derivative of the error is a
    parabola in u.
    """
    constant, linear, square = (float(gradient @ x**power) for power in (3, 2, 1))
    rate = Polynomial([constant / 3, -linear, square])
    if square <= 0:
        return None
    u = linear / (2 * square)
    return u if 0 < u < 1 and rate(u) < -TOLERANCE else None
