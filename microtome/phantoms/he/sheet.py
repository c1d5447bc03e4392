# SPDX-License-Identifier: MIT
"""The sample sheet of the H&E phantom: which patient, hospital and organ each tile has."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from typing import get_args

from microtome.config.phantoms.he import HEPhantomData, Organ
from microtome.phantoms._rows import PARTS, Row, files_of

HE_MPP = 0.25
"""Micrometres per pixel of a tile, as at 40x."""
SIDES = 2
"""Test patients come from the unseen hospital and from the others in turn."""


@dataclass(frozen=True)
class Tile:
    """One tile of the H&E options."""

    number: int  # its place in the phantom, from 0
    part: str  # `train`, `val` or `test`
    patient: str  # whose tissue it is
    hospital: int  # index of the hospital that stained and scanned it
    organ: str  # kind of tissue

    @property
    def sample(self) -> str:
        """Name of the tile in the sample sheet."""
        return f"tile-{self.number:03d}"


def rows(options: HEPhantomData) -> list[Row]:
    """Tiles in order, parts in order.

    Example:
        >>> rows(HEPhantomData(images={"train": 1, "test": 1}))[1]["unit"]
        'hospital-3-patient-001'
    """
    return [
        {
            **files_of(tile.sample, tile.number),
            "unit": tile.patient,
            "group": tile.organ,
            "part": tile.part,
            "mpp": HE_MPP,
        }
        for tile in he_tiles(options)
    ]


def he_tiles(options: HEPhantomData) -> list[Tile]:
    """Which patient, hospital and organ each tile of the H&E phantom has.

    Training and validation see all hospitals but the last. Test patients come from the last and from the
    others in turn, so that both known and unknown stains are measured. Organs go round, and do not go
    together with hospitals.

    Example:
        >>> tiles = he_tiles(HEPhantomData(hospitals=3, images={"train": 4, "test": 4}))
        >>> [tile.hospital for tile in tiles]
        [0, 1, 0, 1, 2, 0, 2, 1]
    """
    tiles: list[Tile] = []
    for patient, (part, hospital, organ, count) in enumerate(_patients(options)):
        name = f"hospital-{hospital}-patient-{patient:03d}"
        tiles += [Tile(len(tiles) + extra, part, name, hospital, organ) for extra in range(count)]
    return tiles


def _patients(options: HEPhantomData) -> Iterator[tuple[str, int, str, int]]:
    """Part, hospital, organ and number of tiles of each patient."""
    organs, seen, learnt = options.organs or get_args(Organ), max(options.hospitals - 1, 1), 0
    for part in PARTS:
        images = options.images.get(part, 0)
        for turn, first in enumerate(range(0, images, options.tiles)):
            count = min(options.tiles, images - first)
            if part == "test":
                unseen = _apart(turn, SIDES, len(organs)) == 0
                hospital = options.hospitals - 1 if unseen else turn // SIDES % seen
                organ = organs[turn % len(organs)]
            else:
                hospital, organ = _apart(learnt, seen, len(organs)), organs[learnt % len(organs)]
                learnt += 1
            yield part, hospital, organ, count


def _apart(turn: int, period: int, other: int) -> int:
    """A number that goes round `period` values and in time meets every one of `other` values.

    Example:
        >>> [(_apart(turn, 2, 2), turn % 2) for turn in range(4)]
        [(0, 0), (1, 1), (1, 0), (0, 1)]
    """
    return (turn + turn // lcm(period, other)) % period
