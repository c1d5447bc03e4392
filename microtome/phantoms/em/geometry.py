# SPDX-License-Identifier: MIT
"""Geometry of the EM phantom: neurites of very different calibre that wander from section to section.

Each neurite is a tube with an elliptic cross-section; at any depth, space belongs to the tube whose
distance less its radius is smallest (an additively weighted Voronoi diagram, as of bubbles pressed
together). A smooth warp bends the interfaces. Lengths are pixels, depths are sections.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.phantoms._noise import smooth_noise

MARGIN = 90  # tubes outside the field that still shape its border
CALIBRE_SPREAD = 0.85  # standard deviation of the logarithm of the calibre
CALIBRE_RANGE = (0.35, 5.5)  # of the median calibre
PACKING = 0.72  # centres keep this share of the sum of their radii apart
FILLING = 0.88  # tubes are added until their sections cover this share of the field
TRIES = 40
BUNDLE_ASPECT = 2.6  # extra elongation in the middle of a bundle that runs along the section
ASPECT_SPREAD = 0.25
THINNEST = 8.0  # half the short axis of the flattest tube, pixels
MEMORY = 0.82  # correlation of a tube's wander with that in the next section
WANDER = (4.0, 0.17)  # its standard deviation: pixels, and share of the radius
SWELLING = 0.13  # standard deviation of the logarithm of a tube's change in calibre
DRIFT = 1.2  # residual misalignment of the whole section, pixels
WARPS = ((48, 7.0), (20, 2.8), (9, 0.7))  # wavelength and amplitude of the bends, pixels
STRIDE = 4  # of the coarse search for the tubes that come into question
SLACK = 4.0  # how much further than the nearest a tube may be on the coarse grid, per pixel of stride
WARP_SECTIONS = 5  # sections between independent warps


@dataclass(frozen=True, eq=False)
class Tubes:
    """The neurites of a volume.

    Attributes:
        centres: ``(slices, tubes, 2)`` row and column of the axis in each section.
        radii: ``(slices, tubes)``.
        shapes: ``(tubes, 2, 2)`` matrix that turns an offset so that ellipses of equal area become circles.
        warp: ``(knots, 2, H, W)`` displacement of space at every ``WARP_SECTIONS`` sections.
    """

    centres: NDArray[np.float32]
    radii: NDArray[np.float32]
    shapes: NDArray[np.float32]
    warp: NDArray[np.float32]


def grow_tubes(
    slices: int, size: tuple[int, int], diameter: float, motion: float, rng: np.random.Generator
) -> Tubes:
    """Pack a field (rows, columns) with tubes of a median calibre, in pixels, and let them wander.

    `motion` is a factor on wander and swelling between sections.
    """
    places, radii, shapes = _pack(size, diameter / 2, rng)
    count = len(radii)
    spread = (WANDER[0] + WANDER[1] * radii)[:, None] * motion
    wander = _remembered(slices, (count, 2), rng) * spread
    drift = rng.normal(0, DRIFT, (slices, 1, 2)) * motion
    swelling = np.exp(_remembered(slices, (count,), rng) * SWELLING * motion)
    return Tubes(
        (places + wander + drift).astype(np.float32),
        (radii * swelling).astype(np.float32),
        shapes.astype(np.float32),
        _warps(slices, size, rng),
    )


def cut(tubes: Tubes, depth: float) -> NDArray[np.int32]:
    """Return which tube owns each pixel of the plane at ``depth`` (sections), ``(H, W)`` from 0."""
    below = int(np.clip(np.floor(depth), 0, max(len(tubes.centres) - 2, 0)))
    above, share = min(below + 1, len(tubes.centres) - 1), depth - below
    centres = (1 - share) * tubes.centres[below] + share * tubes.centres[above]
    radii = (1 - share) * tubes.radii[below] + share * tubes.radii[above]
    rows, columns = _positions(tubes.warp, depth)
    coarse = (rows[::STRIDE, ::STRIDE], columns[::STRIDE, ::STRIDE])
    lows = np.stack(
        [_surface_distance(*coarse, *tube) for tube in zip(centres, radii, tubes.shapes, strict=True)]
    )
    near = lows <= lows.min(0) + SLACK * STRIDE
    nearest = np.full(rows.shape, np.inf, np.float32)
    owner = np.zeros(rows.shape, np.int32)
    for number in np.flatnonzero(near.any((1, 2))):
        box = _box(near[number])
        distance = _surface_distance(
            rows[box], columns[box], centres[number], radii[number], tubes.shapes[number]
        )
        closer = distance < nearest[box]
        np.copyto(nearest[box], distance, where=closer)
        owner[box][closer] = number
    return owner


def _surface_distance(
    rows: NDArray[np.float32],
    columns: NDArray[np.float32],
    centre: NDArray[np.float32],
    radius: np.float32,
    shape: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the distance to a tube's surface, negative inside, in the measure of the tube."""
    y, x = rows - np.float32(centre[0]), columns - np.float32(centre[1])
    return np.hypot(shape[0, 0] * y + shape[0, 1] * x, shape[1, 0] * y + shape[1, 1] * x) - np.float32(radius)


