# SPDX-License-Identifier: MIT
"""What an electron microscope shows of the EM phantom: stained matter, section damage, noise.

Stain is an optical density from 0 (resin) to about 1 (a membrane seen edge-on); lengths are pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.phantoms._noise import smooth_noise
from microtome.phantoms.em.geometry import Tubes

MITOCHONDRION_CALIBRE = 18.0  # thinner neurites hold none
MITOCHONDRION_SHARE = 0.45
MITOCHONDRION_RADII = (12.0, 40.0)
MITOCHONDRION_SECTIONS = (5, 14)
MATRIX_STAIN, OUTLINE_STAIN, CRISTA_STAIN = 0.42, 0.8, 0.5
CRISTA_PERIOD = 6.5
MICROTUBULES_PER_PIXEL = 1 / 260
VESICLES_PER_PIXEL = 1 / 900
VESICLE_CLUSTER = 1 / 130
CLUSTER_SHARE = 0.3
CYTOPLASM_SPREAD = 0.05
GRAIN = ((2.6, 0.07), (5.0, 0.06), (14.0, 0.04))  # wavelength and stain of the cytoplasm's texture
DENSITY_SHARE = 0.06  # of interface pixels that carry a synaptic density
GREY_LIGHT, GREY_DARK = 176.0, 48.0
POINT_SPREAD = 0.75
SHOT, READOUT = 1.75, 14.0
NOISE_SPREAD = 0.6  # the scanned film's grain is a little wider than a pixel


@dataclass(frozen=True, eq=False)
class Mitochondria:
    """Mitochondria as elliptic tubes inside neurites, one per row."""

    tube: NDArray[np.intp]  # index of the neurite
    offset: NDArray[np.float64]  # ``(n, 2)`` from its axis
    radii: NDArray[np.float64]  # ``(n, 2)`` half axes
    angle: NDArray[np.float64]  # orientation, radians
    sections: NDArray[np.intp]  # ``(n, 2)`` first and last section


def place_mitochondria(tubes: Tubes, rng: np.random.Generator) -> Mitochondria:
    """Put mitochondria into some of the thicker neurites."""
    calibre = tubes.radii.mean(0)
    chosen = np.flatnonzero(
        (calibre > MITOCHONDRION_CALIBRE) & (rng.random(len(calibre)) < MITOCHONDRION_SHARE)
    )
    count, slices = len(chosen), len(tubes.radii)
    largest = np.minimum(MITOCHONDRION_RADII[1], 0.6 * calibre[chosen])[:, None]
    radii = rng.uniform(0.6, 1.0, (count, 2)) * np.maximum(largest, MITOCHONDRION_RADII[0])
    first = rng.integers(-MITOCHONDRION_SECTIONS[0], slices, count)
    length = rng.integers(*MITOCHONDRION_SECTIONS, count)
    offset = rng.normal(0, 0.25, (count, 2)) * calibre[chosen][:, None]
    return Mitochondria(
        chosen, offset, radii, rng.uniform(0, np.pi, count), np.stack([first, first + length], 1)
    )


def stain_mitochondria(
    found: Mitochondria,
    tubes: Tubes,
    section: int,
    owner: NDArray[np.int32],
    distance: NDArray[np.float32],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the stain of the mitochondria in a section and where they are.

    Cristae are as dark as membranes and their outline as sharp, and neither is membrane in the truth.
    """
    stain, inside = np.zeros(owner.shape, np.float32), np.zeros(owner.shape, bool)
    rows, columns = np.indices(owner.shape, dtype=np.float32)
    bend = 2.2 * smooth_noise((2, *owner.shape), 11, rng)
    for number in np.flatnonzero((found.sections[:, 0] <= section) & (section <= found.sections[:, 1])):
        centre = tubes.centres[section, found.tube[number]] + found.offset[number]
        y, x = rows - centre[0] + bend[0], columns - centre[1] + bend[1]
        cosine, sine = np.cos(found.angle[number]), np.sin(found.angle[number])
        along, across = cosine * x + sine * y, -sine * x + cosine * y
        reach = np.hypot(along / found.radii[number, 0], across / found.radii[number, 1])
        own = (owner == found.tube[number]) & (distance > 5) & (reach < 1)
        depth = np.minimum((1 - reach) * found.radii[number].min(), distance - 5)
        outline = OUTLINE_STAIN * np.exp(-((depth - 1) ** 2) / 2)
        cristae = CRISTA_STAIN * np.clip(np.sin(2 * np.pi * along / CRISTA_PERIOD) * 1.5, 0, 1) * (depth > 3)
        stain = np.where(own, np.maximum(MATRIX_STAIN + cristae, outline), stain).astype(np.float32)
        inside |= own
    return stain, inside


