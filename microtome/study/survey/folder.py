# SPDX-License-Identifier: MIT
"""Which files of a folder are images, and which are labels."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from microtome.files import unfit_for_files
from microtome.study.headers import OUTLINES, PICTURES
from microtome.study.new_slides import SCANNED
from microtome.study.newcomers import is_hidden
from microtome.study.survey import words

CUBES = frozenset({".hdr"})
"""Endings of the headers of cubes."""
VOLUMES = frozenset({".nrrd", ".nhdr", ".mat"})
"""Endings of files that are images, or labels where there are pictures."""
IMAGES = PICTURES | SCANNED | CUBES | VOLUMES
LABELS = PICTURES | OUTLINES | VOLUMES
LEFT_OUT = "neither an image nor a label, by its ending"
Note = tuple[Path, str]
"""A file, and why it is left out."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder.

    Attributes:
        images: Files that may be images, in the order of their names.
        labels: Files that may be labels, likewise.
        image_root: The folder of the images.
        label_root: The folder of the labels.
        left_out: Files that are neither, and why.
    """

    images: tuple[Path, ...]
    labels: tuple[Path, ...]
    image_root: Path
    label_root: Path
    left_out: tuple[Note, ...] = ()

    @property
    def root(self) -> Path:
        """The folder that holds all of them."""
        both = (self.image_root, self.label_root)
        return next(one for one in (both[0], *both[0].parents) if both[1].is_relative_to(one))


def sort_out(images: Path, labels: Path | None = None) -> Listing:
    """Sort the files below a folder, hidden ones left out.

    Args:
        images: Folder of the images, and of labels where they have no folder of their own.
        labels: Folder of the labels; None: labels are known by their names (`words`) or endings.

    Raises:
        ValueError: A folder is none, or holds no image.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()).resolve()
        >>> for name in ("a.png", "a_mask.png", "notes.txt"):
        ...     (folder / name).touch()
        >>> found = sort_out(folder)
        >>> [path.name for path in (*found.images, *found.labels)]
        ['a.png', 'a_mask.png']
    """
    for option, folder in (("--images", images), ("--labels", labels)):
        if folder is not None and not folder.is_dir():
            msg = f"{option}: found '{folder}', which is no folder; expected the folder of the files"
            raise ValueError(msg)
    root = images.absolute()
    label_root = labels.absolute() if labels is not None else root
    files = list(_files(root))
    apart = label_root != root
    is_inside = apart and label_root.is_relative_to(root)
    of_images = [path for path in files if not (is_inside and path.is_relative_to(label_root))]
    named = set() if apart else _labels_among(of_images, root)
    found = Listing(
        tuple(path for path in of_images if not (_is_strange(path) or path in named)),
        tuple(sorted(named)) if not apart else tuple(_of_endings(label_root, of_images)),
        root,
        label_root,
        tuple((path, _why(path)) for path in of_images if _is_strange(path) and path not in named),
    )
    if not found.images:
        listed = ", ".join(sorted({path.suffix or path.name for path in files})[:8]) or "nothing"
        msg = f"--images: found no image in '{images}' ({listed}); expected {', '.join(sorted(PICTURES))}, …"
        if found.labels and not apart:
            msg += f"; {len(found.labels)} seem to be labels by their names ({found.labels[0].name}, …): "
            msg += "rename images, or put labels into a folder of their own (--labels)"
        raise ValueError(msg)
    return found


def _files(root: Path) -> Iterator[Path]:
    """The files below a folder that are not hidden and have names that jobs can use."""
    for path in sorted(root.rglob("*")):
        below = path.relative_to(root)
        if path.is_file() and not any(is_hidden(Path(part)) for part in below.parts):
            yield path


def _of_endings(root: Path, images: Collection[Path]) -> list[Path]:
    """The files that may be labels; images that lie among them are none."""
    taken = set(images)
    fit = (path for path in _files(root) if path not in taken and not unfit_for_files(str(path)))
    return [path for path in fit if path.suffix.lower() in LABELS]


def _labels_among(files: Sequence[Path], root: Path) -> set[Path]:
    """The labels among images: by name, folder or ending; volumes where there are pictures."""
    is_pictured = any(path.suffix.lower() in PICTURES for path in files)
    endings = OUTLINES | (VOLUMES if is_pictured else frozenset())
    return {
        path
        for path in files
        if path.suffix.lower() in LABELS
        and (
            path.suffix.lower() in endings
            or words.is_label_name(path.stem)
            or any(map(words.is_label_folder, words.inside(path, root)))
        )
    }


def _is_strange(path: Path) -> bool:
    return path.suffix.lower() not in IMAGES or bool(unfit_for_files(str(path)))


def _why(path: Path) -> str:
    return unfit_for_files(str(path)) or LEFT_OUT
