# SPDX-License-Identifier: MIT
"""HistologyHSI-GB (University of Las Palmas de Gran Canaria): from its folders to sample rows.

Microscopy of H&E-stained glioblastoma at 20x, 469 scenes of 13 patients, 826 bands from 400 to 1000 nm,
800x1004 (Ortega et al. 2024, doi:10.1038/s41597-024-03510-x; data doi:10.7937/Z1K6-VD17). A folder a scene,
``P{patient}/ROI_{region}_C{capture}_{T or NT}``: tumour or not, for the scene as a whole. In it lie ``raw``,
``whiteReference`` and ``darkReference``, each with its ENVI header, and ``rgb.png``, rendered
from the cube. The references are lines, averages of 100.
"""

import re
from pathlib import Path

from microtome.datasets.scenes import Scene, to_sheet, write_labels

__all__ = ["Scene", "discover", "to_sheet", "write_labels"]

PATIENT = re.compile(r"P\d+")
SCENE = re.compile(r"ROI_(?P<region>\d+)_C(?P<capture>\d+)_(?P<kind>T|NT)")
FILES = {"cube": "raw.hdr", "blank": "whiteReference.hdr", "dark": "darkReference.hdr"}
PICTURE = "rgb.png"
MAGNIFICATION = "20x"


def discover(folder: Path) -> list[Scene]:
    """List the scenes of a folder that has one for each patient, by patient, region and capture.

    Raises:
        ValueError: There is no scene, or a scene lacks its cube or a reference.
    """
    found = [
        (int(path.parent.name[1:]), path.name, path)
        for path in folder.glob("P*/ROI_*")
        if path.is_dir() and PATIENT.fullmatch(path.parent.name) and SCENE.fullmatch(path.name)
    ]
    if not found:
        found = f"{folder}: found no scene, expected folders such as P1/ROI_01_C01_T"
        msg = f"{found}; give the folder of patients"
        raise ValueError(msg)
    return [_scene(folder, path) for _, _, path in sorted(found)]


def _scene(folder: Path, path: Path) -> Scene:
    missing = [name for name in FILES.values() if not (path / name).is_file()]
    if missing:
        msg = f"{path}: found no {', '.join(missing)}, expected cube and references; copy the scene again"
        raise ValueError(msg)
    place = path.relative_to(folder)
    files = {column: str(place / name) for column, name in FILES.items()}
    picture = PICTURE if (path / PICTURE).is_file() else FILES["cube"]
    return Scene(
        sample=f"{path.parent.name}_{path.name}",
        patient=path.parent.name,
        group=MAGNIFICATION,
        image=str(place / picture),
        tumour=SCENE.fullmatch(path.name)["kind"] == "T",
        **files,
    )