def stain_cytoplasm(
    tubes: Tubes, section: int, owner: NDArray[np.int32], seed: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the stain of the cytoplasm: a level per neurite that stays, and grain that does not."""
    level = np.random.default_rng(seed).normal(0.12, CYTOPLASM_SPREAD, tubes.radii.shape[1])
    stain = level.clip(0, 0.3)[owner].astype(np.float32)
    for wavelength, amount in GRAIN:
        stain += amount * smooth_noise(owner.shape, wavelength, rng)
    return stain


def stain_vesicles(
    tubes: Tubes,
    section: int,
    owner: NDArray[np.int32],
    free: NDArray[np.bool_],
    seed: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the stain of vesicles (rings), of clusters of them, and of microtubules and ribosomes (dots)."""
    clustered = np.random.default_rng(seed).random(tubes.radii.shape[1]) < CLUSTER_SHARE
    patches = smooth_noise(owner.shape, 40, rng) > 0
    density = np.where(clustered[owner] & patches, VESICLE_CLUSTER, VESICLES_PER_PIXEL)
    stain = np.zeros(owner.shape, np.float32)
    for radius, strength, chance in (
        (4.2, 0.70, density * 0.6),
        (5.6, 0.60, density * 0.4),
        (2.6, 0.75, np.full(owner.shape, MICROTUBULES_PER_PIXEL)),
        (0.0, 0.90, np.full(owner.shape, MICROTUBULES_PER_PIXEL)),
    ):
        spots = ((rng.random(owner.shape) < chance) & free).astype(np.float32)
        spots *= rng.uniform(0.4, 1, owner.shape).astype(np.float32)
        stain = np.maximum(stain, ndimage.convolve(spots, strength * _ring(radius), mode="constant"))
    return stain


def stain_densities(
    owner: NDArray[np.int32], distance: NDArray[np.float32], rng: np.random.Generator
) -> NDArray:
    """Return synaptic densities: smears of stain on one stretch of an interface."""
    patches = smooth_noise(owner.shape, 34, rng)
    chosen = 1 / (1 + np.exp(-(patches - np.quantile(patches, 1 - DENSITY_SHARE)) * 8))
    return (0.75 * chosen * np.exp(-distance / 7)).astype(np.float32)


def damage(grey: NDArray[np.float32], expected: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add section damage: folds, tears, knife marks and precipitate, ``expected`` of each kind on average."""
    rows, columns = np.indices(grey.shape, dtype=np.float32)
    bend = smooth_noise(grey.shape, 60, rng)
    for kind in ("fold", "tear", "mark"):
        for _ in range(rng.poisson(expected)):
            angle, start = rng.uniform(0, np.pi), rng.uniform(0.1, 0.9, 2) * grey.shape
            across = (rows - start[0]) * np.cos(angle) + (columns - start[1]) * np.sin(angle)
            along = (columns - start[1]) * np.cos(angle) - (rows - start[0]) * np.sin(angle)
            taper = np.exp(-((along / rng.uniform(40, 120)) ** 2))
            if kind == "fold":
                grey = grey - 55 * taper * np.exp(-(((across + 8 * bend) / rng.uniform(4, 9)) ** 2))
            elif kind == "tear":
                open_width = rng.uniform(1.5, 4) * taper
                grey = np.where(np.abs(across + 6 * bend) < open_width - 0.5, 235, grey)
            else:
                grey = grey + rng.choice([-1, 1]) * rng.uniform(10, 30) * (
                    np.abs(across) < rng.uniform(0.6, 1.6)
                )
    spots = (rng.random(grey.shape) < expected * 8 / grey.size).astype(np.float32)
    return (grey - 400 * ndimage.gaussian_filter(spots, 2.0) * 8).astype(np.float32)


def photograph(
    stain: NDArray[np.float32], noise: float, damaged: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Turn stain, ``(H, W)`` optical density, into grey: section tone, point spread, damage, noise.

    `noise` is a factor on shot and read-out noise, `damaged` the expected number of folds, tears, marks and
    specks of precipitate of each kind.
    """
    contrast, brightness = rng.normal(1.0, 0.08), rng.normal(0.0, 9.0)
    grey = GREY_LIGHT - (GREY_LIGHT - GREY_DARK) * contrast * stain + brightness
    grey = grey + 5 * smooth_noise(stain.shape, max(stain.shape) / 2, rng)
    grey = ndimage.gaussian_filter(damage(grey, damaged, rng), POINT_SPREAD)
    white = rng.standard_normal(stain.shape)
    grain = ndimage.gaussian_filter(white, NOISE_SPREAD)
    grain /= grain.std()
    spread = noise * np.hypot(READOUT, SHOT * np.sqrt(grey.clip(0)))
    return np.rint(grey + spread * grain).clip(0, 255).astype(np.uint8)


def _ring(radius: float) -> NDArray[np.float32]:
    """Return a ring of a pixel's width, or a dot for radius 0; its peak is 1."""
    half = int(np.ceil(radius)) + 3
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    return np.exp(-((np.hypot(y, x) - radius) ** 2) / 1.6).astype(np.float32)
