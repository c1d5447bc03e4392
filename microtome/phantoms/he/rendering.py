# SPDX-License-Identifier: MIT
"""How much haematoxylin and eosin the tissue of the H&E phantom binds.

Concentrations are optical densities (natural logarithm) along a stain vector of unit length, from 0.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from microtome.phantoms._noise import smooth_noise
from microtome.phantoms.he.tissue import EPITHELIAL, LYMPHOCYTE, STROMAL, Layout, Nucleus, Organ

LEVELS = {EPITHELIAL: 1.25, STROMAL: 1.30, LYMPHOCYTE: 1.85}  # haematoxylin of a nucleus
LEVEL_SPREAD = 0.24  # of its logarithm
CLUMPS = (5.5, 2.6)  # wavelengths of the chromatin, pixels
CLUMPED, CLUMPED_MORE = 0.22, 0.30  # contrast of the chromatin: of dark nuclei, and more in vesicular ones
PALING = 0.55  # of the middle of a vesicular nucleus
RIM, RIM_WIDTH = 0.45, 1.1
NUCLEOLI, NUCLEOLUS, NUCLEOLUS_RADIUS = 1.3, 0.8, 1.9  # expected number, haematoxylin, pixels
SHARED = 0.7  # of its haematoxylin that a nucleus adds where another one is
SOFT_SHARE, SOFT_BLUR = 0.12, 1.8  # nuclei out of focus at difficulty 1, and their blur in pixels
EOSIN_IN_NUCLEUS = 0.5
STRIDE = 2  # cells are parted on every second pixel
BORDER, BORDER_WIDTH = 0.30, 2.2
FIBRE, STREAKS = 0.55, 0.45  # eosin of the stroma, and contrast of its fibres
CLEFTS, CLEFT_EDGE = 1.7, 5.0
LUMEN_EDGE = 1.2  # pixels
DEBRIS = 0.05  # eosin in lumens
RED_CELL, RED_CELL_RADIUS, RED_CELLS = 1.5, 11.0, 1.5  # eosin, pixels, expected bunches on 10**5 pixels
RED_CELL_BOX = 14  # half the side of a square that holds one, pixels
BUNCH, BUNCH_SPREAD = 4, 18.0  # red cells of a bunch, and pixels between them
SMEARS, SMEAR, SMEAR_BLUR = 3.5, 0.65, 4.5  # haematoxylin that is no nucleus, on 10**4 pixels
SPECKS, SPECK = 1.0, 0.9
THICKNESS = 0.10  # spread of the section's thickness
AREA = 1e5


def concentrations(
    layout: Layout, organ: Organ, nuclei: list[Nucleus], difficulty: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The stain that each pixel of the tissue holds.

    `difficulty` is a factor on look-alikes, basophilia and nuclei out of focus.

    Returns:
        ``(2, H, W)`` float32, haematoxylin and eosin, at least 0, of the size of the layout.
    """
    shape = layout.height.shape
    nuclear, cover = _nuclei(nuclei, organ, shape, SOFT_SHARE * difficulty, rng)
    edge = np.float32(4 * LUMEN_EDGE / organ.gland)
    filled = _sigmoid((layout.lumen - layout.height) / edge)
    epithelial = _sigmoid((layout.height - layout.epithelium) / edge)
    eosin_cell, basophil = _cytoplasm(nuclei, organ, shape, rng)
    eosin = epithelial * eosin_cell + (1 - epithelial) * _stroma(layout, rng)
    eosin = np.maximum(eosin * filled, _red_cells(shape, rng)) + DEBRIS * (1 - filled)
    other = difficulty * (epithelial * basophil + _look_alikes(shape, rng)) * filled
    thickness = np.exp(THICKNESS * smooth_noise(shape, 70, rng))
    haematoxylin = nuclear + other * (1 - cover)
    both = np.stack([haematoxylin, eosin * (1 - (1 - EOSIN_IN_NUCLEUS) * cover)])
    return (both * thickness).clip(0).astype(np.float32)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return 1 / (1 + np.exp(-values.clip(-30, 30)))


