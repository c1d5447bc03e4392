# SPDX-License-Identifier: MIT
"""The sample sheets of the phantoms: known from their options alone, before anything is simulated.

The DAG is made from these, so this module imports no simulator.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from typing import Any, get_args

from microtome.config.phantoms import CubePhantomData, EMPhantomData, HEPhantomData, Organ, Part

Row = dict[str, Any]
PARTS = get_args(Part)
HE_MPP = 0.25
"""Micrometres per pixel of an H&E tile, as at 40x."""
CUBE_MPP = {"10x": 1.0, "20x": 0.5}
"""Micrometres per pixel of a hyperspectral scene, by magnification."""
SIDES = 2
"""Test patients come from the unseen hospital and from the others in turn."""


@dataclass(frozen=True)
class Tile:
    """One tile of the H&E phantom.

    Attributes:
        number: Its place in the phantom, from 0.
        part: `train`, `val` or `test`.
        patient: Whose tissue it is.
        hospital: Index of the hospital that stained and scanned it.
        organ: Kind of tissue.
    """

    number: int
    part: str
    patient: str
    hospital: int
    organ: str

    @property
    def sample(self) -> str:
        """Name of the tile in the sample sheet."""
        return f"tile-{self.number:03d}"


@dataclass(frozen=True)
class Scene:
    """One scene of the melanoma phantom.

    Attributes:
        number: Its place in the phantom, from 0.
        part: `train`, `val` or `test`.
        patient_number: Whose skin it is, from 0.
        magnification: `10x` or `20x`.
    """

    number: int
    part: str
    patient_number: int
    magnification: str

    @property
    def sample(self) -> str:
        """Name of the scene in the sample sheet."""
        return f"scene-{self.number:03d}"

    @property
    def patient(self) -> str:
        """Name of the patient."""
        return f"patient-{self.patient_number:03d}"

    @property
    def session(self) -> str:
        """Name of the session, whose dark and blank cubes the scene shares with others."""
        return f"{self.patient}-{self.magnification}"


def sheet_rows(phantom: EMPhantomData | HEPhantomData | CubePhantomData) -> list[Row]:
    """The rows of a phantom's sample sheet: the fields of `microtome.study.sheet.Sample` that it fills.

    Example:
        >>> [row["part"] for row in sheet_rows(EMPhantomData(slices={"train": 2, "test": 1}))]
        ['train', 'train', 'test']
        >>> sheet_rows(HEPhantomData(images={"train": 1, "test": 1}))[1]["unit"]
        'hospital-3-patient-001'
        >>> sheet_rows(CubePhantomData())[1]["blank"]
        'blank/patient-000-20x.hdr'
    """
    if isinstance(phantom, CubePhantomData):
        return _cube_rows(phantom)
    return _em_rows(phantom) if isinstance(phantom, EMPhantomData) else _he_rows(phantom)


def _em_rows(phantom: EMPhantomData) -> list[Row]:
    """Slices in order, parts in order, blocks of neighbours."""
    places = [(part, place) for part in PARTS for place in range(phantom.slices.get(part, 0))]
    return [
        {
            **_files(f"slice-{number:03d}", number),
            "unit": f"{part}-block-{place // phantom.block}",
            "group": "phantom",
            "part": part,
        }
        for number, (part, place) in enumerate(places)
    ]


def _he_rows(phantom: HEPhantomData) -> list[Row]:
    """Tiles in order, parts in order."""
    return [
        {
            **_files(tile.sample, tile.number),
            "unit": tile.patient,
            "group": tile.organ,
            "part": tile.part,
            "mpp": HE_MPP,
        }
        for tile in he_tiles(phantom)
    ]


def _cube_rows(phantom: CubePhantomData) -> list[Row]:
    """Scenes in order, parts in order."""
    return [
        {
            **_files(scene.sample, scene.number),
            "unit": scene.patient,
            "group": scene.magnification,
            "part": scene.part,
            "mpp": CUBE_MPP[scene.magnification],
            "cube": f"cubes/{scene.number:03d}.hdr",
            "dark": f"dark/{scene.session}.hdr",
            "blank": f"blank/{scene.session}.hdr",
        }
        for scene in cube_scenes(phantom)
    ]


def cube_scenes(phantom: CubePhantomData) -> list[Scene]:
    """Which patient and magnification each scene of the melanoma phantom has.

    A patient is in one part only; its scenes are taken at 10x and 20x in turn.

    Example:
        >>> scenes = cube_scenes(CubePhantomData(images={"train": 3, "test": 1}))
        >>> [scene.session for scene in scenes]
        ['patient-000-10x', 'patient-000-20x', 'patient-001-10x', 'patient-002-10x']
    """
    scenes: list[Scene] = []
    magnifications, patient = list(CUBE_MPP), -1
    for part in PARTS:
        for place in range(phantom.images.get(part, 0)):
            turn = place % phantom.fields
            patient += turn == 0
            scenes.append(Scene(len(scenes), part, patient, magnifications[turn % len(magnifications)]))
    return scenes


def _files(sample: str, number: int) -> Row:
    name = f"{number:03d}.tif"
    return {"sample": sample, "image": f"images/{name}", "label": f"labels/{name}"}


def he_tiles(phantom: HEPhantomData) -> list[Tile]:
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
    for patient, (part, hospital, organ, count) in enumerate(_patients(phantom)):
        name = f"hospital-{hospital}-patient-{patient:03d}"
        tiles += [Tile(len(tiles) + extra, part, name, hospital, organ) for extra in range(count)]
    return tiles


def _patients(phantom: HEPhantomData) -> Iterator[tuple[str, int, str, int]]:
    """Part, hospital, organ and number of tiles of each patient."""
    organs, seen, learnt = phantom.organs or get_args(Organ), max(phantom.hospitals - 1, 1), 0
    for part in PARTS:
        images = phantom.images.get(part, 0)
        for turn, first in enumerate(range(0, images, phantom.tiles)):
            count = min(phantom.tiles, images - first)
            if part == "test":
                unseen = _apart(turn, SIDES, len(organs)) == 0
                hospital = phantom.hospitals - 1 if unseen else turn // SIDES % seen
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
