# SPDX-License-Identifier: MIT
"""Overlap-tile prediction written out: full accumulators in float64, one window at a time, a count map."""

import math

import numpy as np
import torch


def starts(length, window, overlap, border=0):
    """Evenly spread first pixels, from the definition, in exact arithmetic (half rounds up)."""
    span = length + 2 * border - window
    if span <= 0:
        return [-((window - length) // 2)]
    steps = -(-span // (window - overlap))
    return [math.floor((2 * i * span + steps) / (2 * steps)) - border for i in range(steps + 1)]


def weight(kind, position, window, overlap, sigma):
    """Weight of one pixel of a window."""
    centre = position + 0.5
    if kind == "constant":
        return 1.0
    if kind == "trapezoid":
        ramp = max(min(overlap, window / 2), 1)
        return min(centre / ramp, (window - centre) / ramp, 1.0)
    return math.exp(max(-((centre - window / 2) ** 2) / 2 / (sigma or window / 8) ** 2, -300))


def mirrored(image, y, x, height, width):
    """A window of an image, mirrored at its borders without repeating the border pixel."""
    _, rows, columns = image.shape

    def bounce(position, length):
        while not 0 <= position < length:
            position = -position if position < 0 else 2 * (length - 1) - position
            if length == 1:
                return 0
        return position

    y_index = [bounce(y + i, rows) for i in range(height)]
    x_index = [bounce(x + i, columns) for i in range(width)]
    return image[:, y_index][:, :, x_index]


def stitch(function, image, *, window, overlap, kind, sigma=None, margin=0, border=0, wanted=None, fill=0.0):
    """Predict with windows; `function` maps (C, h + 2m, w + 2m) to (K, h, w)."""
    _, rows, columns = image.shape
    height, width = window
    down = np.array([weight(kind, i, height, overlap[0], sigma) for i in range(height)])
    across = np.array([weight(kind, i, width, overlap[1], sigma) for i in range(width)])
    total, count = np.zeros((1, rows, columns)), np.zeros((rows, columns))
    for y in starts(rows, height, overlap[0], border):
        for x in starts(columns, width, overlap[1], border):
            if wanted is not None and not wanted(y, x, height, width):
                continue
            patch = mirrored(image, y - margin, x - margin, height + 2 * margin, width + 2 * margin)
            result = np.asarray(function(patch), np.float64)
            total = np.repeat(total, len(result), axis=0) if len(total) != len(result) else total
            y0, y1, x0, x1 = max(y, 0), min(y + height, rows), max(x, 0), min(x + width, columns)
            weights = np.outer(down, across)[y0 - y : y1 - y, x0 - x : x1 - x]
            total[:, y0:y1, x0:x1] += weights * result[:, y0 - y : y1 - y, x0 - x : x1 - x]
            count[y0:y1, x0:x1] += weights
    return np.where(count > 0, total / np.where(count > 0, count, 1), fill)


def as_function(model):
    """A network on single windows in NumPy."""
    return lambda patch: model(torch.from_numpy(np.ascontiguousarray(patch, np.float32))[None])[0].numpy()