def _nuclei(
    nuclei: list[Nucleus], organ: Organ, shape: tuple[int, ...], soft: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Haematoxylin of the nuclei, and how much of each pixel they cover."""
    clumps = sum(smooth_noise(shape, wavelength, rng) for wavelength in CLUMPS) / np.sqrt(len(CLUMPS))
    planes, cover = np.zeros((2, *shape), np.float32), np.zeros(shape, np.float32)
    for nucleus in nuclei:
        plane = planes[int(rng.random() < soft)]
        depth = (1 - nucleus.reach) * nucleus.radius
        own = (depth + 0.5).clip(0, 1)
        stain = own * _chromatin(nucleus, depth, organ, clumps[nucleus.box], rng)
        here = plane[nucleus.box]
        plane[nucleus.box] = np.where(cover[nucleus.box] > 0, here + SHARED * stain, stain)
        cover[nucleus.box] = np.maximum(cover[nucleus.box], own)
    if planes[1].any():
        planes[1] = ndimage.gaussian_filter(planes[1], SOFT_BLUR)
    return planes.sum(0), cover


def _chromatin(
    nucleus: Nucleus,
    depth: NDArray[np.float32],
    organ: Organ,
    clumps: NDArray[np.float32],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Haematoxylin inside a nucleus, by the distance from its outline."""
    spread = rng.uniform(0.4, 1.3) if nucleus.kind == EPITHELIAL else rng.uniform(0.0, 0.4)
    vesicular = np.float32(min(1.0, organ.vesicular * spread))
    level = LEVELS[nucleus.kind] * np.exp(LEVEL_SPREAD * rng.standard_normal())
    inner = ((depth - 1) / 3).clip(0, 1)
    body = 1 - PALING * vesicular * inner
    rim = RIM * vesicular * np.exp(-(((depth - 0.8) / RIM_WIDTH) ** 2))
    contrast = CLUMPED + CLUMPED_MORE * vesicular
    stain = body * (1 + contrast * clumps) + rim
    for _ in range(rng.poisson(NUCLEOLI * vesicular)):
        place = rng.uniform(-0.45, 0.45, 2) * nucleus.radius + nucleus.centre
        y = np.arange(nucleus.box[0].start, nucleus.box[0].stop)[:, None] + 0.5 - place[0]
        x = np.arange(nucleus.box[1].start, nucleus.box[1].stop)[None, :] + 0.5 - place[1]
        stain = stain + NUCLEOLUS * np.exp(-(x**2 + y**2) / (2 * NUCLEOLUS_RADIUS**2))
    return (level * stain).clip(0).astype(np.float32)


def _cytoplasm(
    nuclei: list[Nucleus], organ: Organ, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Eosin and haematoxylin of the epithelial cells, which are parted half-way between their nuclei."""
    centres = np.array([n.centre for n in nuclei if n.kind == EPITHELIAL] or [(0.0, 0.0)])
    coarse = np.indices(tuple(-(-side // STRIDE) for side in shape)).reshape(2, -1).T * STRIDE + STRIDE / 2
    distance, owner = cKDTree(centres).query(coarse, k=[1, 2])
    own = np.exp(0.18 * rng.standard_normal(len(centres)))[owner[:, 0]]
    gap = np.minimum(distance[:, 1] - distance[:, 0], 1e3)
    border = np.exp(-((gap / (2 * BORDER_WIDTH)) ** 2))
    near = (distance[:, 0] / organ.diameter - 0.5).clip(0, 1)
    emptied = organ.clear * near.clip(0, 0.35) / 0.35
    level, border, emptied = (_finer(values, shape) for values in (own, border, emptied))
    grain = 1 + 0.16 * smooth_noise(shape, 3, rng) + 0.12 * smooth_noise(shape, 9, rng)
    eosin = organ.eosin * level * grain * (1 - emptied) + BORDER * border
    return eosin, organ.basophilia * level * grain * (1 - emptied)


def _finer(values: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values on every second pixel, on every pixel."""
    side = tuple(-(-length // STRIDE) for length in shape)
    image = values.reshape(side).astype(np.float32).repeat(STRIDE, 0).repeat(STRIDE, 1)
    return ndimage.uniform_filter(image, STRIDE + 1)[: shape[0], : shape[1]]


def _stroma(layout: Layout, rng: np.random.Generator) -> NDArray[np.float32]:
    """Eosin of the fibres of the stroma, which split, fade and leave clefts."""
    shape = layout.height.shape
    coarse = np.sin(layout.fibres + 2.0 * smooth_noise(shape, 12, rng))
    fine = np.sin(2.3 * layout.fibres + 3.0 * smooth_noise(shape, 20, rng))
    faded = _sigmoid(2 * smooth_noise(shape, 25, rng))
    grain = 1 + 0.20 * smooth_noise(shape, 30, rng) + 0.12 * smooth_noise(shape, 3, rng)
    cleft = _sigmoid(CLEFT_EDGE * (coarse + smooth_noise(shape, 18, rng) - CLEFTS))
    fibres = FIBRE * (1 + STREAKS * faded * (0.6 * coarse + 0.4 * fine)) * grain
    return (fibres * (1 - cleft)).clip(0).astype(np.float32)


def _red_cells(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Eosin of red blood cells, in bunches."""
    eosin = np.zeros(shape, np.float32)
    for _ in range(rng.poisson(RED_CELLS * np.prod(shape) / AREA)):
        middle = rng.uniform(0, shape)
        for _ in range(1 + rng.poisson(BUNCH)):
            place = middle + BUNCH_SPREAD * rng.standard_normal(2)
            low = np.clip(place - RED_CELL_BOX, 0, shape).astype(int)
            high = np.clip(place + RED_CELL_BOX + 1, 0, shape).astype(int)
            y, x = np.mgrid[low[0] : high[0], low[1] : high[1]]
            depth = RED_CELL_RADIUS * rng.uniform(0.85, 1.1) - np.hypot(
                y + 0.5 - place[0], x + 0.5 - place[1]
            )
            here = eosin[low[0] : high[0], low[1] : high[1]]
            np.maximum(here, RED_CELL * (depth + 0.5).clip(0, 1) * (0.75 + 0.25 * (depth < 3)), out=here)
    return eosin


def _look_alikes(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Haematoxylin that belongs to no nucleus: smears of nuclei of other planes, and specks of debris."""
    found = np.zeros(shape, np.float32)
    for number, amount, blur in ((SMEARS, SMEAR, SMEAR_BLUR), (SPECKS, SPECK, 1.2)):
        spots = np.zeros(shape, np.float32)
        count = rng.poisson(number * np.prod(shape) / 1e4)
        rows, columns = (rng.integers(0, side, count) for side in shape)
        spots[rows, columns] = rng.uniform(0.3, 1.0, count)
        found += amount * 2 * np.pi * np.float32(blur) ** 2 * ndimage.gaussian_filter(spots, blur)
    return found
