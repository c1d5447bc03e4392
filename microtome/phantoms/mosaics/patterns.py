# SPDX-License-Identifier: MIT
"""The patterns of melanocytic lesions at the dermal-epidermal junction, as a confocal microscope sees them.

Each is a field of zero mean and unit spread, so that patterns differ in their texture, not in their light.
After Scope et al. 2007 (doi:10.1016/j.jaad.2007.05.044) and Kose et al. 2021
(doi:10.1016/j.media.2020.101841):

* ring: dark dermal papillae, each with a rim of bright cells of its own;
* meshwork: the same papillae, smaller, in a net of broad bright walls that neighbours share;
* nest: compact round clods of bright cells, with dark clefts around them;
* aspecific: none of these; scattered bright plump and dendritic cells in a blotchy ground;
* background: the honeycomb of keratinocytes above the junction with furrows, or collagen below it.

Ring and meshwork lie on one lattice of papillae, so that one turns into the other without a seam. Lengths
are µm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.phantoms.mosaics.cells import Cells, cells
from microtome.phantoms.mosaics.noise import smooth_noise
from microtome.phantoms.mosaics.sheet import ASPECIFIC, BACKGROUND, MESHWORK, NEST, RING

Field = NDArray[np.float32]
PAPILLAE = 84.0  # from one papilla to the next
KERATINOCYTE = 22.0  # diameter of the cells of the honeycomb
GRAIN = 11.0  # of the bright cells that rims, walls and nests are made of
CLODS = 98.0  # from one nest to the next
MEMBER = 17.0  # of the plump cells in nests
PLUMP = 44.0  # from one scattered bright cell to the next
FURROWS = 210.0
BENDS = ((90.0, 7.0), (30.0, 2.5))  # wavelength and amplitude of the bends of every outline
DEFORMED = 0.35  # by how much walls of the meshwork are thinner here and thicker there, at difficulty 1
SHARP = 2.5  # over which an outline goes from dark to bright


@dataclass(frozen=True, eq=False)
class Skin:
    """A field of skin, on which patterns are made as they are asked for.

    Attributes:
        y: ``(H, W)`` float32, row of each pixel.
        x: Column.
        mpp: Size of a pixel.
        coarseness: Factor on the size of papillae and nests, of a patient.
        deformed: Factor on `DEFORMED`.
        rng: Draws what each pattern needs.
    """

    y: Field
    x: Field
    mpp: float
    coarseness: float
    deformed: float
    rng: np.random.Generator

    def noise(self, wavelength: float) -> Field:
        """Smooth noise of unit variance."""
        return smooth_noise(self.y.shape, max(wavelength / self.mpp, 1.5), self.rng)

    def cells(self, spacing: float, jitter: float) -> Cells:
        """Cells of a lattice."""
        return cells(self.y, self.x, spacing, jitter, self.rng)

    @cached_property
    def papillae(self) -> Cells:
        """Of ring and meshwork."""
        return self.cells(self.coarseness * PAPILLAE, 0.36)

    @cached_property
    def grains(self) -> Field:
        """Bright cells close together, each as bright as it is, 0..1."""
        found = self.cells(GRAIN, 0.4)
        return np.exp(-((found.nearest / np.float32(0.36 * GRAIN)) ** 2)) * (0.25 + 0.75 * found.value)


def grow(
    shape: tuple[int, int], mpp: float, coarseness: float, deformed: float, rng: np.random.Generator
) -> Skin:
    """A field of skin of so many pixels, whose outlines are bent."""
    places = np.indices(shape, np.float32) * np.float32(mpp)
    for length, amplitude in BENDS:
        for axis in places:
            axis += np.float32(amplitude) * smooth_noise(shape, max(length / mpp, 2.0), rng)
    return Skin(places[0], places[1], mpp, coarseness, deformed, rng)


def ring(skin: Skin) -> Field:
    """Edged papillae: a dark hole, a thin rim of bright cells, a grey ground between rims."""
    found = skin.papillae
    radius = skin.coarseness * (21 + 9 * found.value)
    beyond = found.nearest - radius
    rim = np.exp(-(((beyond - 6) / 6) ** 2)) * (0.35 + 1.7 * skin.grains)
    hole = soft(-beyond) * (0.85 - 0.6 * np.exp(-((found.nearest / 6) ** 2)) * (found.value > 0.5))
    return 1.6 * rim - 1.1 * hole + 0.45 * skin.grains + 0.15 * skin.noise(30)


def meshwork(skin: Skin) -> Field:
    """A net: broad bright walls that neighbouring papillae share, around dark holes of uneven size."""
    found = skin.papillae
    uneven = np.exp(np.float32(DEFORMED * skin.deformed) * skin.noise(120))
    half = skin.coarseness * (13 + 8 * found.value) * uneven
    wall = soft(half - 0.5 * (found.second - found.nearest))
    return 1.5 * wall * (0.7 + 0.55 * skin.grains) + 0.2 * skin.noise(25)


def nest(skin: Skin) -> Field:
    """Clods of bright cells, most of them apart, in a fibrous grey ground."""
    found = skin.cells(skin.coarseness * CLODS, 0.4)
    radius = skin.coarseness * (27 + 17 * found.value) * (found.value > 0.12)
    beyond = found.nearest - radius
    members = skin.cells(MEMBER, 0.35)
    clod = soft(-beyond) * (0.45 + 1.5 * soft(0.36 * MEMBER - members.nearest, 3.5))
    cleft = np.exp(-(((beyond - 7) / 6) ** 2))
    return 1.5 * clod - 0.6 * cleft + 0.3 * fibres(skin, 5.0, 60.0)


def aspecific(skin: Skin) -> Field:
    """Neither net nor ring nor clod: blotches, scattered plump cells, and dendrites that lead nowhere."""
    found = skin.cells(PLUMP, 0.5)
    plump = soft(6 + 5 * found.value - found.nearest) * (found.value > 0.55)
    winding = np.exp(-((skin.noise(34) / 0.13) ** 2)) * soft(40 * skin.noise(80))
    blotches = 0.75 * skin.noise(55) + 0.45 * skin.noise(20) + 0.3 * skin.noise(9)
    return blotches + 1.6 * plump + 1.3 * winding


def background(skin: Skin) -> Field:
    """What is not at the junction: honeycomb of keratinocytes with furrows, or bundles of collagen."""
    found = skin.cells(KERATINOCYTE, 0.3)
    walls = np.exp(-((found.second - found.nearest) / np.float32(4.5))) * (0.7 + 0.3 * found.value)
    furrow = np.exp(-((skin.noise(FURROWS) / 0.10) ** 2))
    honeycomb = standard(walls - 0.5 * furrow)
    bundles = standard(fibres(skin, 10.0, 150.0))
    below = soft(90 * (skin.noise(300) - np.float32(0.35)), 40)
    return honeycomb + below * (bundles - honeycomb)


PATTERNS: Mapping[int, Callable[[Skin], Field]] = {
    BACKGROUND: background,
    MESHWORK: meshwork,
    NEST: nest,
    RING: ring,
    ASPECIFIC: aspecific,
}
"""What draws each tissue, by its place among the classes."""


def fibres(skin: Skin, thickness: float, length: float) -> Field:
    """Fibres of a thickness and a length, which bend with the skin."""
    turn = skin.rng.uniform(0, np.pi) + 0.5 * skin.noise(3 * length)
    cosine, sine = np.cos(turn.mean()), np.sin(turn.mean())
    bend = np.float32(0.5 * length) * turn
    across = (np.float32(cosine) * skin.y + np.float32(sine) * skin.x + bend) / np.float32(thickness)
    along = (np.float32(cosine) * skin.x - np.float32(sine) * skin.y) / np.float32(length)
    across, along = across - across.min(), along - along.min()
    table = skin.rng.standard_normal((int(across.max()) + 2, int(along.max()) + 2)).astype(np.float32)
    return ndimage.map_coordinates(table, (across, along), order=1)


def soft(distance: Field, width: float = SHARP) -> Field:
    """How much of a pixel lies inside an outline, 0 to 1, by the distance from it, positive inside."""
    return 1 / (1 + np.exp((-distance / np.float32(0.5 * width)).clip(-30, 30)))


def standard(field: Field) -> Field:
    """A field of zero mean and unit spread."""
    return (field - field.mean()) / max(float(field.std()), np.finfo(np.float32).tiny)
