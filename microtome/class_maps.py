# SPDX-License-Identifier: MIT
"""Targets: from label images to the maps that training and evaluation take."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

IGNORE = 255
BYTES = 256
"""Values of 8 bits, whose table needs no sorting."""
PART = 2**19
"""Pixels of a label that are looked at together."""
LISTED = 8
"""Unknown values that a message names."""


def semantic_target(
    label: np.ndarray,
    classes: Mapping[str, int],
    *,
    ignore: Sequence[int] = (),
    name: str = "label",
    step: int = 1,
) -> np.ndarray:
    """Map label values to class indices.

    Args:
        label: (H, W) as stored: integers, or floating-point numbers without fractions.
        classes: Class name to label value, in class order.
        ignore: Label values that mean 'not labelled'.
        name: What the label is called in messages.
        step: Of grey of fewer than 8 bits, which is read as multiples of this among 0 to 255: its classes may
            be the values as stored (0, 1, 2), or those multiples.

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
    known = {value: index for index, value in enumerate(classes.values())} | dict.fromkeys(ignore, IGNORE)
    if step > 1:
        label = _low_bits(label, step, set(classes.values()), set(ignore), name)
    values, counts = value_counts(label)
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
    if label.dtype == np.uint8:
        every = np.full(BYTES, IGNORE, np.uint8)
        every[values] = table
        return every[label]
    target = np.empty(label.shape, np.uint8)
    for rows in _rows(label):
        target[rows] = table[np.searchsorted(values, label[rows])]
    return target


def value_counts(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of a label (H, W), ascending, and how many pixels have each; in little memory.

    Example:
        >>> [found.tolist() for found in value_counts(np.array([[3, 0], [3, 3]], np.uint8))]
        [[0, 3], [1, 3]]
    """
    if label.dtype == np.uint8:
        every = sum(np.bincount(label[rows].ravel(), minlength=BYTES) for rows in _rows(label))
        return np.flatnonzero(every).astype(np.uint8), every[every > 0]
    parts = [np.unique(label[rows], return_counts=True) for rows in _rows(label)]
    values, places = np.unique(np.concatenate([found for found, _ in parts]), return_inverse=True)
    counts = np.concatenate([found for _, found in parts])
    return values, np.bincount(places, counts, len(values)).astype(np.int64)


def _rows(label: np.ndarray) -> Iterator[slice]:
    """Parts of a label, some rows each; what is made of them takes eight times their memory."""
    step = max(PART // label.shape[1], 1)
    return (slice(start, start + step) for start in range(0, label.shape[0], step))


def _low_bits(label: np.ndarray, step: int, classes: set[int], ignore: set[int], name: str) -> np.ndarray:
    """A label of fewer than 8 bits by its values as stored or spread over 0 to 255, whichever are classes."""
    stored = label // step
    levels = set(np.unique(stored).tolist())
    spread = {level * step for level in levels}
    if levels != spread and levels | spread <= classes:
        both = f"{sorted(levels)} as stored, or {sorted(spread)} as viewers show it"
        msg = f"{name} has fewer than 8 bits, and is {both}; data.classes knows both. Save it with 8 bits."
        raise ValueError(msg)
    fits = spread <= classes or (not levels <= classes | ignore and spread <= classes | ignore)
    return label if fits else stored


def colour_target(
    pixels: np.ndarray, colors: Mapping[str, str], *, ignore: Sequence[str] = (), name: str = "label"
) -> np.ndarray:
    """Map the colours of a mask to class indices.

    Args:
        pixels: (H, W, 3) uint8.
        colors: Class name to `#rrggbb`, in class order.
        ignore: Colours that mean 'not labelled'.
        name: What the mask is called in messages.

    Returns:
        (H, W) uint8 class indices, `IGNORE` where not labelled.

    Raises:
        ValueError: The mask holds colours that no class has.

    Example:
        >>> pixels = np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8)
        >>> colour_target(pixels, {"background": "#000000", "tumor": "#FF0000"})
        array([[0, 1]], dtype=uint8)
    """
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    known = {_packed(color): index for index, color in enumerate(colors.values())}
    known |= dict.fromkeys(map(_packed, ignore), IGNORE)
    values, counts = np.unique(packed, return_counts=True)
    unknown = [(c, v) for v, c in zip(values.tolist(), counts.tolist(), strict=True) if v not in known]
    if unknown:
        names = {_packed(color): f"{key} {color}" for key, color in colors.items()}
        names |= {_packed(color): f"ignored {color}" for color in ignore}
        raise ValueError(_unknown_colours(unknown, names, packed.size, name))
    table = np.array([known[value] for value in values.tolist()], np.uint8)
    return table[np.searchsorted(values, packed)]


def _packed(color: str) -> int:
    return int(color.removeprefix("#"), 16)


def _unknown_colours(
    unknown: Sequence[tuple[int, int]], names: Mapping[int, str], pixels: int, name: str
) -> str:
    """Say which colours no class has, the most frequent first, and the known colour nearest to each."""
    found = ", ".join(
        f"#{value:06x} ({count} pixel{'s' * (count > 1)}, nearest {names[_nearest(value, names)]})"
        for count, value in sorted(unknown, reverse=True)[:LISTED]
    )
    more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
    share = sum(count for count, _ in unknown) / pixels
    told = f"{name} holds {len(unknown)} colour{'s' * (len(unknown) > 1)} on {share:.2%} of its pixels that"
    edges = " Many colours come of smoothing, resizing or JPEG: export the mask without." if more else ""
    remedy = f"Correct the mask, data.colors or data.ignore_colors.{edges}"
    return f"{told} no class has: {found}{more}; known are {', '.join(names.values())}. {remedy}"


def _nearest(value: int, known: Iterable[int]) -> int:
    """The known colour at the smallest distance in RGB."""

    def distance(other: int) -> int:
        return sum(((value >> shift & 255) - (other >> shift & 255)) ** 2 for shift in (16, 8, 0))

    return min(known, key=distance)


def _known(classes: Mapping[str, int], ignore: Sequence[int]) -> str:
    """Say which label values a study knows."""
    wanted = ", ".join(f"{value} = {key}" for key, value in classes.items())
    ignored = f"data.ignore holds {', '.join(map(str, ignore))}" if ignore else "data.ignore is empty"
    return f"data.classes knows {wanted}; {ignored}"


def class_fractions(target: np.ndarray, count: int) -> np.ndarray:
    """The share of each class among all pixels of a target, (count,) float64."""
    return class_counts(target, count) / target.size


def class_counts(target: np.ndarray, count: int) -> np.ndarray:
    """How many pixels of a target are of each class, (count,) int64; `IGNORE` is none of them.

    Example:
        >>> class_counts(np.array([[0, 1, 1, IGNORE]], np.uint8), 3)
        array([1, 2, 0])
    """
    return np.bincount(target.ravel(), minlength=count)[:count]


def inverse_frequency(counts: np.ndarray) -> np.ndarray:
    """Class weights N / (K n), as scikit-learn's `balanced`: N pixels in all, n of the class, K classes.

    Args:
        counts: (K,) pixels of each class.

    Returns:
        (K,) float64; 0 for a class without a pixel, which K does not count.

    Raises:
        ValueError: No class has a pixel.

    Example:
        >>> inverse_frequency(np.array([6, 2, 0]))
        array([0.66666667, 2.        , 0.        ])
    """
    present = counts > 0
    if not present.any():
        msg = "no training label holds a labelled pixel; class weights by inverse frequency need some"
        raise ValueError(msg)
    weights = counts.sum() / (present.sum() * np.maximum(counts, 1))
    return np.where(present, weights, 0.0)
