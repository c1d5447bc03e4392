# SPDX-License-Identifier: MIT
"""Tissue of the melanoma phantom: nests of tumour in skin, and what looks like them. Lengths are micrometres.

Tumour cells are large, irregular and pigmented; dust-like eumelanin fills their cytoplasm, though parts of a
tumour have next to none. What looks like tumour: nests of a naevus, whose cells are small and regular, and
whose basophilic, pheomelanic pigment is a metamer, of one colour with eumelanin to three channels, but ever
clearer beyond 670 nm; the basal layer of sun-damaged epidermis; macrophages that have eaten eumelanin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from microtome.phantoms._noise import smooth_noise
from microtome.phantoms.cubes.spectra import ABSORBERS, EOSIN, EUMELANIN, HAEMATOXYLIN, PHEOMELANIN, SCATTER

TUMOUR, NAEVUS, EPIDERMIS, DERMIS = range(4)
SPACING = (12.0, 9.0, 9.5, 15.0)  # between cells, by tissue
RADIUS = (4.1, 3.0, 3.1, 2.3)  # of nuclei
RADIUS_SPREAD = (0.20, 0.09, 0.12, 0.15)  # of its logarithm
ASPECT = (1.30, 1.12, 1.25, 2.60)
IRREGULAR = (0.12, 0.03, 0.05, 0.06)  # how far outlines leave the ellipse, of the radius
CHROMATIN = (0.62, 0.66, 0.60, 0.78)  # haematoxylin
PALE = (0.55, 0.15, 0.30, 0.05)  # what the middle of a nucleus lacks of it
BASOPHILIA = (0.12, 0.11, 0.10, 0.02)
CYTOPLASM = (0.48, 0.48, 0.54, 0.62)  # eosin
HAZE = (0.10, 0.09, 0.10, 0.07)  # scattering
NUCLEAR_HAZE = 0.06
JITTER = 0.22  # of the spacing
BEND, BEND_SIZE = 0.7, 5.0  # how far the borders of cells leave straight lines, and over what length
LOBES = (2, 3, 5)

EPIDERMAL_FIELDS, EPIDERMAL_SHARE = 0.5, (0.12, 0.28)
TUMOUR_SHARE, NAEVUS_SHARE = (0.35, 0.60), (0.25, 0.45)  # of what the epidermis, and the tumour, leave
NEST, NEST_EDGE, RIDGE = 42.0, 11.0, 26.0
FIBRE = 7.0

TUMOUR_PIGMENT, PIGMENT_OF_PATIENTS = 2.3, 0.15
NAEVUS_PIGMENT = 2.3
METAMER = (0.74, 0.26)
"""Pheomelanin and haematoxylin that look like eumelanin of 1 to the colour camera."""
PATCH, PATCH_EDGE, BETWEEN = 22.0, 3.0, 0.06  # pigment is patchy: size, sharpness, share between patches
CELL_SPREAD, GRAIN, GRAIN_SIZE, IN_NUCLEI = 0.40, 0.30, 2.4, 0.45
AMELANOTIC = 0.14  # share of the tumour at difficulty 1
LEFT, PALE_EDGE = 0.10, 12.0  # of its pigment; sharpness of the border
LENTIGO, LENTIGO_DEPTH = 1.3, 6.0
MACROPHAGES, MACROPHAGE_RADIUS, MACROPHAGE_PIGMENT = 4.0, (3.0, 6.0), 2.4  # on 10**4 square micrometres
STAINING = (0.18, 0.25)  # spread between patients: haematoxylin, eosin
THICKNESS, THICKNESS_SIZE = 0.07, 70.0
HARDEST = 2.5


@dataclass(frozen=True)
class Patient:
    """What the sections of a patient have in common."""

    haematoxylin: float  # strength of the stain
    eosin: float  # likewise
    pigment: float  # strength of the tumour's pigment


@dataclass(frozen=True, eq=False)
class Tissue:
    """A field of skin."""

    kind: NDArray[np.int8]  # ``(H, W)`` int8: tumour, naevus, epidermis or dermis
    concentrations: NDArray[np.float32]  # ``(5, H, W)`` float32, of `spectra.ABSORBERS`


@dataclass(frozen=True, eq=False)
class _Cells:
    """Cells of all tissues, and the one that each pixel belongs to."""

    owner: NDArray[np.intp]
    kind: NDArray[np.int8]
    cover: NDArray[np.float32]
    depth: NDArray[np.float32]


def draw_patient(difficulty: float, rng: np.random.Generator) -> Patient:
    """Draw how the sections of a patient are stained and pigmented."""
    apart = min(difficulty, HARDEST) * np.array([*STAINING, PIGMENT_OF_PATIENTS])
    return Patient(*(float(value) for value in np.exp(apart * rng.standard_normal(3).clip(-2, 2))))


def grow(size: int, mpp: float, patient: Patient, difficulty: float, rng: np.random.Generator) -> Tissue:
    """Grow a patient's field of skin, `size` pixels of `mpp` micrometres a side.

    `difficulty` is a factor on look-alikes and on parts of the tumour without pigment.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> grow(64, 1.0, draw_patient(1.0, rng), 1.0, rng).concentrations.shape
        (5, 64, 64)
    """
    difficulty = min(difficulty, HARDEST)
    plan, below = _lay_out(size, mpp, difficulty, rng)
    cells = _cells(plan, mpp, rng)
    kind = cells.kind[cells.owner]
    found = np.zeros((len(ABSORBERS), size, size), np.float32)
    found[HAEMATOXYLIN] = patient.haematoxylin * _haematoxylin(kind, cells, mpp, rng)
    found[EOSIN] = patient.eosin * _eosin(kind, cells, mpp, rng)
    found[EUMELANIN], other = _pigment(kind, below, cells, mpp, patient, difficulty, rng)
    found[PHEOMELANIN] = METAMER[0] * other
    found[HAEMATOXYLIN] += METAMER[1] * other
    found[SCATTER] = np.array(HAZE, np.float32)[kind] + NUCLEAR_HAZE * cells.cover
    thickness = np.exp(THICKNESS * smooth_noise((size, size), THICKNESS_SIZE / mpp, rng))
    return Tissue(kind, (found * thickness).clip(0).astype(np.float32))


def _lay_out(
    size: int, mpp: float, difficulty: float, rng: np.random.Generator
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The tissue of each pixel, and how far below the epidermis' surface towards the dermis it lies."""
    shape = (size, size)
    kind = np.full(shape, DERMIS, np.int8)
    below = np.full(shape, np.inf, np.float32)
    y, x = np.indices(shape, dtype=np.float32) * np.float32(mpp)
    turn = rng.uniform(0, 2 * np.pi)
    up = np.float32(np.cos(turn)) * y + np.float32(np.sin(turn)) * x
    up = up + 7 * smooth_noise(shape, RIDGE / mpp, rng)
    share = rng.uniform(*EPIDERMAL_SHARE)
    if rng.random() < EPIDERMAL_FIELDS:
        above = up - np.quantile(up, 1 - share)
        kind[above > 0] = EPIDERMIS
        below = above.astype(np.float32)
    for tissue, shares, wanted in ((TUMOUR, TUMOUR_SHARE, True), (NAEVUS, NAEVUS_SHARE, difficulty > 0)):
        height = smooth_noise(shape, NEST / mpp, rng) + np.float32(0.14) * smooth_noise(
            shape, NEST_EDGE / mpp, rng
        )
        share, free = rng.uniform(*shares), kind == DERMIS
        if wanted and free.any():
            kind[free & (height > np.quantile(height[free], 1 - share))] = tissue
    return kind, below