def _box(near: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the box of fine pixels around the coarse pixels that are set."""
    spans = (np.flatnonzero(near.any(axis)) for axis in (1, 0))
    rows, columns = (slice(max(span[0] - 1, 0) * STRIDE, (span[-1] + 2) * STRIDE) for span in spans)
    return rows, columns


def interface_distance(owner: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the distance of each pixel to the nearest change of owner, pixels (0.5 beside it)."""
    edge = np.zeros(owner.shape, bool)
    vertical, horizontal = owner[1:] != owner[:-1], owner[:, 1:] != owner[:, :-1]
    edge[1:] |= vertical
    edge[:-1] |= vertical
    edge[:, 1:] |= horizontal
    edge[:, :-1] |= horizontal
    if not edge.any():
        return np.full(owner.shape, max(owner.shape), np.float32)
    return (ndimage.distance_transform_edt(~edge) + 0.5).astype(np.float32)


def _pack(
    size: tuple[int, int], radius: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Place tubes of random calibre, the thickest first, until the field is filled."""
    low, high = np.array([-MARGIN, -MARGIN]), np.array(size) + MARGIN
    area = float(np.prod(high - low))
    radii = radius * np.exp(CALIBRE_SPREAD * rng.standard_normal(int(area / radius**2) + 8))
    radii = np.clip(radii, *(radius * bound for bound in CALIBRE_RANGE))
    covered = np.cumsum(np.pi * radii**2)
    radii = np.sort(radii[: max(2, int(np.searchsorted(covered, FILLING * area)))])[::-1]
    angle, bundle = rng.uniform(0, np.pi), rng.uniform(low, high)
    places, shapes = np.zeros((len(radii), 2)), np.zeros((len(radii), 2, 2))
    kept = 0
    for wanted in radii:
        for candidate in rng.uniform(low, high, (TRIES, 2)):
            shape = _shape(candidate, wanted, bundle, angle, size, rng)
            offset = (places[:kept] - candidate) @ shape.T
            if (np.hypot(*offset.T) > PACKING * (radii[:kept] + wanted)).all():
                places[kept], shapes[kept], radii[kept] = candidate, shape, wanted
                kept += 1
                break
    return places[:kept], radii[:kept].copy(), shapes[:kept]


def _shape(
    place: NDArray,
    radius: float,
    bundle: NDArray,
    angle: float,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the inverse elongation of a tube: strong and aligned near the bundle, weak elsewhere."""
    across = (place - bundle) @ np.array([np.cos(angle), np.sin(angle)]) / (0.2 * max(size))
    aligned = np.exp(-(across**2))
    turn = angle + rng.normal(0, 0.15) if aligned > 0.3 else rng.uniform(0, np.pi)
    aspect = np.exp(abs(rng.normal(0, ASPECT_SPREAD))) + BUNDLE_ASPECT * aligned
    aspect = min(aspect, max((radius / THINNEST) ** 2, 1.0))
    cosine, sine = np.cos(turn), np.sin(turn)
    stretch = np.sqrt(aspect)
    return np.array([[cosine * stretch, sine * stretch], [-sine / stretch, cosine / stretch]])


def _remembered(slices: int, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a stationary first-order process along the sections, unit variance."""
    steps = rng.standard_normal((slices, *shape))
    for number in range(1, slices):
        steps[number] = MEMORY * steps[number - 1] + np.sqrt(1 - MEMORY**2) * steps[number]
    return steps


def _warps(slices: int, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    knots = slices // WARP_SECTIONS + 2
    return np.sum([a * smooth_noise((knots, 2, *size), w, rng) for w, a in WARPS], axis=0, dtype=np.float32)


def _positions(warp: NDArray[np.float32], depth: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the warped row and column of each pixel at a depth."""
    place = max(depth, 0.0) / WARP_SECTIONS
    knot = min(int(place), len(warp) - 2)
    share = np.float32(place - knot)
    bend = (1 - share) * warp[knot] + share * warp[knot + 1]
    rows, columns = np.indices(warp.shape[-2:], dtype=np.float32)
    return rows + bend[0], columns + bend[1]
