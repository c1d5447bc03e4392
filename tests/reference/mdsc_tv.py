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


def gradient(logits, target, valid, *, complements=True, epsilon=1e-6, tv_weight=0.0, tv_valid=None):
    """Of the Dice loss and the weighted total variation with respect to the logits, derived by hand.

    With S = Σq² + Σp² + ε and I = Σqp, d(1 - 2I/S)/dp = -2q/S + 4Ip/S²; 1 - p has the opposite sign. Of
    |a - b| it is the sign. The softmax has dp_k/dz_j = p_k·(δ_kj - p_j).
    """
    p, slopes = softmax(logits), np.zeros(logits.shape)
    if valid.any():
        for number in range(p.shape[1]):
            truth, guess = (target == number).astype(float), p[:, number]
            pairs = [(truth, guess, 1), (1 - truth, 1 - guess, -1)] if complements else [(truth, guess, 1)]
            for q, g, sign in pairs:
                size = (q[valid] ** 2).sum() + (g[valid] ** 2).sum() + epsilon
                both = (q[valid] * g[valid]).sum()
                slopes[:, number] += sign * np.where(valid, -2 * q / size + 4 * both * g / size**2, 0)
    for axis in (2, 3):
        steps = np.sign(np.diff(p, axis=axis))
        if tv_valid is not None:
            first, second = (np.take(tv_valid, places, axis - 1) for places in _neighbours(p.shape[axis]))
            steps = steps * (first & second)[:, None]
        pads = [(0, 0)] * 4
        pads[axis] = (1, 1)
        slopes -= tv_weight * np.diff(np.pad(steps, pads), axis=axis)
    return p * (slopes - (slopes * p).sum(1, keepdims=True))


def _neighbours(length):
    return np.arange(length - 1), np.arange(1, length)
