# SPDX-License-Identifier: MIT
"""How much haematoxylin and eosin the sections of the slide phantom bind: fields on their nodes, and nuclei.

Concentrations are optical densities (natural logarithm) along a stain vector of unit length, from 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microtome.phantoms.slides.lattice import STEP, Field, soft
from microtome.phantoms.slides.look_alikes import LookAlikes
from microtome.phantoms.slides.skin import Skin

PITCH = 6.6
"""Micrometres between the places where a nucleus may be."""
JITTER = 0.36  # of the pitch, by which it leaves its place
TUMOUR, EPIDERMAL, FIBROBLAST, LYMPHOCYTE, SHEATH = range(5)
RADIUS = (3.1, 3.2, 3.3, 2.7, 3.1)  # geometric mean of half axes, µm, by kind
ASPECT = (1.45, 1.2, 3.2, 1.05, 1.4)
DARKNESS = (1.45, 1.05, 1.25, 1.7, 1.4)  # haematoxylin
SPREAD = (0.16, 0.18, 0.25, 0.1, 0.16)  # of the logarithm of radius and darkness
BASOPHIL = 0.42  # haematoxylin between the nuclei of a tumour
CLEFT = 7.0  # width of the gap between tumour and stroma, µm
HORNY = 12.0  # thickness of the horny layer, µm
STROMA = 55.0  # width of the loose stroma around nests, µm


@dataclass(frozen=True, eq=False)
class Nuclei:
    """Nuclei of a section, float32, one value each.

    Attributes:
        y: Place on the slide, µm.
        x: Likewise.
        long: Half axis, µm.
        short: Half axis, µm.
        turn: Direction of the long axis, radians from the direction of x towards that of y.
        stain: Haematoxylin.
    """

    y: Field
    x: Field
    long: Field
    short: Field
    turn: Field
    stain: Field


@dataclass(frozen=True, eq=False)
class Stained:
    """A stained section.

    Attributes:
        top: Place of its first row of nodes on the slide, µm.
        left: Place of its first column, µm.
        ground: ``(2, H, W)`` float32, haematoxylin and eosin on the nodes, without nuclei.
        nuclei: Its nuclei.
    """

    top: float
    left: float
    ground: Field
    nuclei: Nuclei


@dataclass(eq=False)
class _Canvas:
    """What is painted so far, each layer over the last."""

    haematoxylin: Field
    eosin: Field
    density: Field  # share of the places that hold a nucleus
    kind: NDArray[np.uint8]

    def paint(self, cover: Field, haematoxylin: Field | float, eosin: Field | float) -> None:
        self.haematoxylin += cover * (haematoxylin - self.haematoxylin)
        self.eosin += cover * (eosin - self.eosin)

    def populate(self, where: NDArray[np.bool_], kind: int, density: float) -> None:
        self.density[where] = density
        self.kind[where] = kind


def stain(
    skin: Skin, nests: Field, look_alikes: LookAlikes, difficulty: float, rng: np.random.Generator
) -> Stained:
    """Stain a section with nests and look-alikes, whose fields are distances from borders in µm.

    `difficulty` is a factor on how basaloid look-alikes are.
    """
    canvas = _dermis(skin, nests, rng)
    _paint_epidermis(canvas, skin, look_alikes, rng)
    _paint_look_alikes(canvas, skin, look_alikes, difficulty, rng)
    _paint_nests(canvas, skin, nests, rng)
    inside = soft(skin.inside, 3)
    thickness = np.exp(0.09 * skin.frame.noise(150, rng)) * inside
    canvas.density[skin.inside < 3] = 0
    ground = np.stack([canvas.haematoxylin, canvas.eosin]) * thickness
    nuclei = _place_nuclei(canvas, skin, nests, rng)
    return Stained(skin.frame.top, skin.frame.left, ground.clip(0).astype(np.float32), nuclei)


def _dermis(skin: Skin, nests: Field, rng: np.random.Generator) -> _Canvas:
    """Bundles of collagen with clefts between them, loose below the epidermis and around the tumour."""
    frame = skin.frame
    slope = rng.uniform(-0.1, 0.1)
    bend = 9 * frame.noise(240, rng) + 2.2 * frame.noise(60, rng)
    phase = (frame.depth + np.float32(slope) * frame.across) * np.float32(2 * np.pi / 34) + bend
    bundles, fine = np.sin(phase) * (0.55 + 0.45 * frame.noise(70, rng)), np.sin(3.1 * phase + bend)
    loose = np.maximum(soft(skin.floor + 45 - frame.depth, 40), soft(nests + STROMA, 30))
    cleft = soft(bundles - 0.55 + 0.9 * frame.noise(22, rng) - 1.1 * (1 - loose), 0.7) * (1 - loose)
    eosin = (0.62 + 0.2 * bundles + 0.08 * fine + 0.06 * frame.noise(12, rng)) * (1 - 0.85 * cleft)
    eosin = eosin * (1 - 0.42 * loose) + 0.07 * loose * frame.noise(8, rng)
    haematoxylin = 0.05 + 0.09 * loose
    density = np.where(loose > 0.5, 0.085, 0.035) * (0.6 + 0.6 * soft(frame.noise(60, rng), 1))
    kind = np.full(frame.shape, FIBROBLAST, np.uint8)
    return _Canvas(
        haematoxylin.astype(np.float32), eosin.astype(np.float32), density.astype(np.float32), kind
    )


def _paint_epidermis(canvas: _Canvas, skin: Skin, others: LookAlikes, rng: np.random.Generator) -> None:
    frame = skin.frame
    living = np.maximum(np.minimum(skin.floor - frame.depth, frame.depth), others.keratosis)
    height = (frame.depth / skin.floor).clip(0, 1)
    canvas.paint(soft(living), 0.1 + 0.22 * height**4, 0.62 - 0.2 * height + 0.05 * frame.noise(7, rng))
    canvas.populate(living > 2, EPIDERMAL, 0.42)
    canvas.populate((living > 2) & (skin.floor - frame.depth < 11), EPIDERMAL, 0.8)
    horny = np.minimum(frame.depth + HORNY, -frame.depth)
    canvas.paint(soft(horny, 3), 0.04, 0.75 * soft(frame.noise(6, rng), 0.8))
    canvas.populate(frame.depth < 0, EPIDERMAL, 0)


def _paint_look_alikes(
    canvas: _Canvas, skin: Skin, others: LookAlikes, difficulty: float, rng: np.random.Generator
) -> None:
    """The more difficult, the nearer to the colours of tumour."""
    frame, like = skin.frame, min(0.45 + 0.5 * difficulty, 1.0)
    canvas.paint(soft(others.infiltrate, 12) * 0.6, 0.25, 0.3)
    canvas.populate(others.infiltrate > 0, LYMPHOCYTE, 0.78)
    grain = 0.05 * frame.noise(7, rng)
    canvas.paint(soft(others.basaloid), BASOPHIL * like + grain, 0.42 - 0.12 * like + grain)
    canvas.populate(others.basaloid > 1, SHEATH, 0.5 + 0.4 * like)
    lamellae = 0.5 + 0.18 * np.sin(others.keratin * np.float32(2 * np.pi / 6.5) + 1.5 * frame.noise(20, rng))
    canvas.paint(soft(others.keratin), 0.03, lamellae)
    canvas.paint(soft(others.hair), 0.55, 0.75)
    canvas.populate((others.keratin > -1) | (others.hair > -1), SHEATH, 0)


def _paint_nests(canvas: _Canvas, skin: Skin, nests: Field, rng: np.random.Generator) -> None:
    frame = skin.frame
    gap = np.minimum(nests + CLEFT, -nests) - 4.5 * soft(-frame.noise(45, rng) - 0.2, 0.6)
    canvas.paint(soft(gap) * 0.8, 0.03, 0.05)
    canvas.populate((gap > 0) & (nests < 0), FIBROBLAST, 0)
    stroma = (nests > -STROMA) & (nests < -CLEFT) & (canvas.kind == FIBROBLAST)
    canvas.populate(stroma, FIBROBLAST, 0.14)
    grain = 0.06 * frame.noise(8, rng)
    canvas.paint(soft(nests), BASOPHIL + grain, 0.3 + grain)
    canvas.populate(nests > 0.5, TUMOUR, 0.86)
    canvas.populate((nests > 0.5) & (nests < 8), TUMOUR, 1.0)


def _place_nuclei(canvas: _Canvas, skin: Skin, nests: Field, rng: np.random.Generator) -> Nuclei:
    """At most one nucleus at each place; in the dermis along fibres, at the border of nests across it."""
    frame = skin.frame
    rows, columns = (int(side * STEP / PITCH) for side in frame.shape)
    places = np.indices((rows, columns)).reshape(2, -1).T + 0.5
    places = (places + rng.uniform(-JITTER, JITTER, places.shape)) * PITCH
    node = tuple((places / STEP).astype(int).T)
    chance = rng.random(len(places))
    random = rng.standard_normal((3, len(places)))
    kept = chance < canvas.density[node]
    places, random, node = places[kept], random[:, kept], tuple(axis[kept] for axis in node)
    kind = canvas.kind[node]
    radius = np.array(RADIUS)[kind] * np.exp(np.array(SPREAD)[kind] * random[0])
    stretch = np.sqrt(np.array(ASPECT)[kind]) * np.exp(0.08 * random[1])
    darkness = np.array(DARKNESS)[kind] * np.exp(np.array(SPREAD)[kind] * random[2])
    turn = _turns(kind, node, nests, rng)
    values = (
        places[:, 0] + frame.top,
        places[:, 1] + frame.left,
        radius * stretch,
        radius / stretch,
        turn,
        darkness,
    )
    return Nuclei(*(value.astype(np.float32) for value in values))


def _turns(
    kind: NDArray[np.uint8], node: tuple[NDArray, ...], nests: Field, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Directions of long axes: across the border of a nest near it, nearly level in the dermis, else any."""
    turns = rng.uniform(0, np.pi, len(kind))
    row, column = (axis.clip(1, length - 2) for axis, length in zip(node, nests.shape, strict=True))
    down = nests[row + 1, column] - nests[row - 1, column]
    right = nests[row, column + 1] - nests[row, column - 1]
    palisade = (kind == TUMOUR) & (nests[row, column] < 8)
    turns = np.where(palisade, np.arctan2(down, right), turns)
    return np.where(kind == FIBROBLAST, 0.5 * rng.standard_normal(len(kind)), turns)
