# SPDX-License-Identifier: MIT
"""Targets: from label images to the maps that training and evaluation take."""

from collections.abc import Mapping, Sequence

import numpy as np

IGNORE = 255
LISTED = 8
"""Unknown values that a message names."""


def semantic_target(
    label: np.ndarray, classes: Mapping[str, int], *, ignore: Sequence[int] = (), name: str = "label"
) -> np.ndarray:
    """Map label values to class indices.

    Args:
        label: (H, W) as stored: integers, or floating-point numbers without fractions.
        classes: Class name to label value, in class order.
        ignore: Label values that mean 'not labelled'.
        name: What the label is called in messages.

    Returns:
        (H, W) uint8 class indices, `IGNORE` where not labelled.

    Raises:
        ValueError: The label has channels, or values (fractions among them) that no class has.

    Example:
        >>> semantic_target(np.array([[0, 255]], np.uint8), {"membrane": 0, "cell": 255})
        array([[0, 1]], dtype=uint8)
    """
    if label.ndim != 2:
        msg = f"{name} has shape {label.shape}; expected one channel of class values (H, W). Save it as grey."
        raise ValueError(msg)
    values, counts = np.unique(label, return_counts=True)
    known = {value: index for index, value in enumerate(classes.values())} | dict.fromkeys(ignore, IGNORE)
    unknown = [(v, c) for v, c in zip(values.tolist(), counts.tolist(), strict=True) if v not in known]
    if unknown:
        found = ", ".join(
            f"{value:.10g} ({count} pixel{'s' * (count > 1)})" for value, count in unknown[:LISTED]
        )
        more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
        msg = (
            f"{name} holds the value{'s' * (len(unknown) > 1)} {found}{more}; {_known(classes, ignore)}. "
            "Correct the label, data.classes or data.ignore."
        )
        raise ValueError(msg)
    table = np.array([known[value] for value in values.tolist()], np.uint8)
    return table[np.searchsorted(values, label)]


def _known(classes: Mapping[str, int], ignore: Sequence[int]) -> str:
    """Say which label values a study knows."""
    wanted = ", ".join(f"{value} = {key}" for key, value in classes.items())
    ignored = f"data.ignore holds {', '.join(map(str, ignore))}" if ignore else "data.ignore is empty"
    return f"data.classes knows {wanted}; {ignored}"


def class_fractions(target: np.ndarray, count: int) -> np.ndarray:
    """The share of each class among all pixels of a target, (count,) float64."""
    return np.bincount(target.ravel(), minlength=count)[:count] / target.size
