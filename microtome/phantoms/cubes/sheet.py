# SPDX-License-Identifier: MIT
"""The sample sheet of the melanoma phantom: which patient and magnification each scene has."""

from dataclasses import dataclass

from microtome.config.phantoms.cubes import CubePhantomData
from microtome.phantoms._rows import PARTS, Row, files_of

MAGNIFICATIONS = ("10x", "20x")
"""Magnifications of a hyperspectral scene, in the order of `CubePhantomData.mpp`."""


@dataclass(frozen=True)
class Scene:
    """One scene of the melanoma options."""

    number: int  # its place in the phantom, from 0
    part: str  # `train`, `val` or `test`
    patient_number: int  # whose skin it is, from 0
    magnification: str  # `10x` or `20x`

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


def rows(options: CubePhantomData) -> list[Row]:
    """Scenes in order, parts in order.

    Example:
        >>> rows(CubePhantomData())[1]["blank"]
        'blank/patient-000-20x.hdr'
    """
    return [
        {
            **files_of(scene.sample, scene.number),
            "unit": scene.patient,
            "group": scene.magnification,
            "part": scene.part,
            "mpp": pixel_size(options, scene),
            "cube": f"cubes/{scene.number:03d}.hdr",
            "dark": f"dark/{scene.session}.hdr",
            "blank": f"blank/{scene.session}.hdr",
        }
        for scene in cube_scenes(options)
    ]


def pixel_size(options: CubePhantomData, scene: Scene) -> float:
    """Micrometres per pixel of a scene.

    Example:
        >>> options = CubePhantomData(mpp=(6.0, 3.0))
        >>> [pixel_size(options, scene) for scene in cube_scenes(options)[:2]]
        [6.0, 3.0]
    """
    return options.mpp[MAGNIFICATIONS.index(scene.magnification)]


def cube_scenes(options: CubePhantomData) -> list[Scene]:
    """Which patient and magnification each scene of the melanoma phantom has.

    A patient is in one part only; its scenes are taken at 10x and 20x in turn.

    Example:
        >>> scenes = cube_scenes(CubePhantomData(images={"train": 3, "test": 1}))
        >>> [scene.session for scene in scenes]
        ['patient-000-10x', 'patient-000-20x', 'patient-001-10x', 'patient-002-10x']
    """
    scenes: list[Scene] = []
    patient = -1
    for part in PARTS:
        for place in range(options.images.get(part, 0)):
            turn = place % options.fields
            patient += turn == 0
            scenes.append(Scene(len(scenes), part, patient, MAGNIFICATIONS[turn % len(MAGNIFICATIONS)]))
    return scenes
