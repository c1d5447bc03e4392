# SPDX-License-Identifier: MIT
"""AJI, AJI+ and PQ written out from their definitions with one mask per object; slow on purpose."""

import numpy as np
from scipy.optimize import linear_sum_assignment


def masks(labels):
    return [labels == number for number in sorted(set(labels.ravel().tolist()) - {0})]


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


def aji(truth, prediction):
    true, predicted = masks(truth), masks(prediction)
    intersection = union = 0
    used = set()
    for mask in true:
        best, chosen = 0.0, None
        for index, other in enumerate(predicted):
            if (mask & other).any() and iou(mask, other) > best:
                best, chosen = iou(mask, other), index
        if chosen is None:
            union += mask.sum()
            continue
        used.add(chosen)
        intersection += (mask & predicted[chosen]).sum()
        union += (mask | predicted[chosen]).sum()
    union += sum(mask.sum() for index, mask in enumerate(predicted) if index not in used)
    return intersection / union


def aji_plus(truth, prediction):
    true, predicted = masks(truth), masks(prediction)
    table = np.array([[iou(mask, other) for other in predicted] for mask in true])
    pairs = [(a, b) for a, b in zip(*linear_sum_assignment(-table), strict=True) if table[a, b] > 0]
    intersection = sum((true[a] & predicted[b]).sum() for a, b in pairs)
    union = sum((true[a] | predicted[b]).sum() for a, b in pairs)
    union += sum(mask.sum() for index, mask in enumerate(true) if index not in {a for a, _ in pairs})
    union += sum(mask.sum() for index, mask in enumerate(predicted) if index not in {b for _, b in pairs})
    return intersection / union


def panoptic_quality(truth, prediction, threshold=0.5):
    true, predicted = masks(truth), masks(prediction)
    matched = [iou(a, b) for a in true for b in predicted if iou(a, b) > threshold]
    half = (len(true) + len(predicted)) / 2
    quality = sum(matched) / len(matched) if matched else float("nan")
    return sum(matched) / half, quality, len(matched) / half
