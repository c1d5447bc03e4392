# SPDX-License-Identifier: MIT
"""Tissue of the H&E phantom: glands, stroma and lumens, and nuclei in them. Lengths are pixels of 0.25 µm.

One smooth field is read at two heights: above the upper is lumen, between them epithelium, below stroma, so
that epithelium lines lumens. Nuclei are star-shaped. Some are put against another one, or partly under it;
the pixels that two share belong to the first in the truth, while the stain of both adds up.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.phantoms._noise import smooth_noise

MARGIN = 32  # the field is grown this much larger than the tile, so that its border is like its middle
EPITHELIAL, STROMAL, LYMPHOCYTE = range(3)
STROMAL_COVERAGE = 0.12  # of the stroma, by nuclei
STROMAL_SHAPE = (17.0, 0.18, 2.6)  # diameter, its spread (logarithm), aspect
LYMPHOCYTE_SHAPE = (19.0, 0.08, 1.08)
ASPECT_SPREAD = 0.12
LOBES = np.arange(2, 6)  # angular frequencies by which an outline leaves the ellipse
TRIES = 12
GAP = 1.18  # nuclei that do not touch keep their centres this far apart, of the sum of their radii
CLOSENESS = (0.80, 1.02)  # the same for nuclei that do
MOST_HIDDEN = 0.3  # of a nucleus, under another
FIBRE_PERIOD, FIBRE_WAVE, FIBRE_BEND = 9.0, 60.0, 7.0  # pixels, pixels, radians
SMALLEST = 12  # pixels; what the tile's border leaves of a nucleus below that is no object


@dataclass(frozen=True)
class Organ:
    """What tells the tissue of an organ apart."""

    diameter: float  # median diameter of epithelial nuclei, pixels
    spread: float  # standard deviation of its logarithm
    aspect: float  # median ratio of the axes
    irregular: float  # how far outlines leave the ellipse, of the radius
    coverage: float  # share of the epithelium that nuclei cover
    stroma: float  # share of the tile that is stroma
    lumen: float  # share of the tile that is empty
    lymphocytes: float  # share of the nuclei in the stroma that are lymphocytes
    gland: float  # size of glands or nests, pixels
    vesicular: float  # 0: nuclei evenly dark; 1: pale with a dark rim and nucleoli
    eosin: float  # of the cytoplasm
    clear: float  # share of the cytoplasm that is empty, as fat and glycogen leave it
    basophilia: float  # haematoxylin of the cytoplasm
    polar: bool = False  # whether nuclei stand across the wall of the gland


def _organ(
    shape: tuple[float, ...], tissue: tuple[float, ...], stain: tuple[float, ...], **more: bool
) -> Organ:
    """The attributes in their order: of nuclei, of the tissue, and of stains."""
    return Organ(*shape, *tissue, *stain, **more)


ORGANS = {
    "breast": _organ((25, 0.17, 1.25, 0.05), (0.36, 0.45, 0.06, 0.25, 120), (0.40, 0.55, 0.10, 0.15)),
    "kidney": _organ((20, 0.12, 1.10, 0.04), (0.19, 0.20, 0.08, 0.20, 130), (0.25, 0.45, 0.75, 0.03)),
    "liver": _organ((29, 0.14, 1.08, 0.03), (0.26, 0.12, 0.05, 0.10, 150), (0.60, 0.90, 0.05, 0.10)),
    "prostate": _organ(
        (28, 0.10, 1.12, 0.03), (0.36, 0.40, 0.14, 0.10, 110), (0.75, 0.50, 0.30, 0.10), polar=True
    ),
    "bladder": _organ((26, 0.20, 1.30, 0.06), (0.38, 0.25, 0.10, 0.20, 140), (0.35, 0.60, 0.05, 0.25)),
    "colon": _organ(
        (32, 0.14, 1.80, 0.04), (0.44, 0.30, 0.13, 0.30, 130), (0.30, 0.50, 0.10, 0.28), polar=True
    ),
    "stomach": _organ((20, 0.12, 1.10, 0.05), (0.46, 0.20, 0.20, 0.30, 100), (0.05, 0.40, 0.05, 0.22)),
    "lung": _organ((26, 0.20, 1.25, 0.06), (0.32, 0.35, 0.16, 0.30, 120), (0.50, 0.55, 0.10, 0.15)),
    "brain": _organ((22, 0.20, 1.20, 0.04), (0.15, 0.10, 0.03, 0.20, 165), (0.45, 0.50, 0.10, 0.05)),
}
"""By eye from MoNuSeg 2018 and textbooks; sizes so that medians of whole nuclei are near those of its labels,
18 to 29 pixels across (diameter of a circle of the same area), 4.5 to 7 µm."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where what is, on the tile with its margin."""

    height: NDArray[np.float32]  # ``(H, W)`` float32, the smooth field
    epithelium: float  # its value where epithelium begins
    lumen: float  # its value where the lumen begins
    fibres: NDArray[np.float32]  # ``(H, W)`` float32, phase of the fibres of the stroma, radians


