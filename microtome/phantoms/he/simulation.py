# SPDX-License-Identifier: MIT
"""H&E phantom: stained sections of several organs and hospitals, with known nuclei and stains.

A small physical model in the manner of MoNuSeg 2018 (Kumar et al. 2020, doi:10.1109/TMI.2019.2947628):
glands, stroma and lumens hold nuclei that touch and overlap; nuclei bind haematoxylin in clumps, cytoplasm
and fibres bind eosin; each hospital has stain vectors, strengths, light, lens and compression of its own. The
truth is each nucleus, each hospital's stain matrix, and the concentrations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.config.phantoms.he import HEPhantomData
from microtome.phantoms.he.rendering import concentrations
from microtome.phantoms.he.sheet import HE_MPP, Tile, he_tiles
from microtome.phantoms.he.staining import Hospital, hospitals, scan
from microtome.phantoms.he.tissue import MARGIN, ORGANS, crop_labels, lay_out, place_nuclei

FOR_HOSPITALS, FOR_TILES = 0, 1
"""What a stream of random numbers is for; tiles have one each, so that further tiles change no other."""
HARDEST_TISSUE = 2.5


@dataclass(frozen=True, eq=False)
class HETile:
    """A simulated tile and its truth.

    Attributes:
        image: ``(H, W, 3)`` uint8, RGB.
        labels: ``(H, W)`` int32, nuclei from 1 without gaps, 0 elsewhere; a pixel that two nuclei share
            belongs to the first.
        concentrations: ``(2, H, W)`` float32, haematoxylin and eosin before the hospital's strength:
            ``white * exp(-(concentrations * strength) @ stain_matrix)`` is the tile without lens and noise.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.int32]
    concentrations: NDArray[np.float32]


def simulate(settings: HEPhantomData, tile: Tile, hospital: Hospital) -> HETile:
    """Simulate one tile, image and truth; equal settings and tiles give equal images.

    The tile is one of :func:`microtome.phantoms.he.sheet.he_tiles`, the hospital that stains and scans it one
    of :func:`sites`.

    Example:
        >>> settings = HEPhantomData(size=64, seed=1)
        >>> tile = he_tiles(settings)[0]
        >>> found = simulate(settings, tile, sites(settings)[tile.hospital])
        >>> found.image.shape, int(found.labels.max()) > 2
        ((64, 64, 3), True)
    """
    rng = np.random.default_rng([settings.seed, FOR_TILES, tile.number])
    organ = ORGANS[tile.organ]
    layout = lay_out(organ, settings.size, rng)
    nuclei, labels = place_nuclei(layout, organ, settings.touching, rng)
    stain = concentrations(layout, organ, nuclei, min(settings.difficulty, HARDEST_TISSUE), rng)
    image = scan(stain, hospital, MARGIN, rng)
    return HETile(image, crop_labels(labels), stain[:, MARGIN:-MARGIN, MARGIN:-MARGIN])


def sites(settings: HEPhantomData) -> tuple[Hospital, ...]:
    """The hospitals of a phantom."""
    rng = np.random.default_rng([settings.seed, FOR_HOSPITALS])
    return hospitals(settings.hospitals, settings.difficulty, rng)


def files(settings: HEPhantomData) -> Iterator[tuple[str, NDArray | dict[str, Any]]]:
    """Simulate the tiles and name the file of each.

    Yields:
        `images/NNN.tif` (RGB), `labels/NNN.tif` (uint16 instances), where wanted `concentrations/NNN.tif`,
        each with its array; last `truth.json` with the hospitals and what each tile is.
    """
    known, described = sites(settings), []
    for tile in he_tiles(settings):
        made = simulate(settings, tile, known[tile.hospital])
        name = f"{tile.number:03d}.tif"
        yield f"images/{name}", np.moveaxis(made.image, -1, 0)
        yield f"labels/{name}", made.labels.astype(np.uint16)
        if settings.concentrations:
            yield f"concentrations/{name}", made.concentrations
        described.append(_described(tile, made))
    yield "truth.json", {"mpp": HE_MPP, "hospitals": [h.as_json() for h in known], "tiles": described}


def _described(tile: Tile, made: HETile) -> dict[str, Any]:
    return {
        "sample": tile.sample,
        "patient": tile.patient,
        "hospital": tile.hospital,
        "organ": tile.organ,
        "nuclei": int(made.labels.max()),
        "touching": len(touching(made.labels)),
    }


def touching(labels: NDArray[np.int32]) -> set[int]:
    """The nuclei of ``(H, W)`` instances that have a side in common with another one.

    Example:
        >>> sorted(touching(np.array([[1, 2, 0, 3]])))
        [1, 2]
    """
    pairs = [(labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])]
    return {
        int(label)
        for one, other in pairs
        for label in np.unique(np.stack([one, other])[:, (one != other) & (one > 0) & (other > 0)])
    }
