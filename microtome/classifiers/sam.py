# SPDX-License-Identifier: MIT
"""Spectral angle mapper (Kruse et al., Remote Sens. Environ. 1993, doi:10.1016/0034-4257(93)90013-N).

A pixel belongs to the class whose mean spectrum makes the smallest angle with its own, so that brightness and
thickness do not count. Angles are no probabilities; they become some by a softmax of their negatives times
one factor, which is fitted by maximum likelihood and changes no decision.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from microtome.classifiers._neighbourhood import mean_spectra
from microtome.config.classifiers.sam import SpectralAngleMapper as Options

SHARPEST = 9.0
"""Natural logarithm of the largest factor: 8100 for each radian, beyond which maps are black and white."""


def describe(options: Options, pixels: NDArray) -> NDArray[np.float32]:
    """See `microtome.classifiers`: the mean spectrum of the neighbourhood."""
    return mean_spectra(pixels, options.neighbourhood)


def fit(options: Options, values: NDArray, labels: NDArray, seed: int) -> dict[str, NDArray]:
    """The mean spectrum of each class, and the factor of angles; nothing is drawn."""
    exact = values.astype(np.float64)
    spectra = np.stack([exact[labels == number].mean(0) for number in range(labels.max() + 1)])
    found = angles(exact, spectra)

    def loss(logarithm: float) -> float:
        """Mean negative log-likelihood of the labels, nat."""
        return -log_softmax(-np.exp(logarithm) * found, axis=1)[np.arange(len(labels)), labels].mean()

    best = minimize_scalar(loss, bounds=(0.0, SHARPEST), method="bounded")
    return {"spectra": spectra, "factor": np.array([np.exp(best.x)])}


def probabilities(fitted: Mapping[str, NDArray], values: NDArray) -> NDArray[np.float32]:
    """See `microtome.classifiers`."""
    found = angles(values.astype(np.float64), fitted["spectra"])
    return softmax(-fitted["factor"][0] * found, axis=1).astype(np.float32)


def angles(values: NDArray[np.float64], spectra: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles between pixels (n, C) and mean spectra (K, C): (n, K), radians.

    A pixel without any light is at a right angle to all.

    Example:
        >>> angles(np.array([[2.0, 2.0]]), np.array([[1.0, 0.0], [5.0, 5.0]])).round(3).tolist()
        [[0.785, 0.0]]
    """
    lengths = np.linalg.norm(values, axis=1)[:, None] * np.linalg.norm(spectra, axis=1)
    cosines = np.divide(values @ spectra.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return np.arccos(cosines.clip(-1, 1))
