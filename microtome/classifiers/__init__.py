# SPDX-License-Identifier: MIT
"""Pixel classifiers: one file each, fitted and asked by name; the folder is the registry.

They stand beside networks as what spectra alone can tell. An entry has three functions of its options:

* `describe(options, pixels)`: from an image (C, H, W) to what is known of each pixel, (F, H, W) float32.
* `fit(options, values, labels, seed)`: from training pixels (n, F) and class numbers (n,) to arrays by name.
* `probabilities(fitted, values)`: from these arrays and pixels (n, F) to (n, K) float32 that sum to 1.

What is fitted is plain arrays, so that no object of another library is ever unpickled.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.config.entries import model
from microtome.config.section import Section
from microtome.registry import entry_names, load_entry, search_path

__all__ = ["describe", "fit", "names", "parameter_count", "predict"]
__path__ = search_path(__name__, __path__)

REGISTRY = "microtome.config.classifiers"
PART = 2**15
"""Pixels that are classified together."""
FEATURES = "features"
"""Array beside those of an entry: how many values of each pixel it was fitted to."""


def names() -> tuple[str, ...]:
    """Registry names of all classifiers, sorted; nothing is imported to find them.

    Example:
        >>> "lda" in names()
        True
    """
    return entry_names(REGISTRY)


def describe(options: Mapping[str, Any], pixels: NDArray) -> NDArray[np.float32]:
    """What a classifier looks at of each pixel of an image.

    Args:
        options: Its `name` and options, the fields of its model in `microtome.config.classifiers`.
        pixels: (C, H, W), finite; at its border the image is mirrored.

    Returns:
        (F, H, W): such as the spectrum, and the mean and the spread of those around it.

    Raises:
        ValueError: Unknown name, or an option or a value that the classifier does not have.

    Example:
        >>> describe({"name": "lda", "neighbourhood": 3}, np.ones((16, 4, 5))).shape
        (48, 4, 5)
    """
    checked, entry = _entry(options)
    return entry.describe(checked, pixels)


def fit(
    options: Mapping[str, Any], values: NDArray, labels: NDArray, *, classes: int, seed: int
) -> dict[str, NDArray]:
    """Fit a classifier to training pixels.

    Args:
        options: Its `name` and options.
        values: (n, F) float32, of `describe`.
        labels: (n,) class numbers, 0 to `classes` - 1, each of which is there.
        classes: Their number, K.
        seed: Fixes what is drawn at random.

    Returns:
        Arrays by name; what `predict` takes.

    Raises:
        ValueError: Unknown name or option, or a class has no pixel.
    """
    checked, entry = _entry(options)
    missing = sorted(set(range(classes)) - set(np.unique(labels).tolist()))
    if missing:
        msg = f"found no training pixel of class {', '.join(map(str, missing))}, expected some of each"
        raise ValueError(msg)
    return entry.fit(checked, values, labels, seed) | {FEATURES: np.array([values.shape[1]])}


def predict(options: Mapping[str, Any], fitted: Mapping[str, NDArray], pixels: NDArray) -> NDArray:
    """Probabilities of the classes in each pixel of an image.

    Args:
        options: Name and options of the classifier, as when it was fitted.
        fitted: The arrays of `fit`.
        pixels: (C, H, W), finite.

    Returns:
        (K, H, W) float32, which sum to 1.

    Raises:
        ValueError: Unknown name or option, or the image has other channels than those of training.

    Example:
        >>> options, spectra = {"name": "sam"}, np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
        >>> fitted = fit(options, spectra, np.array([0, 1]), classes=2, seed=0)
        >>> predict(options, fitted, np.array([[[0.1]], [[0.9]]])).argmax(0).tolist()
        [[1]]
    """
    checked, entry = _entry(options)
    described = entry.describe(checked, pixels)
    if len(described) != fitted[FEATURES][0]:
        found = f"found {len(described)} values of each pixel, expected {fitted[FEATURES][0]} as in training"
        msg = f"{found}; images have as many channels as those that '{options['name']}' was fitted to"
        raise ValueError(msg)
    values = described.reshape(len(described), -1).T
    parts = [
        entry.probabilities(fitted, np.ascontiguousarray(values[start : start + PART]))
        for start in range(0, len(values), PART)
    ]
    return np.concatenate(parts).T.reshape(-1, *described.shape[1:])


def parameter_count(fitted: Mapping[str, NDArray]) -> int:
    """Numbers that were fitted.

    Example:
        >>> parameter_count({"slopes": np.zeros((2, 5)), "features": np.array([5])})
        10
    """
    return sum(array.size for name, array in fitted.items() if name != FEATURES)


def _entry(options: Mapping[str, Any]) -> tuple[Section, Any]:
    """The checked options of a classifier, and its module."""
    name = options["name"]
    return model(REGISTRY, name)(**options), load_entry(__name__, name, kind="classifier")
