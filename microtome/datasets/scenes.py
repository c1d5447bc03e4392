# SPDX-License-Identifier: MIT
"""Hyperspectral scenes with their references: what the adapters of such data sets share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from microtome.io import images
from microtome.io.envi import open_cube
from microtome.objects import labels

COLUMNS = ("sample", "patient", "group", "part", "image", "cube", "dark", "blank", "label")
OUTLINES = (".xml", ".geojson", ".json")
TUMOUR, OTHER = 1, 0


@dataclass(frozen=True)
class Scene:
    """One recorded field.

    Attributes:
        sample: Unique name.
        patient: The patient, who must stay in one part of a split.
        group: Magnification, such as ``20x``.
        cube: ENVI header of the raw cube, relative to the data set's folder, as all paths.
        blank: ENVI header of the blank reference; empty where there is none.
        dark: ENVI header of the dark reference; empty where there is none.
        image: RGB picture, or the cube's header, from which one is rendered.
        label: Outlines or a label image; empty where the whole scene has one class.
        tumour: Whether the whole scene is tumour (True), none of it (False), or part of it (None).
        part: ``train``, ``val``, ``test`` or empty.
    """

    sample: str
    patient: str
    group: str
    cube: str
    blank: str = ""
    dark: str = ""
    image: str = ""
    label: str = ""
    tumour: bool | None = None
    part: str = ""


def write_labels(folder: Path, scenes: Sequence[Scene], target: Path) -> list[Scene]:
    """Write a label image for every scene: 1 tumour, 0 other.

    Args:
        folder: The data set.
        scenes: Its scenes.
        target: Folder for ``{sample}.png``, which the scenes' labels then name (absolute).

    Returns:
        The scenes with their labels.

    Raises:
        ValueError: A scene that is tumour in part has no outlines, or they cannot be read.
    """
    labelled = []
    for scene in scenes:
        cube = open_cube(folder / scene.cube)
        if scene.tumour is None:
            label = _drawn(folder, scene, (cube.height, cube.width))
        else:
            label = np.full((cube.height, cube.width), TUMOUR if scene.tumour else OTHER, np.uint8)
        path = target / f"{scene.sample}.png"
        images.write_png(path, label)
        labelled.append(replace(scene, label=str(path.absolute())))
    return labelled


def to_sheet(scenes: Sequence[Scene]) -> str:
    """Format scenes as a sample sheet (tab-separated, with a header).

    Example:
        >>> print(to_sheet([Scene("a-1", "a", "20x", "a-1.hdr", "blank.hdr")]).replace(chr(9), ","))
        sample,patient,group,part,image,cube,dark,blank,label
        a-1,a,20x,,,a-1.hdr,,blank.hdr,
    """
    rows = ["\t".join(str(getattr(scene, column)) for column in COLUMNS) for scene in scenes]
    return "\n".join(["\t".join(COLUMNS), *rows]) + "\n"


def _drawn(folder: Path, scene: Scene, shape: tuple[int, int]) -> np.ndarray:
    path = folder / scene.label
    if not scene.label:
        msg = f"scene {scene.sample}: found no annotation, expected outlines of the tumour; leave it out"
        raise ValueError(msg)
    if path.suffix.lower() in OUTLINES:
        return (labels.load_instances(path, shape).labels > 0).astype(np.uint8)
    label = images.read(path)
    if label.shape != shape:
        msg = f"{path}: found shape {label.shape}, expected {shape} as its cube; pair it with the right scene"
        raise ValueError(msg)
    return (label > 0).astype(np.uint8)
