# SPDX-License-Identifier: MIT
"""Images that no sheet names: those of a folder that a trained run is applied to.

Hidden files (`.DS_Store`, `._tile.png`) are passed over. Whatever else is left out is named, with the reason.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from microtome.faults import Fault
from microtome.files import unfit_for_files
from microtome.study import modalities
from microtome.study.headers import PICTURES, data_files, header_of, reason
from microtome.study.sample import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from microtome.config.expected import Expected
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.io.images import ImageHeader

CLUTTER = frozenset({"thumbs.db", "desktop.ini"})
"""Files of other systems that are hidden there."""
QUOTED = 120
"""Characters of a path that a message repeats."""
PICTURED = ("image", "grey", "rgb", "channels")
"""What a run is said to see whose input is a picture."""
MOST_LOOKED_AT = 10**8
"""Pixels of an image that is looked into before anything runs."""
SIZES_APART = 1.2
"""Ratio of pixel sizes from which on objects are not of the size that a network knows."""
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
        wanted: What the run takes, in words.
        own: Images that a modality reads, and compares with those of training itself.
    """

    samples: tuple[Sample, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    damaged: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    wanted: str = "PNG, TIFF, JPEG, JPEG 2000 or BMP images"
    own: frozenset[str] = frozenset()

    @property
    def files(self) -> list[str]:
        """Every file that the samples are made of, each once."""
        columns = ("image", *modalities.path_columns())
        named = dict.fromkeys(path for one in self.samples for name in columns if (path := one.cell(name)))
        more = (file.as_posix() for name in named for file in data_files(Path(name)))
        return list(dict.fromkeys([*named, *more]))

    @property
    def state(self) -> dict[str, object]:
        """What tells whether files have changed since: `stamps`, and what could not be read and why."""
        return stamps(self.files) | {f"damaged {name}": why for name, why in self.damaged.items()}

    def rows(self, mpp: float | None) -> list[dict[str, object]]:
        """The samples as rows of `apply_run`, with a pixel size in µm where they have none."""
        return [
            {"sample": one.sample, "image": one.image, "page": one.page, "mpp": one.mpp or mpp, **one.more}
            for one in self.samples
        ]

    def of_size(self, mpp: float) -> Newcomers:
        """The same with a pixel size in µm that was told; of several of `own`, of those that say none."""
        kept = self.own if len(self.samples) > 1 else ()
        told = [one.mpp if one.image in kept and one.mpp else mpp for one in self.samples]
        samples = (replace(one, mpp=size) for one, size in zip(self.samples, told, strict=True))
        return replace(self, samples=tuple(samples))


def stamps(files: Iterable[str]) -> dict[str, object]:
    """Size in bytes and time of modification in ns of the files that are there.

    A file that is copied with its time, which may be older than results, has not changed for Snakemake.

    Example:
        >>> stamps(["no/such/file.png"])
        {}
    """
    found = {file: Path(file).stat() for file in files if Path(file).is_file()}
    return {file: [status.st_size, status.st_mtime_ns] for file, status in found.items()}


def find_newcomers(
    folder: Path, study: Study | None, runs: Sequence[Run], *, is_rendered: bool = False
) -> Newcomers:
    """Look for the images of a folder; there are none where there is no such folder.

    Args:
        folder: The folder, or one of its files, which is then looked at alone.
        study: The study of the run.
        runs: The trained runs that are to see the images.
        is_rendered: Whether the pictures of training were made from other files.
    """
    listed = [path for path in sorted(folder.iterdir()) if not is_hidden(path)] if folder.is_dir() else []
    listed = [folder] if folder.is_file() else listed
    files = [path for path in listed if path.is_file()]
    found = [take(files, study, runs, is_rendered=is_rendered) for take in modalities.ask("take_files")]
    taken: dict[Path, Mapping[str, str]] = {path: more for one in found for path, more in one.samples.items()}
    belonging = {path for one in found for path in one.belonging}
    sizes = {path: mpp for one in found for path, mpp in one.mpp.items()}
    is_pictured = all(one.takes_pictures for one in found)
    notes = [(f"{path.name}/", "a folder; apply the run to it by itself") for path in listed if path.is_dir()]
    notes += [(path.name, "a link to a file that is not there") for path in listed if not path.exists()]
    for path in files:
        if is_pictured and path not in taken and path.suffix.lower() in PICTURES:
            taken[path] = {}
        elif path not in taken and path not in belonging:
            notes.append((path.name, _why_not(path)))
    samples: list[Sample] = []
    damaged = {name: why for one in found for name, why in one.damaged.items()}
    for path in sorted(taken):
        is_read = bool(taken[path]) or path in sizes
        pages, mpp, wrong = ((None,), sizes.get(path), "") if is_read else _look(path)
        damaged |= {path.name: wrong} if wrong else {}
        samples += _samples(path, taken[path], pages, mpp)
        notes += [(path.name, f"{len(pages)} pages, each of them an image")] if len(pages) > 1 else []
    faults = (*(fault for one in found for fault in one.faults), *unfit_faults("images", sorted(taken)))
    wanted = next((one.wanted for one in found if one.wanted), Newcomers.wanted)
    own = frozenset(path.as_posix() for path in sizes)
    return Newcomers(tuple(samples), tuple(notes), damaged, faults, wanted, own)


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
        ('tiles-3db1c5a9', 'tiles-161a7858')
    """
    place = folder.resolve()
    digest = hashlib.sha256(place.as_posix().encode("utf-8", "surrogateescape")).hexdigest()[:DIGEST]
    return f"{plain_name(place.name, 'folder')}-{digest}"


def plain_name(text: str, otherwise: str) -> str:
    """A text as a part of a file name; where nothing of it is left, another one.

    Example:
        >>> plain_name("Über {alles}!", "folder"), plain_name("日本", "folder")
        ('ber-alles', 'folder')
    """
    return NOT_IN_NAMES.sub("-", text).strip("-.")[:LONGEST_NAME] or otherwise


def unlike(found: Newcomers, expected: Expected, *, mpp: float | None = None) -> Iterator[Fault]:
    """Images that are not like those of a run's training, as far as headers say.

    Args:
        found: The images.
        expected: What those of training were like.
        mpp: Their pixel size, µm, whatever the files say.
    """
    wrong: dict[tuple[str, str, str], list[str]] = {}
    for one in (each for each in found.samples if each.image not in found.own):
        name = Path(one.image).name
        if expected.modality in PICTURED and not one.more and name not in found.damaged:
            for what, trained in _unlike_values(header_of(one.image), expected):
                wrong.setdefault((what, trained, "convert them as those were"), []).append(name)
        size, known = mpp or one.mpp, expected.mpp
        if size and known and not known[0] / SIZES_APART <= size <= known[1] * SIZES_APART:
            trained = " to ".join(f"{value:g}" for value in dict.fromkeys(known))
            key = (f"{size:g} µm per pixel", f"{trained} µm", "resample them, or say the true size by `mpp`")
            wrong.setdefault(key, []).append(name)
    yield from _unlike_depths(found, expected)
    for (what, trained, remedy), names in wrong.items():
        listed = listing(list(dict.fromkeys(names)))
        expectation = f"{trained}, as in the images that the run was trained on; {remedy}"
        yield Fault("--config images", f"{what} in {listed}", expectation)


def _unlike_values(header: ImageHeader, expected: Expected) -> Iterator[tuple[str, str]]:
    """What differs of the channels, and what they were in training."""
    if header.channels != expected.channels:
        yield f"{header.channels} channel{'s' * (header.channels > 1)}", str(expected.channels)


def _unlike_depths(found: Newcomers, expected: Expected) -> Iterator[Fault]:
    """Values of another type than in training; a few images of each type are looked into, if not large.

    Where one of them can be converted, what is wrong with others is left to their rows of the results.
    """
    from microtome.io import depth

    of_type: dict[str, list[Sample]] = {}
    pictures = (
        one
        for one in found.samples
        if not one.more and one.image not in found.own and Path(one.image).name not in found.damaged
    )
    for one in pictures if expected.dtype and expected.modality in PICTURED else ():
        header = header_of(one.image)
        if header.dtype != expected.dtype and header.height * header.width <= MOST_LOOKED_AT:
            of_type.setdefault(header.dtype, []).append(one)
    for kind, samples in of_type.items():
        readable = (array for one in samples if (array := _pixels(one)) is not None)
        fit = [_becomes(array, expected) for array in islice(readable, SHOWN)]
        if fit and not any(fit):
            names = listing(list(dict.fromkeys(Path(one.image).name for one in samples)))
            trained = f"{expected.dtype}, as in the images that the run was trained on; {depth.REMEDY}"
            yield Fault("--config images", f"{kind} values in {names}", trained)


def _becomes(array: NDArray, expected: Expected) -> bool:
    """Whether pixels can be given the type of those of training."""
    from microtome.io import depth
    from microtome.io.errors import ImageError

    try:
        depth.as_dtype(array, str(expected.dtype), name="", value_range=expected.value_range)
    except ImageError:
        return False
    return True


def _pixels(one: Sample) -> NDArray | None:
    """The pixels of an image, None where they cannot be read, which its row of the results will say."""
    from microtome.io import images

    try:
        return images.read(one.image, page=one.page)
    except (images.ImageError, OSError):
        return None


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
