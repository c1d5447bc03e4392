# SPDX-License-Identifier: MIT
"""The modified Dice loss and the total variation, from the printed formulas in NumPy float64."""

import numpy as np


def softmax(logits):
    values = np.exp(np.float64(logits) - logits.max(1, keepdims=True))
    return values / values.sum(1, keepdims=True)


def mdsc(logits, target, valid=None, *, epsilon=1e-6, complements=True):
    """Class by class, of labelled pixels alone."""
    keep = np.ones(target.shape, bool) if valid is None else valid
    if not keep.any():
        return 0.0
    total = 0.0
    for number, p in enumerate(np.moveaxis(softmax(logits), 1, 0)):
        p, q = p[keep], (target[keep] == number).astype(float)
        pairs = [(q, p), (1 - q, 1 - p)] if complements else [(q, p)]
        total += sum(1 - 2 * (a * b).sum() / ((a**2).sum() + (b**2).sum() + epsilon) for a, b in pairs)
    return float(total)


def total_variation(logits, valid=None):
    """Pixel by pixel: to the next of the row, and to the next of the column."""
    p = softmax(logits)
    count, _, rows, columns = p.shape
    keep = np.ones((count, rows, columns), bool) if valid is None else valid
    total = 0.0
    for n, i, j in np.ndindex(count, rows, columns):
        for y, x in ((i + 1, j), (i, j + 1)):
            if y < rows and x < columns and keep[n, i, j] and keep[n, y, x]:
                total += np.abs(p[n, :, y, x] - p[n, :, i, j]).sum()
    return float(total)
