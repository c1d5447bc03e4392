# SPDX-License-Identifier: MIT
"""Temperature scaling: logits divided by one number, so that probabilities are as sure as they are right.

The number is the one with the least negative log likelihood on images that the network has not learnt
from (Guo et al., ICML 2017, arXiv:1706.04599). It changes no order of the classes of a pixel. Logits are
taken back from probabilities, so maps that are averages of views or windows are scaled as they are.

In the inverse of the temperature the likelihood is convex: its slope, a sum over pixels of the mean logit
less that of the true class, rises. So the least is where the slope is 0, and is found by bracketing (Brent),
a pass over the images for each slope that is asked for; memory is that of one part of an image.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, log_softmax, logit, softmax

FLOOR = 1e-7
"""A smaller probability counts as this one, as its logarithm would have no end."""
ROUNDING = 1e-5
"""How far a sum of float32 probabilities may be above 1."""
LOWEST, HIGHEST = 0.05, 20.0
"""Temperatures that are looked for."""
TOLERANCE = 1e-6
"""Of the logarithm of the temperature."""

Probability = npt.NDArray[np.floating]
Part = tuple[Probability, npt.NDArray[np.integer]]
"""Probabilities (K, N) of labelled pixels, and the true class (N,) of each."""
Read = Callable[[], Iterable[Part]]
"""Gives all parts of all images, anew with each call."""


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by.

    Attributes:
        temperature: Above 1 probabilities become less sure.
        pixels: Pixels it was fitted to.
        nll_before: Mean negative log likelihood of these without it, nat.
        nll_after: The same with it.
        floor: Least probability that logits are taken of.
    """

    temperature: float
    pixels: int
    nll_before: float
    nll_after: float
    floor: float = FLOOR

    def __post_init__(self) -> None:
        if not (LOWEST <= self.temperature <= HIGHEST and 0 < self.floor < 0.5):
            found = f"temperature {self.temperature} with a floor of {self.floor}"
            msg = f"{found}: expected {LOWEST} to {HIGHEST}, 0 to 0.5; fit it again"
            raise ValueError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain numbers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make one from what `to_dict` gave.

        Raises:
            ValueError: If a key is missing or unknown, or a value is no number.
        """
        if not isinstance(values, Mapping) or set(values) != set(cls.__dataclass_fields__):
            found = sorted(values) if isinstance(values, Mapping) else type(values).__name__
            msg = f"a temperature has {sorted(cls.__dataclass_fields__)}, found {found}; fit it again"
            raise ValueError(msg)
        try:
            numbers = {key: float(value) for key, value in values.items()}
        except (TypeError, ValueError) as error:
            msg = f"a temperature holds numbers, found others ({error}); fit it again"
            raise ValueError(msg) from error
        return cls(**{**numbers, "pixels": int(numbers["pixels"])})


def fit(read: Read, *, floor: float = FLOOR) -> Temperature:
    """Find the temperature with the least negative log likelihood.

    Args:
        read: Gives probabilities and true classes of labelled pixels; called some ten times.
        floor: Least probability; of maps that are kept in steps, half a step.

    Returns:
        The temperature; an end of `LOWEST` to `HIGHEST` where the least lies beyond.

    Raises:
        ValueError: There is no labelled pixel, or all are of one class.

    Example:
        >>> sure, ids = np.array([[0.9, 0.9, 0.9, 0.1], [0.1, 0.1, 0.1, 0.9]]), np.array([0, 0, 1, 1])
        >>> round(fit(lambda: [(sure, ids)]).temperature, 3)  # right three times of four: 0.75 is due
        2.0
    """
    pixels, classes = 0, set()
    for _, truth in read():
        pixels, classes = pixels + truth.size, classes | set(np.unique(truth).tolist())
    if len(classes) < 2:
        msg = f"{pixels} labelled pixels of {len(classes)} classes; a temperature needs two classes or more"
        raise ValueError(msg)

    def slope(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        return sum(_slope(np.log(values.clip(floor, 1)), truth, inverse) for values, truth in read())

    low, high = np.log(LOWEST), np.log(HIGHEST)
    if slope(low) < 0:
        found = low
    elif slope(high) > 0:
        found = high
    else:
        found = brentq(slope, low, high, xtol=TOLERANCE)
    temperature = float(np.clip(np.exp(found), LOWEST, HIGHEST))
    before, after = (_likelihood(read, floor, each) / pixels for each in (1.0, temperature))
    return Temperature(temperature, pixels, before, after, floor)


def apply(found: Temperature, probability: Probability, *, activation: str) -> npt.NDArray[np.float32]:
    """Scale the maps of an image.

    Args:
        found: The temperature.
        probability: (K, H, W), 0 to 1: of classes, or of outputs, of which the first is scaled alone.
        activation: `softmax` if the maps are of classes, which sum to 1; else `sigmoid`.

    Returns:
        The maps, float32, (K, H, W).

    Raises:
        ValueError: Values leave 0 to 1.

    Example:
        >>> two = Temperature(2.0, 1, 1.0, 1.0)
        >>> apply(two, np.array([[[0.9]], [[0.9]]]), activation="sigmoid").round(2).ravel().tolist()
        [0.75, 0.8999999761581421]
    """
    if probability.size and not (probability.min() >= 0 and probability.max() <= 1 + ROUNDING):
        msg = f"probabilities of {probability.min()} to {probability.max()}, expected 0 to 1"
        raise ValueError(msg)
    clipped = probability.astype(np.float64).clip(found.floor, 1 - found.floor)
    if activation == "softmax":
        return softmax(np.log(clipped) / found.temperature, axis=0).astype(np.float32)
    scaled = expit(logit(clipped[:1]) / found.temperature)
    return np.concatenate([scaled, probability[1:]]).astype(np.float32)


def _slope(logits: Probability, truth: npt.NDArray[np.integer], inverse: float) -> float:
    """Slope of the negative log likelihood of pixels in the inverse of the temperature."""
    mean = (softmax(inverse * logits, axis=0) * logits).sum(0)
    return float((mean - _of_truth(logits, truth)).sum())


def _likelihood(read: Read, floor: float, temperature: float) -> float:
    """Negative log likelihood of all pixels at a temperature."""
    parts = ((np.log(values.clip(floor, 1)) / temperature, truth) for values, truth in read())
    return -sum(float(_of_truth(log_softmax(logits, axis=0), truth).sum()) for logits, truth in parts)


def _of_truth(values: Probability, truth: npt.NDArray[np.integer]) -> Probability:
    """Of each pixel the value of its true class."""
    return np.take_along_axis(values, truth[None].astype(np.int64), 0)[0]