@dataclass(frozen=True, eq=False)
class Nucleus:
    """One nucleus."""

    kind: int  # ``EPITHELIAL``, ``STROMAL`` or ``LYMPHOCYTE``
    centre: tuple[float, float]  # row and column on the tile with its margin
    radius: float  # geometric mean of its half axes
    box: tuple[slice, slice]  # the window that holds it
    reach: NDArray[np.float32]  # ``(h, w)`` float32 in that window: 0 in the centre, 1 on the outline


@dataclass(eq=False)
class _Growing:
    """Nuclei placed so far, and the labels they give."""

    labels: NDArray[np.int32]
    nuclei: list[Nucleus] = field(default_factory=list)
    centres: NDArray[np.float64] = field(default_factory=lambda: np.empty((64, 2)))
    axes: NDArray[np.float64] = field(default_factory=lambda: np.empty((64, 3)))

    def add(self, nucleus: Nucleus, axes: tuple[float, float, float]) -> None:
        count = len(self.nuclei)
        if count == len(self.centres):
            self.centres = np.concatenate([self.centres, np.empty_like(self.centres)])
            self.axes = np.concatenate([self.axes, np.empty_like(self.axes)])
        self.centres[count], self.axes[count] = nucleus.centre, axes
        self.nuclei.append(nucleus)
        window = self.labels[nucleus.box]
        window[(nucleus.reach < 1) & (window == 0)] = count + 1


