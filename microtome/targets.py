# SPDX-License-Identifier: MIT
"""Targets: from label images to the maps that training and evaluation take."""

from collections.abc import Mapping, Sequence

import numpy as np

IGNORE = 255


def semantic_target(
    label: np.ndarray, classes: Mapping[str, int], *, ignore: Sequence[int] = (), name: str = "label"
) -> np.ndarray:
    """Map label values to class indices.

    Args:
        label: (H, W) integers as stored.
        classes: Class name to label value, in class order.
        ignore: Label values that mean 'not labelled'.
        name: What the label is called in messages.

    Returns:
        (H, W) uint8 class indices, `IGNORE` where not labelled.

    Raises:
        ValueError: The label has channels, or values that no class has.

    Example:
        >>> semantic_target(np.array([[0, 255]], np.uint8), {"membrane": 0, "cell": 255})
        array([[0, 1]], dtype=uint8)
    """
    if label.ndim != 2:
        msg = f"{name} has shape {label.shape}; expected one channel of class values (H, W). Save it as grey."
        raise ValueError(msg)
    values, counts = np.unique(label, return_counts=True)
    known = {value: index for index, value in enumerate(classes.values())} | dict.fromkeys(ignore, IGNORE)
    unknown = [(int(v), int(c)) for v, c in zip(values, counts, strict=True) if int(v) not in known]
    if unknown:
        found = ", ".join(f"{value} ({count} pixels)" for value, count in unknown[:8])
        wanted = ", ".join(f"{value} = {key}" for key, value in classes.items())
        values_found = f"the value{'s' if len(unknown) > 1 else ''} {found}"
        msg = f"{name} holds {values_found}; data.classes knows {wanted}. Correct the label or the classes."
        raise ValueError(msg)
    table = np.array([known[int(value)] for value in values], np.uint8)
    return table[np.searchsorted(values, label)]


def class_fractions(target: np.ndarray, count: int) -> np.ndarray:
    """The share of each class among all pixels of a target, (count,) float64."""
    return np.bincount(target.ravel(), minlength=count)[:count] / target.size
