# SPDX-License-Identifier: MIT
"""Losses of several classes, pixel by pixel in NumPy float64 from their formulas."""

import numpy as np


def _pixels(logits, target, valid):
    """(image, probabilities of the classes, class) of each labelled pixel."""
    keep = np.ones(target.shape, bool) if valid is None else valid
    for index in np.ndindex(*target.shape):
        if keep[index]:
            values = np.exp(np.float64(logits[(index[0], slice(None), *index[1:])]))
            yield index[0], values / values.sum(), int(target[index])


def regions(logits, target, valid=None, *, alpha, beta, smooth, background=True, average="macro", batch=True):
    """1 - (TP + s) / (TP + alpha FP + beta FN + s), averaged as the option says."""
    classes = range(0 if background else 1, logits.shape[1])
    pixels, losses = list(_pixels(logits, target, valid)), []
    images = [{image for image, _, _ in pixels}] if batch else [{i} for i in {one for one, _, _ in pixels}]
    for chosen in images:
        counts = []
        for c in classes:
            of = [(p[c], y == c) for image, p, y in pixels if image in chosen]
            tp, fn = sum(p for p, is_it in of if is_it), sum(1 - p for p, is_it in of if is_it)
            counts.append((tp, sum(p for p, is_it in of if not is_it), fn, sum(is_it for _, is_it in of)))
        counts = [tuple(map(sum, zip(*counts, strict=True)))] if average == "micro" else counts
        losses += [
            1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)
            for tp, fp, fn, size in counts
            if size or average != "present"
        ]
    return float(np.mean(losses)) if losses else 0.0


def focal(logits, target, valid=None, *, form, alpha=0.8, gamma=2.0):
    """MONAI's alpha: that of the option for all classes but the first, which has the rest."""
    true = [(p[y], 1 - alpha if y == 0 else alpha) for _, p, y in _pixels(logits, target, valid)]
    if form == "batch_mean":
        entropy = -np.mean([np.log(p) for p, _ in true])
        return alpha * (1 - np.exp(-entropy)) ** gamma * entropy
    return float(np.mean([a * (1 - p) ** gamma * -np.log(p) for p, a in true]))


def adaptive(logits, target, valid=None, *, positive, largest=10.0):
    """Cross entropy in which each of the classes `positive` has the weight (FN + FP + 1) / (FP + 1)."""
    pixels = [(p, y) for _, p, y in _pixels(logits, target, valid)]
    weights = np.ones(logits.shape[1])
    for c in positive:
        fp = sum(p.argmax() == c != y for p, y in pixels)
        fn = sum(p.argmax() != c == y for p, y in pixels)
        weights[c] = min((fn + fp + 1) / (fp + 1), largest)
    return -sum(weights[y] * np.log(p[y]) for p, y in pixels) / len(pixels), weights[list(positive)]
