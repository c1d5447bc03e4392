# SPDX-License-Identifier: MIT
"""Where the zones of markers meet. Used through :mod:`microtome.objects.watershed`.

`queue_lines` is scikit-image's watershed. On a flat landscape it floods in the order of one queue for the
whole image: where two zones meet in an even gap, the side that gets the line depends on every other marker.

`ring_lines` floods a flat landscape in rings: every zone grows by one pixel at a time. A pixel that touches
two zones becomes line; of two neighbours that would join different zones in the same ring, the one whose
marker has the larger number becomes line. So the state of a pixel after n rings depends only on what lies
within 2n pixels, and any window with that margin gives the lines of the whole image.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from microtome.objects.markers import EIGHT

RING_SPEED = 2
"""Pixels by which a change can spread in one ring."""
LINE = -1
NO_LABEL = np.iinfo(np.int32).max


def queue_lines(
    markers: NDArray[np.int32], *, domain: NDArray[np.bool_] | None = None, landscape: NDArray | None = None
) -> NDArray[np.bool_]:
    """Watershed lines by scikit-image's queue, 8-connected, of marker numbers (H, W), 0 = none.

    The flood goes everywhere on a flat landscape, or within a domain and over heights (H, W).

    Returns:
        The lines (H, W) bool; outside the domain there is none.

    Example:
        >>> queue_lines(np.array([[1, 0, 0, 0, 2]], np.int32)).astype(int)
        array([[0, 0, 1, 0, 0]])
    """
    if not markers.any():
        return np.zeros(markers.shape, bool)
    heights = np.ones(markers.shape) if landscape is None else landscape
    zones = watershed(heights, markers, connectivity=2, mask=domain, watershed_line=True)
    return (zones == 0) if domain is None else (zones == 0) & domain & _reached(zones, domain)


def _reached(zones: NDArray[np.int32], domain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The components of the domain that hold a zone; the others are not flooded and have no line."""
    labels, count = ndimage.label(domain, EIGHT)
    flooded = np.zeros(count + 1, bool)
    flooded[labels[zones > 0]] = True
    return flooded[labels]


def ring_lines(
    markers: NDArray[np.int32],
    wanted: NDArray[np.bool_],
    *,
    domain: NDArray[np.bool_] | None = None,
    reach: int | None = None,
) -> NDArray[np.bool_]:
    """Lines between zones that grow at one speed on a flat landscape, 8-connected.

    Args:
        markers: Marker numbers (H, W), 0 = none.
        wanted: Pixels whose state is asked for (H, W); the flood ends when all of them are settled.
        domain: Where the flood may go (H, W); everywhere by default.
        reach: Rings, that is pixels from the marker to the end of its zone; None: until all is flooded.

    Returns:
        The lines among the wanted pixels (H, W) bool.

    Example:
        >>> markers = np.array([[1, 0, 0, 0, 2]], np.int32)
        >>> ring_lines(markers, np.ones((1, 5), bool)).astype(int)
        array([[0, 0, 1, 0, 0]])
    """
    states = np.full((markers.shape[0] + 2, markers.shape[1] + 2), LINE, np.int32)
    inner = states[1:-1, 1:-1]
    inner[...] = markers if domain is None else np.where(domain, markers, LINE)
    front = np.flatnonzero(ndimage.binary_dilation(states == 0, EIGHT) & (states > 0))
    unsettled = int(np.count_nonzero(wanted & (inner == 0)))
    asked = np.pad(wanted, 1).ravel()
    state, owner = states.ravel(), np.empty(states.size, np.int32)
    width, rings = states.shape[1], 0
    around = np.array([-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1])
    while front.size and unsettled and rings != reach:
        ring = _free_neighbours(front, state, owner, around)
        unsettled -= int(np.count_nonzero(asked[ring]))
        front = _settle(ring, state, around)
        rings += 1
    return (inner == LINE) & wanted if domain is None else (inner == LINE) & wanted & domain


def _free_neighbours(
    front: NDArray[np.int64], state: NDArray[np.int32], owner: NDArray[np.int32], around: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The pixels without a state next to the front, each once (`owner` is room to work in)."""
    found = (front[:, None] + around).ravel()
    found = found[state[found] == 0]
    order = np.arange(found.size, dtype=np.int32)
    owner[found] = order
    return found[owner[found] == order]


def _settle(
    ring: NDArray[np.int64], state: NDArray[np.int32], around: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give the pixels of a ring to zones or lines; those that joined a zone."""
    near = state[ring[:, None] + around]
    largest, smallest = near.max(1), np.where(near > 0, near, NO_LABEL).min(1)
    contested = largest != smallest
    state[ring[contested]] = LINE
    joining, zone = ring[~contested], smallest[~contested]
    state[joining] = zone
    near = state[joining[:, None] + around]
    beaten = np.where(near > 0, near, NO_LABEL).min(1) < zone
    state[joining[beaten]] = LINE
    return joining[~beaten]
