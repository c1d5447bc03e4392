# SPDX-License-Identifier: MIT
"""The Lovász extension of the Jaccard loss from its definitions, on small sets, and the adaptive weight."""

from itertools import pairwise, permutations

import numpy as np


def jaccard_loss(truth, errors):
    """1 - |truth ∩ prediction| / |truth ∪ prediction|, where the prediction errs on a set of pixels."""
    errors = {int(i) for i in errors}
    of_class = {i for i, value in enumerate(truth) if value}
    predicted = of_class ^ errors
    return 1 - len(of_class & predicted) / len(of_class | predicted)


def extension_by_thresholds(truth, values):
    """∫₀¹ Δ({i: values_i ≥ t}) dt, exactly, as the integrand is constant between the values."""
    steps = sorted({0.0, *map(float, values)}, reverse=True)
    total = 0.0
    for above, below in pairwise(steps):
        total += (above - below) * jaccard_loss(truth, np.flatnonzero(np.asarray(values) >= above))
    return total


def extension_by_permutations(truth, values):
    """The largest Σ values_i·(Δ(S ∪ i) - Δ(S)) over all orders: the support function of the base polytope."""
    best = -np.inf
    for order in permutations(range(len(values))):
        losses = [0.0, *(jaccard_loss(truth, order[: k + 1]) for k in range(len(order)))]
        gains = [after - before for before, after in pairwise(losses)]
        best = max(best, sum(values[i] * gain for i, gain in zip(order, gains, strict=True)))
    return best


def _rows(logits, target, valid):
    rows = np.moveaxis(logits, 1, -1).reshape(-1, logits.shape[1]).astype(np.float64)
    keep = np.ones(target.size, bool) if valid is None else valid.ravel()
    exponentials = np.exp(rows - rows.max(1, keepdims=True))
    return (exponentials / exponentials.sum(1, keepdims=True))[keep], target.ravel()[keep]


def lovasz(logits, target, valid=None, extension=extension_by_thresholds):
    """Mean over the classes that are present."""
    p, labels = _rows(logits, target, valid)
    losses = [extension(labels == c, np.abs((labels == c) - p[:, c])) for c in sorted(set(labels.tolist()))]
    return float(np.mean(losses)) if losses else 0.0


def adaptive_alpha(logits, target, valid=None, soft=False, positive=1, largest=10.0):
    p, labels = _rows(logits, target, valid)
    predicted = p[:, positive] if soft else (p.argmax(1) == positive).astype(float)
    fp = sum(value for value, label in zip(predicted, labels, strict=True) if label != positive)
    fn = sum(1 - value for value, label in zip(predicted, labels, strict=True) if label == positive)
    return min(max((fn + fp + 1) / (fp + 1), 1), largest)


def weighted_cross_entropy(logits, target, valid=None, alpha=None, positive=1, **options):
    if alpha is None:
        alpha = adaptive_alpha(logits, target, valid, positive=positive, **options)
    p, labels = _rows(logits, target, valid)
    total = sum(-(alpha if y == positive else 1) * np.log(row[y]) for row, y in zip(p, labels, strict=True))
    return total / len(labels)
