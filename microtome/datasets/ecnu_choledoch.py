# SPDX-License-Identifier: MIT
"""Multidimensional Choledoch Database (East China Normal University): from its folders to sample rows.

Microscopy of H&E-stained bile duct, 880 scenes of 174 patients, 60 bands from 550 to 1000 nm, 1280x1024
(Zhang et al. 2019, doi:10.1109/ACCESS.2019.2947470). Scenes lie in three folders by what they show: ``L``
tumour in part, with outlines; ``N`` no tumour; ``P`` nothing but tumour. In each, ``hyper`` holds the cubes
(ENVI, ``.hdr`` and ``.raw``) and ``annotation`` the outlines (``.xml``). A scene is named
``{patient}-{magnification}-roi{number}``; the field without tissue of the same slide,
``{patient}-{magnification}-blank``, is the blank reference. There is no dark reference.
Outlines must be Aperio XML or GeoJSON (:mod:`microtome.io.annotations`); convert others.
"""

import re
from pathlib import Path

from microtome.datasets.scenes import Scene, to_sheet, write_labels

__all__ = ["Scene", "discover", "to_sheet", "write_labels"]

FOLDERS = {"L": None, "N": False, "P": True}
"""Whether a scene in the folder is tumour: all of it, none, or (None) a part."""
NAME = re.compile(r"(?P<patient>[A-Za-z0-9_]+)-(?P<group>\d+x)-(?P<field>roi\d+|blank)", re.IGNORECASE)
BLANK = "blank"
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif")


def discover(folder: Path, *, needs_blank: bool = True) -> list[Scene]:
    """List the scenes of a folder.

    Args:
        folder: The database, with the folders ``L``, ``N`` and ``P`` (one is enough), each with ``hyper`` and
            ``annotation`` or with all files in itself.
        needs_blank: Refuse scenes whose slide has no blank field.

    Returns:
        Scenes by name; the image is an RGB picture of the same name where there is one, else the cube's
        header.

    Raises:
        ValueError: There is no scene, a name is not understood, two scenes have one name, or a scene lacks
            its blank field or its outlines.
    """
    found = [
        (kind, path, _match(path)) for kind in FOLDERS for path in sorted((folder / kind).rglob("*.hdr"))
    ]
    blanks = {
        (match["patient"], match["group"]): str(path.relative_to(folder))
        for _, path, match in found
        if match["field"].lower() == BLANK
    }
    scenes: dict[str, Scene] = {}
    for kind, path, match in found:
        if match["field"].lower() == BLANK:
            continue
        if path.stem in scenes:
            msg = f"{path}: found a second scene {path.stem}, expected unique names; leave one out"
            raise ValueError(msg)
        blank = blanks.get((match["patient"], match["group"]), "")
        if needs_blank and not blank:
            name = f"{match['patient']}-{match['group']}-{BLANK}.hdr"
            found = f"{path}: found no {name}, expected the slide's blank field"
            msg = f"{found}; copy it there, or move the scene out of the database"
            raise ValueError(msg)
        scenes[path.stem] = _scene(folder, kind, path, match, blank)
    if not scenes:
        msg = f"{folder}: found no scenes in {', '.join(FOLDERS)}, expected L/hyper/….hdr; give the database"
        raise ValueError(msg)
    return [scenes[name] for name in sorted(scenes)]


def _match(path: Path) -> re.Match[str]:
    match = NAME.fullmatch(path.stem)
    if match is None:
        msg = f"{path}: found a name of no scene, expected 031368c-20x-roi2 or 031368c-20x-blank; rename it"
        raise ValueError(msg)
    return match


def _scene(folder: Path, kind: str, path: Path, match: re.Match[str], blank: str) -> Scene:
    outlines = _beside(path, "annotation", (".xml",))
    if FOLDERS[kind] is None and outlines is None:
        found = f"{path}: found no annotation/{path.stem}.xml, expected outlines of a scene in {kind}"
        msg = f"{found}; copy them"
        raise ValueError(msg)
    picture = _beside(path, "rgb", PICTURES) or path
    return Scene(
        sample=path.stem,
        patient=match["patient"],
        group=match["group"].lower(),
        cube=str(path.relative_to(folder)),
        blank=blank,
        image=str(picture.relative_to(folder)),
        label=str(outlines.relative_to(folder)) if FOLDERS[kind] is None else "",
        tumour=FOLDERS[kind],
    )


def _beside(path: Path, name: str, endings: tuple[str, ...]) -> Path | None:
    """A file of the same name beside a cube, or in a folder beside the folder of cubes."""
    places = (path.parent, path.parent.parent / name)
    found = [place / f"{path.stem}{ending}" for place in places for ending in endings]
    return next((file for file in found if file.is_file()), None)
