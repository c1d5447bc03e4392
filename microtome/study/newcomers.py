# SPDX-License-Identifier: MIT
"""Images that no sheet names: those of a folder that a trained run is applied to.

Hidden files (`.DS_Store`, `._tile.png`) are passed over. Whatever else is left out is named, with the reason.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from microtome.faults import Fault
from microtome.files import unfit_for_files
from microtome.study import modalities
from microtome.study.headers import header_of, reason
from microtome.study.sample import Sample

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study

PICTURES = frozenset(
    {".png", ".tif", ".tiff", ".bmp"}
    | {".jpg", ".jpeg", ".jpe", ".jfif"}
    | {".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"}
)
"""Endings of the images that `microtome.io.images` reads."""
CLUTTER = frozenset({"thumbs.db", "desktop.ini"})
"""Files of other systems that are hidden there."""
QUOTED = 120
"""Characters of a path that a message repeats."""
SHOWN = 5
"""Names listed in a message."""
DIGEST = 8
NOT_IN_NAMES = re.compile(r"[^\w.-]+", re.ASCII)
LONGEST_NAME = 80
Pages = tuple[int | None, ...]
"""The pages of a file that are images; None: the one picture that it holds."""


@dataclass(frozen=True)
class Newcomers:
    """What a folder holds.

    Attributes:
        samples: The images, sorted; a page of a stack is a sample of its own. Paths start where the folder's
            does.
        notes: What is left out, and what may surprise: a file or folder, and the reason.
        damaged: Images whose header cannot be read, and the reason; they are samples all the same.
        faults: What images lack.
    """

    samples: tuple[Sample, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    damaged: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    @property
    def files(self) -> list[str]:
        """Every file that the samples are made of, each once."""
        columns = ("image", *modalities.path_columns())
        named = dict.fromkeys(path for one in self.samples for name in columns if (path := one.cell(name)))
        more = (
            file.as_posix()
            for name in named
            for ask in modalities.ask("data_files")
            for file in ask(Path(name))
        )
        return list(dict.fromkeys([*named, *more]))

    def rows(self, mpp: float | None) -> list[dict[str, object]]:
        """The samples as rows of `apply_run`, with a pixel size in µm where they have none."""
        known = (
            {"sample": one.sample, "image": one.image, "page": one.page, "mpp": one.mpp}
            for one in self.samples
        )
        return [
            {**row, **one.more, "mpp": one.mpp or mpp} for row, one in zip(known, self.samples, strict=True)
        ]


def find_newcomers(folder: Path, study: Study, runs: Sequence[Run]) -> Newcomers:
    """Look for the images of a folder; there are none where there is no such folder.

    Args:
        folder: The folder.
        study: The study of the run.
        runs: The trained runs that are to see the images.
    """
    listed = [path for path in sorted(folder.iterdir()) if not is_hidden(path)] if folder.is_dir() else []
    files = [path for path in listed if path.is_file()]
    found = [take(files, study, runs) for take in modalities.ask("take_files")]
    taken: dict[Path, Mapping[str, str]] = {path: more for one in found for path, more in one.samples.items()}
    belonging = {path for one in found for path in one.belonging}
    is_pictured = all(one.takes_pictures for one in found)
    notes = [(f"{path.name}/", "a folder; apply the run to it by itself") for path in listed if path.is_dir()]
    for path in files:
        if is_pictured and path not in taken and path.suffix.lower() in PICTURES:
            taken[path] = {}
        elif path not in taken and path not in belonging:
            notes.append((path.name, _why_not(path)))
    samples: list[Sample] = []
    damaged = {}
    for path in sorted(taken):
        pages, mpp, wrong = _look(path)
        damaged |= {path.name: wrong} if wrong else {}
        samples += _samples(path, taken[path], pages, mpp)
        notes += [(path.name, f"{len(pages)} pages, each of them an image")] if len(pages) > 1 else []
    faults = (*(fault for one in found for fault in one.faults), *unfit_faults("images", sorted(taken)))
    return Newcomers(tuple(samples), tuple(notes), damaged, faults)


def unfit_faults(option: str, files: Iterable[Path]) -> Iterator[Fault]:
    """Files of a folder that an option names, which no job can take by their names."""
    for file in files:
        if unfit := unfit_for_files(file.as_posix()):
            yield Fault(
                f"--config {option}", f"'{file.as_posix()[-QUOTED:]}', {unfit}", "another name; rename it"
            )


def is_hidden(path: Path) -> bool:
    """Whether a file or folder is one that file managers do not show.

    Example:
        >>> is_hidden(Path("new/._tile.png")), is_hidden(Path("new/Thumbs.db")), is_hidden(Path("a/tile.png"))
        (True, True, False)
    """
    return path.name.startswith(".") or path.name.lower() in CLUTTER


def results_name(folder: Path) -> str:
    """The name of a folder's results: its own name and a digest of where it lies.

    Two folders of one name have two; the same folder has always the same.

    Example:
        >>> results_name(Path("/data/first/tiles")), results_name(Path("/data/second/tiles"))
        ('tiles-1b3c6a3c', 'tiles-aa3a4a5b')
    """
    place = folder.resolve()
    digest = hashlib.sha256(place.as_posix().encode("utf-8", "surrogateescape")).hexdigest()[:DIGEST]
    plain = NOT_IN_NAMES.sub("-", place.name).strip("-.")[:LONGEST_NAME]
    return f"{plain or 'folder'}-{digest}"


def same_names(samples: Sequence[Sample]) -> Iterator[Fault]:
    """Images whose results would have one name."""
    names = [one.sample for one in samples]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        found = f"several images called {listing(twice)}"
        yield Fault("--config images", found, "one image of each name, whatever its suffix")


def listing(names: Sequence[str]) -> str:
    """The first names, and how many more there are.

    Example:
        >>> listing(list("abcdefg"))
        'a, b, c, d, e and 2 more'
    """
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _why_not(path: Path) -> str:
    if path.suffix.lower() in PICTURES:
        return "a picture, which this run does not see"
    return "no image that this run takes, by its ending"


def _look(path: Path) -> tuple[Pages, float | None, str]:
    """Of an image its pages, the pixel size that it names, and why it cannot be read."""
    if path.suffix.lower() not in PICTURES:
        return (None,), None, ""
    from microtome.io.errors import ImageError

    try:
        found = header_of(path.as_posix())
    except (ImageError, OSError) as error:
        return (None,), None, reason(error, path.as_posix())
    return found.pictures if found.is_stack else (None,), found.mpp, ""


def _samples(path: Path, more: Mapping[str, str], pages: Pages, mpp: float | None) -> Iterator[Sample]:
    digits = len(str(pages[-1]))
    for page in pages:
        name = path.stem if page is None else f"{path.stem}_{page:0{digits}d}"
        yield Sample(name, path.as_posix(), page=page, mpp=mpp, more=dict(more))
