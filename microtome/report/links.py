# SPDX-License-Identifier: MIT
"""The folder of a report leads to the folders of its studies, which lie beside all reports."""

from collections.abc import Iterable
from pathlib import Path


def link_studies(folder: Path, studies: Iterable[str]) -> None:
    """Let the folder of a report lead to those of its studies, two levels above it; one that is there stays.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp(), "demo/reports/mine")
        >>> link_studies(place, ["mine"])
        >>> (place / "mine").readlink().as_posix()
        '../../mine'
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in studies:
        link = folder / name
        if not (link.is_symlink() or link.is_dir()):
            link.symlink_to(Path("../..", name), target_is_directory=True)
