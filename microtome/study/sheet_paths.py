# SPDX-License-Identifier: MIT
"""Where the paths of a sample sheet may lead: into its folder, unless the study says otherwise."""

import os
from pathlib import Path

from microtome.faults import Fault
from microtome.files import unfit_for_files

QUOTED = 60
"""Characters of a path that a message repeats."""


def check_path(text: str, root: Path, where: str, *, allow_outside: bool = False) -> list[Fault]:
    """Check a path before any file is looked at.

    Paths are compared as they are written: a symbolic link inside the folder may point anywhere, as whoever
    may put a link there may as well put the file there.

    Args:
        text: The path, as a sheet gives it.
        root: Folder that it starts from.
        where: File, row and column, for the fault.
        allow_outside: Whether it may lead out of the folder (`data.allow_outside`).

    Returns:
        What is wrong with it; empty if it may be opened.

    Example:
        >>> check_path("images/a.png", Path("data"), "s.tsv:2 image")
        []
        >>> [fault.found for fault in check_path("../a.png", Path("data"), "s.tsv:2 image")]
        ["'../a.png', which leads out of 'data'"]
    """
    unfit = unfit_for_files(text)
    if unfit:
        return [Fault(where, f"{text[:QUOTED]!r}, {unfit}", "the path of a file")]
    if allow_outside or _is_inside(text, root):
        return []
    expected = "a path below it; move the file there, set data.root, or set data.allow_outside: true"
    return [Fault(where, f"'{text[:QUOTED]}', which leads out of '{root.as_posix()}'", expected)]


def _is_inside(text: str, root: Path) -> bool:
    """Whether a path stays below a folder; `..` is taken back as written."""
    folder = os.path.abspath(root)  # noqa: PTH100 (`resolve` would follow links)
    place = os.path.abspath(root / text)  # noqa: PTH100
    return os.path.commonpath([folder, place]) == folder and place != folder