def _cells(kind: NDArray[np.int8], mpp: float, rng: np.random.Generator) -> _Cells:
    """Put cells on jittered lattices, one a tissue, and give each pixel to the nearest."""
    lattices = [_lattice(kind, tissue, mpp, rng) for tissue in range(len(SPACING))]
    centres = np.concatenate(lattices)
    of = np.repeat(np.arange(len(lattices), dtype=np.int8), [len(lattice) for lattice in lattices])
    count = len(centres)
    radius = np.array(RADIUS)[of] * np.exp(np.array(RADIUS_SPREAD)[of] * rng.standard_normal(count))
    stretch = np.sqrt(np.maximum(1, np.array(ASPECT)[of] * np.exp(0.12 * rng.standard_normal(count))))
    turn = rng.uniform(0, np.pi, count)
    phases = rng.uniform(0, 2 * np.pi, (len(LOBES), count))
    bumps = np.array(IRREGULAR)[of] * rng.standard_normal((len(LOBES), count))
    bent = np.indices(kind.shape) + 0.5 + smooth_noise((2, *kind.shape), BEND_SIZE / mpp, rng) * (BEND / mpp)
    places = bent.reshape(2, -1).T * mpp
    owner = cKDTree(centres).query(places)[1]
    y, x = (places - centres[owner]).T
    cosine, sine = np.cos(turn)[owner], np.sin(turn)[owner]
    along = (cosine * x + sine * y) / stretch[owner]
    across = (cosine * y - sine * x) * stretch[owner]
    around = np.arctan2(across, along)
    outline = 1 + sum(
        bump[owner] * np.cos(lobe * around + phase[owner])
        for lobe, bump, phase in zip(LOBES, bumps, phases, strict=True)
    )
    depth = radius[owner] * np.maximum(outline, 0.5) - np.hypot(along, across)
    depth = depth.reshape(kind.shape).astype(np.float32)
    return _Cells(owner.reshape(kind.shape), of, (depth / mpp + 0.5).clip(0, 1).astype(np.float32), depth)


