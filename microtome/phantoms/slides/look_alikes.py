# SPDX-License-Identifier: MIT
"""Healthy and other structures of skin that look like basal-cell carcinoma: basaloid, but no tumour.

Hair follicles cut across or along, cysts, and actinic keratosis are what the class *Normal* of the published
annotations holds; infiltrates of lymphocytes are dark, but have no class. Lengths are µm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microtome.phantoms.slides.lattice import SAMPLED, Field, outside, raise_to
from microtome.phantoms.slides.skin import Skin

FOLLICLES, SHAFTS, CYSTS, INFILTRATES = 3.0, 1.6, 0.9, 2.5  # on a square millimetre, at difficulty 1
FOLLICLE = (38.0, 85.0)  # radius of a follicle that is cut across
LEAST, SHRINK = 12.0, 0.8  # radius and factor of the first follicle, which is made to fit
CORE = (0.42, 0.62)  # share of it that is pink or hair
SOLID = 0.45  # share of follicles cut so that no core is seen, at difficulty 1
SHAFT, SHAFT_DEPTH, BULB = (16.0, 24.0), (260.0, 520.0), (38.0, 60.0)
CYST, WALL = (80.0, 170.0), (12.0, 20.0)
KERATOSIS, THICKENED = (260.0, 520.0), (35.0, 70.0)
INFILTRATE = (30.0, 80.0)
CLEARANCE = 25.0  # kept from tumour
TRIES = 24


@dataclass(frozen=True, eq=False)
class LookAlikes:
    """Fields ``(H, W)`` float32 of distances from borders, positive inside.

    Attributes:
        whole: Follicles, cysts and keratosis with all that belongs to them: the class *Normal*.
        basaloid: Where they are basaloid.
        keratin: Where they hold keratin: cores of follicles and contents of cysts.
        hair: Shafts of hair.
        infiltrate: Lymphocytes.
        keratosis: The part of `whole` that is epidermis.
    """

    whole: Field
    basaloid: Field
    keratin: Field
    hair: Field
    infiltrate: Field
    keratosis: Field


def none(skin: Skin) -> LookAlikes:
    """No look-alikes."""
    return LookAlikes(*(outside(skin.frame) for _ in range(6)))


def grow_look_alikes(
    skin: Skin, nests: Field, difficulty: float, *, all_kinds: bool, rng: np.random.Generator
) -> LookAlikes:
    """Draw look-alikes beside the tumour, whose field `nests` is.

    Args:
        skin: The section.
        nests: Distance from the border of nests.
        difficulty: Factor on their number, and on the share of follicles without a core.
        all_kinds: Whether epithelial ones are drawn, too; otherwise infiltrates alone.
        rng: Random numbers.
    """
    found, frame = none(skin), skin.frame
    number = min(0.6 + 0.4 * difficulty, 2.0) * frame.area
    taken = nests.copy()
    for _ in range(rng.poisson(INFILTRATES * number)):
        radius = rng.uniform(*INFILTRATE)
        if place := _free(skin, taken, radius, 90, rng):
            _disc(skin, found.infiltrate, place, radius)
    found.infiltrate[:] += 14 * frame.noise(30, rng)
    if all_kinds:
        _follicles(skin, found, taken, number, difficulty, rng)
        _shafts(skin, found, taken, number, rng)
        _cysts(skin, found, taken, number, rng)
        _keratosis(skin, found, nests, rng)
    for field in (found.whole, found.basaloid, found.keratin, found.hair, found.infiltrate):
        np.minimum(field, skin.inside - 4, out=field)
        np.minimum(field, -nests - 8, out=field)
    return found


def _free(
    skin: Skin, taken: Field, radius: float, least: float, rng: np.random.Generator
) -> tuple[float, float] | None:
    """A place in the dermis where nothing else is within `radius`; None where none is found."""
    frame = skin.frame
    deepest = max(frame.thickness - radius - 30, least + radius)
    for _ in range(TRIES):
        across = rng.uniform(-0.5, 0.5) * (frame.length - 2 * radius - 60)
        place = (across, rng.uniform(least + radius, deepest + 1e-3))
        window = frame.near(*place, radius + CLEARANCE)
        if window is None:
            continue
        near = np.hypot(frame.across[window] - place[0], frame.depth[window] - place[1]) < radius + CLEARANCE
        if near.any() and float(taken[window][near].max()) < 0 and float(skin.inside[window][near].min()) > 0:
            return place
    return None


def _disc(skin: Skin, field: Field, place: tuple[float, float], radius: float, stretch: float = 1.0) -> None:
    across, deep = np.float32(stretch), np.float32(1 / stretch)
    raise_to(
        skin.frame, field, place, radius * max(stretch, 1 / stretch) + 30,
        lambda u, v: np.float32(radius) - np.hypot(u / across, v / deep),
    )  # fmt: skip


def _follicles(
    skin: Skin, found: LookAlikes, taken: Field, number: float, difficulty: float, rng: np.random.Generator
) -> None:
    """Follicles that are cut across: a basaloid sheath around a pink core, in it a hair; or all basaloid."""
    for count in range(max(1, rng.poisson(FOLLICLES * number))):
        radius, stretch = rng.uniform(*FOLLICLE), rng.uniform(0.8, 1.25)
        solid = rng.random() < min(SOLID * difficulty, 0.9)
        core, hair = rng.uniform(*CORE) * radius, rng.uniform(0.12, 0.2) * radius
        place = _free(skin, taken, radius * 1.2, 70, rng)
        while place is None and count == 0 and radius > LEAST:
            radius, core, hair = (SHRINK * size for size in (radius, core, hair))
            place = _free(skin, taken, radius * 1.2, 70, rng)
        if place is None:
            continue
        _disc(skin, taken, place, radius * 1.2)
        for field, size in ((found.whole, radius), (found.basaloid, radius)):
            _disc(skin, field, place, size, stretch)
        if not solid:
            _disc(skin, found.keratin, place, core, stretch)
            _disc(skin, found.hair, place, hair, stretch)


def _shafts(skin: Skin, found: LookAlikes, taken: Field, number: float, rng: np.random.Generator) -> None:
    """Follicles that are cut along: they lead from the epidermis down to a bulb."""
    frame = skin.frame
    for _ in range(rng.poisson(SHAFTS * number)):
        half, bulb = rng.uniform(*SHAFT), rng.uniform(*BULB)
        depth = min(rng.uniform(*SHAFT_DEPTH), frame.thickness - bulb - 60)
        place = (rng.uniform(-0.45, 0.45) * frame.length, depth)
        window = frame.near(*place, bulb + CLEARANCE)
        lean = rng.uniform(-0.35, 0.35)
        line = _along(frame.across, frame.depth, place, lean)
        body = np.where((frame.depth > -4) & (frame.depth < depth), half - np.abs(line), np.float32(-1e3))
        if depth < 120 or window is None or taken[window].max() > 0 or taken[body > -CLEARANCE].max() > 0:
            continue
        core = np.where(frame.depth < depth - bulb, half * 0.45 - np.abs(line), np.float32(-1e3))
        for field in (found.whole, found.basaloid, taken):
            np.maximum(field, body, out=field)
            _disc(skin, field, place, bulb, 0.85)
        np.maximum(found.keratin, core, out=found.keratin)
        np.maximum(found.hair, core - 0.3 * half, out=found.hair)


def _along(across: Field, depth: Field, place: tuple[float, float], lean: float) -> NDArray[np.float32]:
    """Offset from a line through a place that leans by so many radians."""
    u, v = across - np.float32(place[0]), depth - np.float32(place[1])
    return (u * np.float32(np.cos(lean)) + v * np.float32(np.sin(lean))).astype(np.float32)


def _cysts(skin: Skin, found: LookAlikes, taken: Field, number: float, rng: np.random.Generator) -> None:
    for _ in range(rng.poisson(CYSTS * number)):
        radius, wall, stretch = rng.uniform(*CYST), rng.uniform(*WALL), rng.uniform(0.85, 1.2)
        radius = min(radius, 0.25 * skin.frame.thickness)
        if place := _free(skin, taken, radius * 1.2, 70, rng):
            for field, size in ((taken, radius), (found.whole, radius), (found.basaloid, radius)):
                _disc(skin, field, place, size, stretch)
            _disc(skin, found.keratin, place, radius - wall, stretch)


def _keratosis(skin: Skin, found: LookAlikes, nests: Field, rng: np.random.Generator) -> None:
    """A stretch of the epidermis that is thicker, with a basaloid lower half and buds, where no tumour is."""
    frame = skin.frame
    length = min(rng.uniform(*KERATOSIS), 0.4 * frame.length)
    buds = 12 * np.abs(frame.noise(30, rng))
    deep = rng.uniform(*THICKENED)
    some = (slice(None, None, SAMPLED),) * 2
    tumour = frame.across[some][(nests[some] > -20) & (frame.depth[some] < 260)]
    places = rng.uniform(-0.5, 0.5, TRIES) * (frame.length - length)
    free = [place for place in places if np.abs(tumour - place).min(initial=1e4) > length / 2 + 60]
    if not free:
        return
    sides = length / 2 - np.abs(frame.across - np.float32(free[0]))
    thicker = skin.floor + np.float32(deep) * (sides / 60).clip(0, 1) + buds * (sides > 0)
    part = np.minimum(np.minimum(sides, thicker - frame.depth), frame.depth)
    lower = np.minimum(part, frame.depth - 0.45 * thicker)
    np.maximum(found.keratosis, part, out=found.keratosis)
    np.maximum(found.whole, part, out=found.whole)
    np.maximum(found.basaloid, lower, out=found.basaloid)