def lay_out(organ: Organ, size: int, rng: np.random.Generator) -> Layout:
    """Draw the glands, stroma and lumens of an organ, `size` pixels a side without the margin."""
    shape = (size + 2 * MARGIN, size + 2 * MARGIN)
    height = smooth_noise(shape, organ.gland, rng) + np.float32(0.12) * smooth_noise(shape, 14, rng)
    epithelium, lumen = np.quantile(height, [organ.stroma, 1 - organ.lumen])
    rows, columns = np.indices(shape, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.float32(np.cos(angle)) * rows + np.float32(np.sin(angle)) * columns
    bend = np.float32(FIBRE_BEND) * smooth_noise(shape, FIBRE_WAVE, rng)
    return Layout(
        height, float(epithelium), float(lumen), along * np.float32(2 * np.pi / FIBRE_PERIOD) + bend
    )


def place_nuclei(
    layout: Layout, organ: Organ, touching: float, rng: np.random.Generator
) -> tuple[list[Nucleus], NDArray[np.int32]]:
    """Put nuclei into the tissue, a share of them (`touching`) against another one, or partly under it.

    Returns:
        The nuclei, and ``(H, W)`` labels: the place of a nucleus in that list, from 1.
    """
    growing = _Growing(np.zeros(layout.height.shape, np.int32))
    epithelium = (layout.height > layout.epithelium) & (layout.height < layout.lumen)
    stroma = layout.height <= layout.epithelium
    steepest = np.gradient(layout.height), np.gradient(layout.fibres)
    glands, fibres = (np.arctan2(*slopes).astype(np.float32) for slopes in steepest)
    shape = (organ.diameter, organ.spread, organ.aspect)
    count = _count(epithelium, organ.coverage, organ.diameter)
    for kind, zone, number, wanted, turns in (
        (EPITHELIAL, epithelium, count, shape, glands if organ.polar else None),
        (STROMAL, stroma, _strewn(stroma, 1 - organ.lymphocytes), STROMAL_SHAPE, fibres + np.pi / 2),
        (LYMPHOCYTE, stroma, _strewn(stroma, organ.lymphocytes), LYMPHOCYTE_SHAPE, None),
    ):
        _fill(growing, kind, zone, number, wanted, turns, organ.irregular, touching, rng)
    return growing.nuclei, growing.labels


def _count(zone: NDArray[np.bool_], coverage: float, diameter: float) -> int:
    return round(coverage * float(zone.sum()) / (np.pi / 4 * diameter**2))


def _strewn(stroma: NDArray[np.bool_], share: float) -> int:
    return _count(stroma, STROMAL_COVERAGE * share, STROMAL_SHAPE[0])


def _fill(
    growing: _Growing,
    kind: int,
    zone: NDArray[np.bool_],
    number: int,
    shape: tuple[float, float, float],
    turns: NDArray[np.float32] | None,
    irregular: float,
    touching: float,
    rng: np.random.Generator,
) -> None:
    """Put nuclei of one kind into a zone, as many of a number as find a place."""
    places = np.flatnonzero(zone)
    first = len(growing.nuclei)
    for _ in range(number if len(places) else 0):
        radius = shape[0] / 2 * np.exp(shape[1] * rng.standard_normal())
        stretch = np.sqrt(max(1.0, shape[2] * np.exp(ASPECT_SPREAD * rng.standard_normal())))
        lobes = irregular * 2 / LOBES * rng.standard_normal(len(LOBES)), rng.uniform(0, 2 * np.pi, len(LOBES))
        beside = rng.random() < touching and len(growing.nuclei) > first
        for _ in range(TRIES):
            centre = np.array(divmod(int(rng.choice(places)), zone.shape[1]), float) + rng.uniform(0, 1, 2)
            turn = float(turns[tuple(centre.astype(int))]) if turns is not None else rng.uniform(0, np.pi)
            axes = (radius * stretch, radius / stretch, turn + 0.2 * rng.standard_normal())
            if beside:
                centre = _against(growing, first, axes, rng)
            if not _inside(centre, zone) or (not beside and _near(growing, centre, radius)):
                continue
            nucleus = _shape(kind, centre, axes, lobes, zone.shape)
            if _fits(growing.labels[nucleus.box], nucleus.reach < 1, apart=not beside):
                growing.add(nucleus, axes)
                break


def _against(
    growing: _Growing, first: int, axes: tuple[float, float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """A centre by which a nucleus touches a random other one."""
    other = int(rng.integers(first, len(growing.nuclei)))
    direction = rng.uniform(0, 2 * np.pi)
    both = _extent(tuple(growing.axes[other]), direction) + _extent(axes, direction)
    distance = both * rng.uniform(*CLOSENESS)
    return growing.centres[other] + distance * np.array([np.sin(direction), np.cos(direction)])


def _extent(axes: tuple[float, float, float], direction: float) -> float:
    """How far an ellipse reaches from its centre."""
    long, short, turn = axes
    return 1 / np.hypot(np.cos(direction - turn) / long, np.sin(direction - turn) / short)


def _inside(centre: NDArray[np.float64], zone: NDArray[np.bool_]) -> bool:
    row, column = np.floor(centre).astype(int)
    return 0 <= row < zone.shape[0] and 0 <= column < zone.shape[1] and bool(zone[row, column])


def _near(growing: _Growing, centre: NDArray[np.float64], radius: float) -> bool:
    count = len(growing.nuclei)
    apart = np.hypot(*(growing.centres[:count] - centre).T)
    mean = np.sqrt(growing.axes[:count, 0] * growing.axes[:count, 1])
    return bool((apart < GAP * (mean + radius)).any())


def _shape(
    kind: int,
    centre: NDArray[np.float64],
    axes: tuple[float, float, float],
    lobes: tuple[NDArray[np.float64], NDArray[np.float64]],
    size: tuple[int, ...],
) -> Nucleus:
    """The outline of a nucleus in its window."""
    long, short, turn = axes
    half = long * 1.25 + 2
    box = tuple(
        slice(max(0, int(place - half)), min(length, int(place + half) + 1))
        for place, length in zip(centre, size, strict=True)
    )
    y = np.arange(box[0].start, box[0].stop)[:, None] + 0.5 - centre[0]
    x = np.arange(box[1].start, box[1].stop)[None, :] + 0.5 - centre[1]
    along = (np.cos(turn) * x + np.sin(turn) * y) / long
    across = (np.cos(turn) * y - np.sin(turn) * x) / short
    around = np.arctan2(across, along)
    outline = 1 + sum(
        amount * np.cos(lobe * around + phase) for lobe, amount, phase in zip(LOBES, *lobes, strict=True)
    )
    reach = np.hypot(along, across) / np.maximum(outline, 0.6)
    middle = (float(centre[0]), float(centre[1]))
    return Nucleus(kind, middle, float(np.sqrt(long * short)), box, reach.astype(np.float32))


def _fits(window: NDArray[np.int32], own: NDArray[np.bool_], *, apart: bool) -> bool:
    """Whether a nucleus finds a place: in one piece, and hidden little enough."""
    taken = own & (window > 0)
    if apart or not taken.any():
        return not taken.any() and bool(own.any())
    visible = own & ~taken
    return taken.sum() <= MOST_HIDDEN * own.sum() and ndimage.label(visible)[1] == 1


def crop_labels(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """The labels of the tile without its margin and slivers at the border, numbered from 1 without gaps."""
    inner = labels[MARGIN:-MARGIN, MARGIN:-MARGIN]
    sizes = np.bincount(inner.ravel())
    kept = sizes >= SMALLEST
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[inner]
