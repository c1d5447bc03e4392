# SPDX-License-Identifier: MIT
"""Where several trainings of a network doubt: predictive entropy and mutual information of their maps.

The entropy of the mean prediction is high where a pixel's class is unsure for whatever reason. The mutual
information between class and member is that entropy less the mean entropy of the members (Houlsby et al.,
BALD, arXiv:1112.5745): it is high only where the members are each sure and contradict each other, as they do
on images unlike those they were trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

Activation = Literal["sigmoid", "softmax"]
ACTIVATIONS = ("sigmoid", "softmax")
SUM_TOLERANCE = 1e-3
"""How far the probabilities of a pixel's classes may be from 1 together; maps are stored in float32."""


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """What members say together, and how far they doubt.

    Attributes:
        mean: (K, H, W) float32 mean probability.
        entropy: (T, H, W) float32 entropy of the mean, nat: T = 1 for softmax maps, from 0 to ln K; T = K for
            sigmoid maps, each an output of its own, from 0 to ln 2.
        mutual_information: (T, H, W) float32, nat, from 0 to the entropy.
    """

    mean: NDArray[np.float32]
    entropy: NDArray[np.float32]
    mutual_information: NDArray[np.float32]


def mean_probability(maps: Sequence[NDArray]) -> NDArray[np.float32]:
    """Mean of the members' probabilities.

    Args:
        maps: (K, H, W) of each member, all of one shape.

    Returns:
        (K, H, W) float32.

    Raises:
        ValueError: There is no map, shapes differ, or a value is no probability.

    Example:
        >>> mean_probability([np.array([[[0.0]]]), np.array([[[1.0]]])]).item()
        0.5
    """
    _check(maps)
    return _mean(maps).astype(np.float32)


def entropy(probability: NDArray, *, activation: Activation) -> NDArray[np.float64]:
    """Entropy of each pixel's distribution.

    Args:
        probability: (K, H, W); with `softmax` the K classes of a pixel sum to 1, with `sigmoid` each map is
            the probability of an output of its own against its absence.
        activation: `sigmoid` or `softmax`.

    Returns:
        (1, H, W) for softmax, (K, H, W) for sigmoid; nat.

    Raises:
        ValueError: Unknown activation, or probabilities of classes that do not sum to 1.

    Example:
        >>> round(entropy(np.full((2, 1, 1), 0.5), activation="softmax").item(), 4)
        0.6931
    """
    if activation not in ACTIVATIONS:
        msg = f"activation={activation!r}: expected one of {', '.join(ACTIVATIONS)}"
        raise ValueError(msg)
    values = np.asarray(probability, np.float64)
    if activation == "sigmoid":
        return entr(values) + entr(1 - values)
    if values.size and np.abs(values.sum(0) - 1).max() > SUM_TOLERANCE:
        low, high = values.sum(0).min(), values.sum(0).max()
        found = f"the {len(values)} map(s) of a softmax sum to between {low:.3f} and {high:.3f}, expected 1"
        msg = f"{found}; independent outputs need activation='sigmoid'"
        raise ValueError(msg)
    return entr(values).sum(0, keepdims=True)


def measure(maps: Sequence[NDArray], *, activation: Activation) -> Uncertainty:
    """Mean, predictive entropy and mutual information of several members.

    Args:
        maps: Probability maps (K, H, W) of each member, all of one shape: of seeds, folds or runs.
        activation: `sigmoid` or `softmax`, see `entropy`.

    Returns:
        All three; of a single member the mutual information is 0.

    Raises:
        ValueError: There is no map, shapes differ, a value is no probability, or it does not fit the
            activation.

    Example:
        >>> sure = [np.array([[[0.0]]]), np.array([[[1.0]]])]
        >>> found = measure(sure, activation="sigmoid")  # each sure, of the contrary
        >>> round(found.entropy.item(), 4), round(found.mutual_information.item(), 4)
        (0.6931, 0.6931)
    """
    _check(maps)
    mean = _mean(maps)
    total = entropy(mean, activation=activation)
    expected = _mean([entropy(one, activation=activation) for one in maps])
    information = np.clip(total - expected, 0, None)  # never negative but for rounding
    return Uncertainty(*(values.astype(np.float32) for values in (mean, total, information)))


def _mean(maps: Sequence[NDArray]) -> NDArray[np.float64]:
    """Mean in double precision, without all maps at once."""
    total = np.zeros(np.shape(maps[0]))
    for one in maps:
        total += one
    return total / len(maps)


def _check(maps: Sequence[NDArray]) -> None:
    shapes = {np.shape(one) for one in maps}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        found = " and ".join(sorted(map(str, shapes))) or "no map"
        msg = f"found {found}, expected maps (K, H, W) of one shape, one for each member"
        raise ValueError(msg)
    for number, one in enumerate(maps):
        if not (np.min(one, initial=0) >= 0 and np.max(one, initial=1) <= 1):  # NaN fails too
            msg = f"map {number + 1} of {len(maps)} holds values that are no probabilities from 0 to 1"
            raise ValueError(msg)
