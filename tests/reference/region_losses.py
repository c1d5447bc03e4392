# SPDX-License-Identifier: MIT
"""Losses of the studies, written out in NumPy float64 from their formulas without shared code."""

import numpy as np


def _flat(logits, target, valid):
    keep = np.ones(logits.shape, bool) if valid is None else np.broadcast_to(valid, logits.shape)
    p = 1.0 / (1.0 + np.exp(-logits[keep].astype(np.float64)))
    return p, target[keep].astype(np.float64)


def bce(logits, target, valid=None):
    p, q = _flat(logits, target, valid)
    return -np.mean(q * np.log(p) + (1 - q) * np.log(1 - p))


def dice(logits, target, valid=None, smooth=1.0):
    p, q = _flat(logits, target, valid)
    return 1 - (2 * np.sum(p * q) + smooth) / (np.sum(p) + np.sum(q) + smooth)


def dicebce(logits, target, valid=None, smooth=1.0):
    return dice(logits, target, valid, smooth) + bce(logits, target, valid)


def bce_dice(logits, target, valid=None, weight=0.5, squared=False):
    """Map by map, with the Dice coefficient as 2I / (A + B) with 2 added to both."""
    keep = np.ones(logits.shape, bool) if valid is None else np.broadcast_to(valid, logits.shape)
    losses = []
    for sample in range(logits.shape[0]):
        for channel in range(logits.shape[1]):
            used = keep[sample, channel]
            if used.any():
                p, q = _flat(logits[sample, channel], target[sample, channel], used)
                size = np.sum(p**2) + np.sum(q**2) if squared else np.sum(p) + np.sum(q)
                losses.append(1 - (2 * np.sum(p * q) + 2) / (size + 2))
    return weight * bce(logits, target, valid) + (1 - weight) * np.mean(losses)


def iou(logits, target, valid=None, smooth=1.0):
    p, q = _flat(logits, target, valid)
    intersection = np.sum(p * q)
    return 1 - (intersection + smooth) / (np.sum(p) + np.sum(q) - intersection + smooth)


def tversky(logits, target, valid=None, alpha=0.3, beta=0.7, smooth=1.0):
    p, q = _flat(logits, target, valid)
    tp, fp, fn = np.sum(p * q), np.sum(p * (1 - q)), np.sum((1 - p) * q)
    return 1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)


def focal_batch_mean(logits, target, valid=None, alpha=0.8, gamma=2.0):
    b = bce(logits, target, valid)
    return alpha * (1 - np.exp(-b)) ** gamma * b


def focal_per_pixel(logits, target, valid=None, alpha=0.8, gamma=2.0):
    p, q = _flat(logits, target, valid)
    pt = np.where(q == 1, p, 1 - p)
    at = np.where(q == 1, alpha, 1 - alpha)
    return np.mean(at * (1 - pt) ** gamma * -np.log(pt))


def cross_entropy(logits, target, valid=None, class_weight=None, by_weights=True):
    """Entry by entry; logits (N, K, *S), target (N, *S)."""
    k = logits.shape[1]
    rows = np.moveaxis(logits, 1, -1).reshape(-1, k).astype(np.float64)
    keep = np.ones(target.shape, bool) if valid is None else valid
    total, divisor = 0.0, 0.0
    for row, label, used in zip(rows, target.ravel(), keep.ravel(), strict=True):
        if used:
            weight = 1.0 if class_weight is None else class_weight[label]
            total -= weight * np.log(np.exp(row[label]) / np.exp(row).sum())
            divisor += weight if by_weights else 1.0
    return total / divisor
