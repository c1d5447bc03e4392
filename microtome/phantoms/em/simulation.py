# SPDX-License-Identifier: MIT
"""EM phantom: serial sections of neuropil with known membranes, in the manner of the ISBI 2012 stack.

A small physical model (DESIGN 7): neurites of very different calibre wander through sections 50 nm thick
(4 nm pixels), so that neighbouring sections are alike; a section projects its whole thickness, so that
membranes cut obliquely blur; mitochondria with cristae, vesicles and microtubules look like membranes and are
not; sections differ in tone and carry folds, tears, knife marks and precipitate. The truth is the geometry at
the middle of each section.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.config.phantoms.em import EMPhantomData
from microtome.phantoms._noise import smooth_noise
from microtome.phantoms.em import rendering
from microtome.phantoms.em.geometry import Tubes, cut, grow_tubes, interface_distance

MEMBRANE, CELL = 0, 255
SUBSECTIONS = (-0.36, 0.0, 0.36)  # depths of the planes a section projects, of its thickness
MIDDLE = 1
SMALLEST_CELL = 24  # pixels; smaller slivers are all membrane
SEED_RANGE = 2**32
CLEARANCE = 8  # pixels between an organelle's centre and a membrane
PROFILE = 2.0  # half width of the stained pair of membranes, pixels
PATCHINESS = 0.2
MEMBRANE_STAIN = 1.15
CELL_DIAMETER = 26.5  # median calibre of the neurites, pixels
MEMBRANE_THICKNESS = 6.0  # of the pair of membranes between two cells in the truth, pixels
TEARS = 0.15  # expected folds, tears, knife marks and specks of precipitate of each kind in a section


@dataclass(frozen=True, eq=False)
class EMVolume:
    """A simulated stack and its truth.

    Attributes:
        images: ``(S, H, W)`` uint8.
        labels: ``(S, H, W)`` uint8, 0 membrane and 255 cell, as in the ISBI 2012 labels.
        cells: ``(S, H, W)`` int32, the neurite each pixel belongs to (the same number in all sections),
            0 on membranes.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    cells: NDArray[np.int32]


def simulate(settings: EMPhantomData) -> EMVolume:
    """Simulate a stack of sections, images and truth; equal settings give equal stacks.

    Example:
        >>> volume = simulate(EMPhantomData(slices={"train": 2}, size=64, seed=1))
        >>> volume.images.shape, sorted(set(volume.labels.ravel().tolist()))
        ((2, 64, 64), [0, 255])
    """
    rng = np.random.default_rng(settings.seed)
    slices, difficulty = sum(settings.slices.values()), settings.difficulty
    tubes = grow_tubes(slices, (settings.size, settings.size), CELL_DIAMETER, min(difficulty, 2), rng)
    mitochondria = rendering.place_mitochondria(tubes, rng)
    seeds = rng.integers(SEED_RANGE, size=slices + 1)
    images, labels, cells = [], [], []
    for section in range(slices):
        owners = [cut(tubes, section + depth) for depth in SUBSECTIONS]
        distances = [interface_distance(owner) for owner in owners]
        truth = _truth(owners[MIDDLE], distances, MEMBRANE_THICKNESS)
        own = np.random.default_rng(seeds[section])
        stain = _stain(tubes, mitochondria, section, owners, distances, settings, int(seeds[-1]), own)
        images.append(rendering.photograph(stain, difficulty, TEARS * difficulty, own))
        labels.append(np.where(truth > 0, CELL, MEMBRANE).astype(np.uint8))
        cells.append(truth)
    return EMVolume(np.stack(images), np.stack(labels), np.stack(cells))


def files(settings: EMPhantomData) -> Iterator[tuple[str, NDArray]]:
    """Simulate a stack and name the file of each slice.

    Yields:
        `images/NNN.tif`, `labels/NNN.tif` and the instance truth `cells/NNN.tif`, each with its array.
    """
    volume = simulate(settings)
    for folder, stack in (("images", volume.images), ("labels", volume.labels), ("cells", volume.cells)):
        for number, array in enumerate(stack):
            yield f"{folder}/{number:03d}.tif", array


def _truth(
    owner: NDArray[np.int32], distances: list[NDArray[np.float32]], thickness: float
) -> NDArray[np.int32]:
    """Return the neurite of each pixel from 1, and 0 on membranes.

    Membrane is what lies within half the thickness of the interface at the middle of the section, or of the
    interfaces of most of the section.
    """
    near = [distance <= thickness / 2 for distance in distances]
    membrane = near[MIDDLE] | (np.mean(near, axis=0) > 0.5)
    pieces, count = ndimage.label(~membrane)
    small = np.bincount(pieces.ravel(), minlength=count + 1) < SMALLEST_CELL
    return np.where(membrane | small[pieces], 0, owner + 1).astype(np.int32)


def _stain(
    tubes: Tubes,
    mitochondria: rendering.Mitochondria,
    section: int,
    owners: list[NDArray[np.int32]],
    distances: list[NDArray[np.float32]],
    settings: EMPhantomData,
    seed: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the stain that the whole thickness of a section projects."""
    owner, distance = owners[MIDDLE], distances[MIDDLE]
    alike = min(settings.difficulty, 1.5)
    organelles, inside = rendering.stain_mitochondria(mitochondria, tubes, section, owner, distance, rng)
    free = (distance > CLEARANCE) & ~inside
    small = rendering.stain_vesicles(tubes, section, owner, free, seed, rng)
    membrane = np.mean([np.exp(-(((d - 0.5) / PROFILE) ** 2)) for d in distances], axis=0)
    membrane *= 1 + PATCHINESS * smooth_noise(owner.shape, 9, rng)
    stain = rendering.stain_cytoplasm(tubes, section, owner, seed, rng)
    stain = stain + alike * np.maximum(organelles, small) + rendering.stain_densities(owner, distance, rng)
    return stain + membrane * MEMBRANE_STAIN * (1 - stain.clip(0, 0.8))
