# SPDX-License-Identifier: MIT
"""Kinds of data beside plain images: one file each, which the rest of a study knows by asking here.

A modality is a module of this folder (or of a project's `plugins/study/modalities`), with a module of the
same name in `config/modalities` for its options. It may define, leaving out what does not concern it:

* `COLUMNS: Mapping[str, type]`: its columns of the sample sheet; `Path` for files.
* `WEAK: frozenset[str]`: those of them with labels that runs are chosen by, and none is trained on.
* `UNREAD: frozenset[str]`: those of them that say nothing of what an image or its label holds.
* `fill_cells(cells) -> cells`: cells that follow from others.
* `SUFFIXES: frozenset[str]` and `look_at_image(path, where, data)`: files that may stand in column `image`
  and whose headers it reads (a generator of faults that returns a `Size` or None).
* `SECTION: str` and `look_at_sample(sample, where, data)`: the section of a study file by which all images of
  the study are files that it reads, whatever their ending; likewise a generator, of the size or None.
* `OWN_MPP: bool`: beside `SECTION`: it reads the pixel sizes of files itself and takes `data.mpp` only where
  neither sheet nor file says one; samples have `mpp` only where the sheet says it.
* `pixels_seen(study, sample) -> int | None`: beside `SECTION`: pixels of the image that networks see of a
  sample whose paths are resolved; None where no sound header is there.
* `phantom_pixels(study) -> int | None`: likewise of an image that the study's phantom simulates.
* `data_files(path) -> list[Path]`: further files that belong to a file.
* `check_files(sample, where, image)`: faults of the headers of its files; `image` is the image's size.
* `check_samples(study, samples, sheet)`: faults of rows that do not go with the study file.
* `check_labels(study, samples, sheet)`: faults of what labels say; the paths of the samples are resolved.
* `check_headers(study, samples, sheet)`: faults of what headers say that do not go with the study file;
  likewise.
* `check_new_labels(study, labels)`: faults of labels of new images, by their paths.
* `check_splits(study, splits, places)`: faults that show when it is known which sample is in which part.
* `seen(plan, split, run) -> str | None`: the folder, with a {batch}, of the images that a run sees; None
  where the run has no view of its.
* `pixel_bytes(study, run) -> int | None`: bytes of a pixel of the images that a run sees; None where the run
  has no view of its.
* `pictures(plan, batch) -> str | None`: the folder of pictures made from other files and imported as images.
* `training(study, run) -> Mapping`: options of the study that training the run depends on.
* `replaces(study) -> frozenset[str]`: the rules in whose place it has rules of its own for the study.
* `take_files(files, study, runs, is_rendered) -> Taken`: which files of a folder are images of its, where
  trained runs are applied to new images; `is_rendered`: whether the pictures of training were made from them.
* `check_new_images(study, samples)`: faults of these images, when it is known what they are.
* `new_cells(samples, runs) -> Mapping[str, Mapping]`: what rows of new images say beside, by sample.
* `samples_are(study) -> str | None`: what the samples of a study are called, in the plural; None: images.
* `is_rendered(plan) -> bool`: whether the pictures of a study are made from other files of its.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from microtome.faults import Fault
from microtome.registry import load_all, search_path

if TYPE_CHECKING:
    from microtome.config.study import Study

__all__ = [
    "Taken",
    "ask",
    "column_groups",
    "columns",
    "of_suffix",
    "path_columns",
    "reader",
    "replaced",
    "unread_columns",
    "weak_columns",
]
__path__ = search_path(__name__, __path__)


@dataclass(frozen=True)
class Taken:
    """What a modality makes of the files of a folder.

    Attributes:
        samples: The files that are images, with the cells of its columns.
        belonging: Further files that belong to these.
        takes_pictures: Whether plain images are images to the runs, too.
        faults: What images lack.
        wanted: What the runs take, in words, where they take no plain images.
        damaged: Names of files whose header cannot be read, and the reason.
        mpp: Of images whose headers it has read itself, the pixel size in µm that they say, or None; the
            headers of other images are read as those of pictures.
    """

    samples: Mapping[Path, Mapping[str, str]] = field(default_factory=dict)
    belonging: Collection[Path] = ()
    takes_pictures: bool = True
    faults: Collection[Fault] = ()
    damaged: Mapping[str, str] = field(default_factory=dict)
    wanted: str = ""
    mpp: Mapping[Path, float | None] = field(default_factory=dict)


def ask(function: str) -> Iterator[Callable[..., Any]]:
    """The functions of this name that modalities have, in their order."""
    return (getattr(module, function) for module in load_all(__name__) if hasattr(module, function))


@cache
def column_groups() -> tuple[Mapping[str, type], ...]:
    """The columns of each modality that has some."""
    return tuple(module.COLUMNS for module in load_all(__name__) if hasattr(module, "COLUMNS"))


@cache
def columns() -> tuple[str, ...]:
    """The columns of all modalities."""
    return tuple(name for names in column_groups() for name in names)


@cache
def path_columns() -> tuple[str, ...]:
    """Those that hold paths of files."""
    return tuple(name for group in column_groups() for name, kind in group.items() if kind is Path)


def of_suffix(path: str) -> ModuleType | None:
    """The modality that reads files of this ending, None for plain images."""
    suffix = Path(path).suffix.lower()
    return next((module for module in load_all(__name__) if suffix in getattr(module, "SUFFIXES", ())), None)


@cache
def weak_columns() -> frozenset[str]:
    """The columns that hold labels which nothing is trained on."""
    return frozenset[str]().union(*(getattr(module, "WEAK", ()) for module in load_all(__name__)))


@cache
def unread_columns() -> frozenset[str]:
    """The columns that say nothing of what an image or its label holds."""
    return frozenset[str]().union(*(getattr(module, "UNREAD", ()) for module in load_all(__name__)))


def reader(options: Mapping[str, Any]) -> ModuleType | None:
    """The modality that reads all images of a study, by the study's options; None: each by its ending."""
    found = (module for module in load_all(__name__) if hasattr(module, "SECTION"))
    return next((module for module in found if options.get(module.SECTION) is not None), None)


def replaced(study: "Study") -> frozenset[str]:
    """The rules that modalities have rules of their own for, in the place of the study's.

    Example:
        >>> from microtome.config.study import Data, Study
        >>> replaced(Study(name="s", title="S", data=Data(source="phantom", classes={"a": 0, "b": 1})))
        frozenset()
    """
    return frozenset[str]().union(*(replaces(study) for replaces in ask("replaces")))
