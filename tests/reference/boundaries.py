# SPDX-License-Identifier: MIT
"""V_Rand and V_Info written out from the definition, pixel by pixel and pair by pair; slow on purpose."""

import heapq
import math
from collections import Counter

STEPS = ((-1, 0), (0, -1), (0, 1), (1, 0))


def neighbours(y, x, height, width):
    for dy, dx in STEPS:
        if 0 <= y + dy < height and 0 <= x + dx < width:
            yield y + dy, x + dx


def components(mask):
    """Number the 4-connected components of a mask from 1, by flooding; returns {pixel: number}."""
    height, width = mask.shape
    number, found = 0, {}
    for y in range(height):
        for x in range(width):
            if not mask[y, x] or (y, x) in found:
                continue
            number += 1
            found[y, x], stack = number, [(y, x)]
            while stack:
                for pixel in neighbours(*stack.pop(), height, width):
                    if mask[pixel] and pixel not in found:
                        found[pixel] = number
                        stack.append(pixel)
    return found


def flood(mask):
    """Let the components grow at equal speed; a pixel between two different ones stays 0 for good.

    One pixel at a time: by distance, then even row + column before odd, then in reading order.
    """
    height, width = mask.shape
    region = components(mask)
    if not region:
        return {(y, x): 1 for y in range(height) for x in range(width)}
    queue, waiting = [], set()

    def put(pixel, distance):
        for y, x in neighbours(*pixel, height, width):
            if (y, x) not in region and (y, x) not in waiting:
                waiting.add((y, x))
                heapq.heappush(queue, (distance, (y + x) % 2, y, x))

    for pixel in list(region):
        put(pixel, 1)
    while queue:
        distance, _, *pixel = heapq.heappop(queue)
        reached = {region[other] for other in neighbours(*pixel, height, width) if region.get(other)}
        region[tuple(pixel)] = reached.pop() if len(reached) == 1 else 0
        if region[tuple(pixel)]:
            put(pixel, distance + 1)
    return {(y, x): region.get((y, x), 0) for y in range(height) for x in range(width)}


def partitions(cells, probability, threshold):
    """Truth and proposal of every true foreground pixel; each line pixel gets its own name."""
    truth, proposal = components(cells), flood(probability > threshold)
    return [(truth[pixel], proposal[pixel] or pixel) for pixel in sorted(truth)]


def rand_scores(pairs):
    """Split, merge and F score over all ordered pairs of pixels, a pixel with itself included."""
    same_truth = same_proposal = both = 0
    for true, proposed in pairs:
        for other_true, other_proposed in pairs:
            same_truth += true == other_true
            same_proposal += proposed == other_proposed
            both += true == other_true and proposed == other_proposed
    split, merge = both / same_truth, both / same_proposal
    return split, merge, 2 * split * merge / (split + merge)


def entropy(names):
    counts = Counter(names)
    return sum(-n / len(names) * math.log(n / len(names)) for n in counts.values())


def info_scores(pairs):
    """Split, merge and F score from the entropies of the named partitions."""
    truth, proposal, joint = (entropy(names) for names in (*zip(*pairs, strict=True), pairs))
    information = truth + proposal - joint
    split = information / proposal if proposal > 1e-15 else 1.0
    merge = information / truth if truth > 1e-15 else 1.0
    return split, merge, 2 * split * merge / (split + merge) if split + merge > 1e-12 else 0.0