def _lattice(kind: NDArray[np.int8], tissue: int, mpp: float, rng: np.random.Generator) -> NDArray:
    """Centres of the cells of a tissue: a jittered lattice of triangles, ``(n, 2)`` in micrometres."""
    spacing, side = SPACING[tissue], kind.shape[0] * mpp
    rows = np.arange(-spacing, side + spacing, spacing * np.sqrt(0.75))
    columns = np.arange(-spacing, side + spacing, spacing)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    x = x + spacing / 2 * (np.arange(len(rows)) % 2)[:, None]
    centres = np.stack([y.ravel(), x.ravel()], 1)
    centres = centres + rng.uniform(0, spacing, 2) + JITTER * spacing * rng.standard_normal(centres.shape)
    inside = (centres / mpp).astype(int).clip(0, kind.shape[0] - 1)
    return centres[kind[inside[:, 0], inside[:, 1]] == tissue]


def _haematoxylin(
    kind: NDArray[np.int8], cells: _Cells, mpp: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Haematoxylin of nuclei, some pale with a dark rim, and a little of the cytoplasm."""
    of, owner, count = cells.kind, cells.owner, len(cells.kind)
    level = (np.array(CHROMATIN)[of] * np.exp(0.2 * rng.standard_normal(count)))[owner]
    pale = (np.array(PALE)[of] * rng.uniform(0.3, 1.2, count))[owner]
    clumps = smooth_noise(kind.shape, 1.6 / mpp, rng) + smooth_noise(kind.shape, 0.9 / mpp, rng)
    inner = (cells.depth / 1.2 - 0.4).clip(0, 1)
    body = level * (1 - pale * inner) * (1 + (0.10 + 0.12 * pale) * clumps)
    return cells.cover * body + (1 - cells.cover) * np.array(BASOPHILIA)[kind]


def _eosin(
    kind: NDArray[np.int8], cells: _Cells, mpp: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Eosin of cytoplasm, and of the dermis' wavy bundles of collagen with clefts between them."""
    shape = kind.shape
    own = np.exp(0.22 * rng.standard_normal(len(cells.kind)))[cells.owner]
    grain = 1 + 0.10 * smooth_noise(shape, 1.5 / mpp, rng) + 0.12 * smooth_noise(shape, 14 / mpp, rng)
    y, x = np.indices(shape, dtype=np.float32) * np.float32(mpp)
    turn = rng.uniform(0, 2 * np.pi)
    phase = (np.cos(turn) * y + np.sin(turn) * x) * (2 * np.pi / FIBRE) + 5 * smooth_noise(
        shape, 40 / mpp, rng
    )
    waves = np.sin(phase + 1.5 * smooth_noise(shape, 9 / mpp, rng))
    cleft = 1 / (1 + np.exp(-6 * (waves + smooth_noise(shape, 16 / mpp, rng) - 1.6)))
    bundles = (1 + 0.35 * waves) * (1 - 0.9 * cleft)
    eosin = np.array(CYTOPLASM)[kind] * np.where(kind == DERMIS, bundles, own) * grain
    return (eosin * (1 - 0.6 * cells.cover)).clip(0)


def _pigment(
    kind: NDArray[np.int8],
    below: NDArray[np.float32],
    cells: _Cells,
    mpp: float,
    patient: Patient,
    difficulty: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Eumelanin, and the naevus' pigment as eumelanin that would look like it."""
    shape = kind.shape
    own = np.exp(CELL_SPREAD * rng.standard_normal(len(cells.kind)))[cells.owner]
    dust = np.exp(GRAIN * smooth_noise(shape, GRAIN_SIZE / mpp, rng))
    patches = 1 / (1 + np.exp(-PATCH_EDGE * smooth_noise(shape, PATCH / mpp, rng)))
    patches = BETWEEN + (1 - BETWEEN) * patches
    granules = own * dust * patches * (1 - (1 - IN_NUCLEI) * cells.cover)
    faint = smooth_noise(shape, NEST / mpp, rng)
    pale = faint - np.quantile(faint, 1 - min(AMELANOTIC * difficulty, 0.5))
    kept = LEFT + (1 - LEFT) / (1 + np.exp(PALE_EDGE * pale)) if difficulty else 1
    tumour = patient.pigment * TUMOUR_PIGMENT * granules * kept * (kind == TUMOUR)
    naevus = NAEVUS_PIGMENT * granules * (kind == NAEVUS)
    basal = difficulty * LENTIGO * np.exp(-below.clip(0) / LENTIGO_DEPTH) * dust * (kind == EPIDERMIS)
    basal = basal * (1 - 0.6 * cells.cover)
    eaten = difficulty * dust * _macrophages(kind, mpp, rng)
    return np.maximum(tumour + basal, eaten), naevus


def _macrophages(kind: NDArray[np.int8], mpp: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Eumelanin that macrophages of the dermis hold."""
    side = kind.shape[0]
    found = np.zeros(kind.shape, np.float32)
    for _ in range(rng.poisson(MACROPHAGES * (side * mpp) ** 2 / 1e4)):
        row, column = rng.integers(0, side, 2)
        radius, level = rng.uniform(*MACROPHAGE_RADIUS) / mpp, MACROPHAGE_PIGMENT * rng.uniform(0.7, 1.2)
        if kind[row, column] != DERMIS:
            continue
        reach = int(radius) + 2
        box = tuple(slice(max(0, at - reach), min(side, at + reach + 1)) for at in (row, column))
        y, x = np.ogrid[box]
        disk = (radius - np.hypot(y - row, x - column) + 0.5).clip(0, 1)
        found[box] = np.maximum(found[box], level * disk)
    return ndimage.gaussian_filter(found, 0.5 / mpp) * (kind == DERMIS)
