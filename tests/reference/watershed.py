# SPDX-License-Identifier: MIT
"""The published post-processing, line by line and slowly: one loop over objects, no shared helper."""

import numpy as np
from skimage.measure import label
from skimage.segmentation import watershed


def area_opening(binary, pixels):
    labels, kept = label(binary, connectivity=2), np.zeros(binary.shape, bool)
    for number in range(1, labels.max() + 1):
        if (labels == number).sum() >= pixels:
            kept |= labels == number
    return kept


def published(mask_map, marker_map):
    """Probability maps to numbered objects, with the published constants."""
    mask = (mask_map * 255).astype(np.uint8) > 0.1 * 255
    mask = area_opening(mask, 50)
    marker = area_opening((marker_map * 255).astype(np.uint8) > 0.1 * 255, 20)
    if marker.any():
        zones = watershed(
            np.ones(mask.shape), label(marker, connectivity=2), connectivity=2, watershed_line=True
        )
        mask = mask & (zones != 0)
    mask = area_opening(mask, 50)
    mask = ~area_opening(~mask, 100)
    labels, grown = label(mask, connectivity=2), np.zeros(mask.shape, int)
    for number in range(1, labels.max() + 1):
        grown[dilated(labels == number)] = number
    return grown


def dilated(binary):
    padded = np.pad(binary, 1)
    shifted = (padded[1:-1, 1:-1], padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return np.logical_or.reduce(shifted)


def rings(markers):
    """Zones that grow in rings, pixel by pixel; -1 = line, 0 = never reached."""
    state = {tuple(place): int(markers[tuple(place)]) for place in np.argwhere(markers >= 0)}
    while True:
        joining, lines = {}, []
        for place in (place for place, value in state.items() if value == 0):
            zones = {state[near] for near in neighbours(place, state) if state[near] > 0}
            if len(zones) > 1:
                lines.append(place)
            elif zones:
                joining[place] = zones.pop()
        if not joining and not lines:
            break
        beaten = [
            place
            for place, zone in joining.items()
            if any(joining.get(near, zone) < zone for near in neighbours(place, state))
        ]
        state |= joining | dict.fromkeys(lines + beaten, -1)
    found = np.zeros(markers.shape, int)
    for place, value in state.items():
        found[place] = value
    return found


def neighbours(place, state):
    y, x = place
    steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    return [(y + a, x + b) for a, b in steps if (y + a, x + b) in state]
