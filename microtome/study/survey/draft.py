# SPDX-License-Identifier: MIT
"""What is decided for a study of a folder, from what was found in it and the machine at hand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from microtome.study.newcomers import SIZES_APART
from microtome.study.survey.division import Division, divide, divide_mixed, keep_parts, shown, told_parts
from microtome.study.survey.groups import Groups
from microtome.study.survey.look import Looked
from microtome.study.survey.open_questions import Question
from microtome.study.survey.pictures import Picture
from microtome.study.survey.settings import Machine, Settings, choose
from microtome.study.survey.values import full_scale, largest, transmittance_of_one

SLIDE_MPP = 1.0
"""µm per pixel at which slides are seen, about 10x."""
DEMO_MPP = 4.0
"""The same at the scale `demo`, relative."""
BANDS = 16
LEAST = 3
"""Groups that are needed to train and to test."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A study before it is written.

    Attributes:
        name: Of the study.
        looked: What it is made from.
        machine: What its sizes are chosen for.
        settings: Windows, widths, lengths.
        division: How images are divided.
        demo_samples: The samples of the scale `demo`.
        demo_division: How these are divided.
        scale: What pixels are divided by.
        mpp: µm per pixel that files say, of the median image; None: they do not.
        cubes: Options of `cubes`; empty where there are none.
        questions: What a person has to settle.
    """

    name: str
    looked: Looked
    machine: Machine
    settings: Settings
    division: Division
    demo_samples: Sequence[str]
    demo_division: Division
    scale: float
    mpp: float | None
    cubes: Mapping[str, object] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()

    @property
    def is_trained(self) -> bool:
        """Whether there is a run, and not only something to look at."""
        return self.division.kind != "none"

    @property
    def slide_mpp(self) -> float:
        """µm per pixel at which slides are seen: as coarse as they are, or `SLIDE_MPP`."""
        sizes = [one.mpp for one in self.looked.pictures if one.mpp]
        return float(f"{max([SLIDE_MPP, *sizes]):.3g}")


def decide(name: str, looked: Looked, machine: Machine) -> Draft:
    """Decide on a study.

    Args:
        name: What it is called.
        looked: What was found.
        machine: What networks are trained on.
    """
    groups, pictures = looked.groups, looked.pictures
    is_called = looked.kind == "slides" and looked.is_labelled and len(groups.names) >= LEAST
    told = told_parts(pictures, looked.listing.image_root) if looked.is_labelled else {}
    division = (
        keep_parts(groups, told)
        if told
        else divide_mixed(groups, looked.mixed)
        if is_called
        else divide(groups, is_labelled=looked.is_labelled)
    )
    samples = shown(groups, division)
    of_demo = replace(groups, of={sample: groups.of[sample] for sample in samples})
    demo_division = division
    if division.kind in ("folds", "random"):
        demo_division = divide(of_demo, is_labelled=True, in_folds=False)
    sizes = [one.mpp for one in pictures if one.mpp]
    cubes = _cubes(pictures) if looked.kind == "cubes" else {}
    asked = [
        *_kind_questions(looked),
        *looked.labels.questions,
        *_mpp_questions(looked),
        *_cube_questions(cubes),
    ]
    asked += groups.questions if looked.is_labelled else ()
    asked += _split_questions(looked, groups, division)
    return Draft(
        name=name,
        looked=looked,
        machine=machine,
        settings=choose(pictures, machine, shown=len(samples)),
        division=division,
        demo_samples=samples,
        demo_division=demo_division,
        scale=255.0 if looked.kind in ("slides", "cubes") else largest(pictures),
        mpp=float(f"{median(sizes):.4g}") if sizes else None,
        cubes=cubes,
        questions=tuple(asked),
    )


def _kind_questions(looked: Looked) -> Iterator[Question]:
    if looked.boxes:
        text = "whether the boxes of sections and their classes are right: tissue that lies together, called "
        text += "by the outlines in it; QuPath opens and corrects them"
        yield Question(text, f"{next(iter(looked.boxes.values())).parent.as_posix()}/")
    if not looked.is_labelled:
        yield Question(*_unlabelled(looked))


def _unlabelled(looked: Looked) -> tuple[str, str]:
    """What is said where no image has a label, and where that is settled."""
    labels, then = looked.listing.labels, "so that the study only looks at the images"
    if not labels:
        return f"no label was found, {then}; with labels, make it anew", "--labels FOLDER"
    text = f"none of {len(labels)} labels was found to be of an image by its name "
    text += f"({looked.listing.images[0].name} and {labels[0].name}, …), {then}; "
    return f"{text}expected one for each, such as a.png and a_mask.png, then make it anew", "names of files"


def _mpp_questions(looked: Looked) -> Iterator[Question]:
    lacking = [one for one in looked.pictures if not one.mpp]
    sizes = [one.mpp for one in looked.pictures if one.mpp]
    if looked.kind not in ("cubes", "slides") and sizes and max(sizes) > SIZES_APART * min(sizes):
        text = (
            f"whether pixels are of {min(sizes):.4g} to {max(sizes):.4g} µm, as the files say: networks see "
        )
        yield Question(
            f"{text}images as they are, tissue in several sizes; resample them if so", "the images"
        )
    if looked.kind == "cubes" or not lacking:
        return
    which = (
        "the files do" if len(lacking) == len(looked.pictures) else f"{lacking[0].path.name} and others do"
    )
    needed = (
        "without it slides cannot be read" if looked.kind == "slides" else "without it lengths are in pixels"
    )
    yield Question(f"the pixel size: {which} not say it; {needed}", "data.mpp, or column `mpp` of the sheet")


def _split_questions(looked: Looked, groups: Groups, division: Division) -> Iterator[Question]:
    if looked.is_labelled and division.kind == "none":
        found = f"{len(groups.names)} {groups.column}{'s' * (len(groups.names) > 1)}"
        text = f"more images: {found} cannot be divided into train, val and test, so nothing is trained"
        yield Question(text, "the sheet, then split and runs")


def _cubes(pictures: Sequence[Picture]) -> dict[str, object]:
    """The section `cubes`: raw cubes with their blanks, or transmittance."""
    bands = min(BANDS, *(one.channels for one in pictures))
    chosen = {"bands": {"method": "window", "width": bands}}
    if all("blank" in (one.more or {}) for one in pictures):
        return {"full_scale": full_scale(pictures), **chosen}
    scaled = {} if all(one.scale for one in pictures) else {"scale": transmittance_of_one(pictures)}
    return {"calibrated": True, **scaled, **chosen}


def _cube_questions(cubes: Mapping[str, object]) -> Iterator[Question]:
    if "scale" in cubes:
        text = f"whether cubes are transmittance, {cubes['scale']:g} standing for 1, as there are no blanks"
        yield Question(text, "cubes.calibrated, cubes.scale")
    if "full_scale" in cubes:
        yield Question(
            f"whether {cubes['full_scale']:g} is the largest value of the camera", "cubes.full_scale"
        )
