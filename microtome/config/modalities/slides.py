# SPDX-License-Identifier: MIT
"""Options of whole slides: the lattice that networks see, tissue, sections, and how sections are called."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator

from microtome.config.section import OfClass, Probability, Section, option, refuse, with_class
from microtome.config.sections import Glass, Proposed, Sections, Tissue
from microtome.faults import Fault, nearest

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.config.yaml import Places

RGB, BINARY = 3, 2
MEASURED = ("overlap", "sections", "calibration")
OF_PIXELS = ("overlap", "calibration")
"""Those of them that tell all classes apart."""
"""Families of metrics that need no slide as a whole."""
Tolerance = Annotated[float, Field(ge=0, lt=0.5)]


class Slides(Section):
    """From slides, which stay where they are, to the pixels that networks see."""

    mpp: PositiveFloat = option(..., "µm per pixel that networks see")
    tolerance: Tolerance = option(
        0.05, "relative: a level of the slide that is so near to `mpp` is read as it is, without resampling"
    )
    crop: bool = option(
        True,
        "to the bounds that the file gives, as QuPath does; false: the whole canvas (QuPath `--no-crop`)",
    )
    decode: Literal["exact", "half"] = option(
        "exact",
        "half: where half the resolution is wanted, JPEG tiles are decoded at half size (a smaller DCT), "
        "which takes less time and differs by about a grey level",
    )
    tissue: Tissue = option(Glass(), "where the glass carries tissue")
    least_tissue: Probability = option(
        0.05, "share of tissue that a window for training holds; those without any are left out in any case"
    )
    sections: Sections = option(
        Proposed(), "the boxes that are evaluated, where the sheet's column `sections` names none"
    )


class _Calls(OfClass):
    """Which sections a run calls: those with a connected region as probable and as large as chosen.

    Threshold and area are chosen, with the epoch, by the F-beta score on the sections of the part `val`.
    """

    thresholds: tuple[Probability, ...] = option(
        tuple(round(0.05 * i, 2) for i in range(1, 20)),
        "probabilities that are tried, ascending",
        min_length=1,
    )
    areas: tuple[NonNegativeFloat, ...] = option(
        tuple(1280.0 * i for i in range(17)),
        "least areas of a region that are tried, µm², ascending",
        min_length=1,
    )
    beta: PositiveFloat = option(1.5, "of the F-beta score; above 1 sensitivity counts more")
    connectivity: Literal[4, 8] = option(8, "neighbours of a pixel in a region")

    @field_validator("thresholds", "areas")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        """Each value once, the smallest first."""
        if any(one >= other for one, other in pairwise(value)):
            refuse("ascending values, each once")
        return value


Calls = with_class(_Calls, "the class that sections are called for")


class StudyOptions(Section):
    """The slides of a study."""

    slides: Slides | None = option(None, "whole slides: pixel size, tissue, sections")


class RunOptions(Section):
    """How a run calls sections."""

    calls: Calls | None = option(None, "slides: how sections are called; null: none are")


def check(study: Study, places: Places) -> Iterator[Fault]:
    """What slides need of a study, and calls of sections in a study that has no slides."""
    if study.slides is not None:
        yield from _check_data(study, places)
        yield from _check_measured(study, places)
        for name in study.slides.sections.names.keys() - study.data.classes.keys():
            where = places(("slides", "sections", "names", name))
            yield Fault(where, f"'{name}'", nearest(name, study.data.classes))
    for name, run in study.runs.items():
        yield from _check_run(study, name, run, places) if study.slides else _check_plain(name, run, places)
        yield from _check_maps(study, name, run, places) if study.slides else ()


def _check_plain(name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Images that are no slides have no sections, by which one of several epochs would be chosen."""
    if run.calls is not None:
        where = places.inside(("runs", name, "calls"), 1)
        yield Fault(where, "calls of sections", "null, as the study has no `slides`")
    if run.kind == "kept":
        where = places.inside(("runs", name, "training", "select", "keep"), 3)
        expected = "null, as the study has no `slides`, by whose sections one of several epochs is chosen"
        yield Fault(where, str(run.training.select.keep), expected)
    if "level" in run.predict.model_fields_set:
        where = places.inside(("runs", name, "predict", "level"), 2)
        yield Fault(where, "an option of slides ('level')", "none, as the study has no `slides`")
    if run.predict.store.classes:
        where = places.inside(("runs", name, "predict", "store", "classes"), 3)
        found, expected = (
            ", ".join(run.predict.store.classes),
            "none, as images that are no slides keep all maps",
        )
        yield Fault(where, found, expected)


def _check_data(study: Study, places: Places) -> Iterator[Fault]:
    """Slides are read as RGB of 8 bits; their targets are classes."""
    data = study.data
    if data.channels != RGB:
        yield Fault(places(("data", "channels")), str(data.channels), "3, as slides are read as RGB")
    if data.dtype not in (None, "uint8"):
        yield Fault(places(("data", "dtype")), f"'{data.dtype}'", "null, as slides are of 8 bits")
    if data.downsample != 1:
        expected = "1, as slides.mpp says what networks see"
        yield Fault(places(("data", "downsample")), str(data.downsample), expected)
    if study.targets.kind != "semantic":
        expected = "'semantic', as annotations of slides are regions of classes"
        yield Fault(places(("targets", "kind")), f"'{study.targets.kind}'", expected)
    if study.targets.convention == "matlab":
        expected = "'pixel_centre' or 'first_pixel', as annotations are drawn on a grid of their own"
        yield Fault(places(("targets", "convention")), "'matlab'", expected)


def _check_measured(study: Study, places: Places) -> Iterator[Fault]:
    """What is measured on slides: calls of sections, and pixels window by window."""
    for number, family in enumerate(study.evaluate.metrics if study.runs else ()):
        if family not in MEASURED:
            expected = f"{' or '.join(MEASURED)}, as slides are not held as a whole"
            yield Fault(places(("evaluate", "metrics", str(number))), f"'{family}'", expected)
    for name in study.external:
        expected = "nothing, as segmentations of other tools are measured on images, not on slides; delete it"
        yield Fault(places(("external", name)), f"'{name}'", expected)
    of_pixels = [family for family in OF_PIXELS if family in study.evaluate.metrics]
    several = len(study.data.classes) > BINARY and bool(of_pixels)
    for name, run in study.runs.items() if several else ():
        stored = run.predict.store.classes
        if stored and set(stored) < set(study.data.classes):
            where = places.inside(("runs", name, "predict", "store", "classes"), 3)
            without = " and ".join(of_pixels)
            expected = f"all classes, which pixels are told apart by; or evaluate.metrics without {without}"
            yield Fault(where, f"{', '.join(stored)} alone", expected)


def _check_run(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """A run on slides has a network, sees the slide, keeps epochs and calls sections."""
    here = ("runs", name)
    if run.is_ensemble:
        expected = "a run with a network, as maps of slides are not averaged"
        yield Fault(places((*here, "members")), "an ensemble", expected)
        return
    if run.classifier is not None:
        where = places.inside((*here, "classifier"), 2)
        yield Fault(where, f"'{run.classifier.name}'", "a network, as pixel classifiers take whole images")
        return
    if run.calls is None:
        expected = "how sections are called, such as {class: " + list(study.data.classes)[-1] + "}"
        yield Fault(places(here), "no calls", expected)
        return
    if run.weights_of is None and run.kind != "kept":
        expected = "how many epochs training keeps, such as 5, as one is chosen by the calls"
        found = "calibration" if run.kind == "calibrated" else "nothing"
        yield Fault(places.inside((*here, "training", "select", "keep"), 3), found, expected)
    if run.kind == "recalibrated":
        where = places.inside((*here, "calibration", "kind"), 2)
        yield Fault(where, f"'{run.calibration.kind}'", "'none', as maps of slides are not calibrated")
    if run.calls.of not in study.data.classes:
        where = places.inside((*here, "calls", "class"), 2)
        yield Fault(where, f"'{run.calls.of}'", nearest(run.calls.of, study.data.classes))
    if run.input.zoom != 1:
        where = places.inside((*here, "input", "zoom"), 2)
        yield Fault(where, f"{run.input.zoom:g}", "1, as slides.mpp says what networks see")
    if run.predict.border:
        where = places.inside((*here, "predict", "border"), 2)
        yield Fault(where, str(run.predict.border), "0, as slides have surroundings of their own")
    if run.predict.window is None and run.network is not None:
        where = places.inside((*here, "predict", "window"), 2)
        yield Fault(where, "null", "pixels of a window, as slides are too large for the network as a whole")
    if run.tune is not None:
        expected = "null, as slides are not segmented as a whole; `calls` chooses its threshold by itself"
        yield Fault(places.inside((*here, "tune"), 1), "options to tune", expected)
    lender = study.runs.get(run.weights_of or "")
    if lender is not None and lender.calls is not None and lender.calls != run.calls:
        where = places.inside((*here, "calls"), 1)
        yield Fault(where, "other calls than those of the run whose weights it borrows", "the same")


def _check_maps(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """What is kept of the maps of slides, and at which block of the decoder they are stitched."""
    if run.network is None:
        return
    here, level = ("runs", name, "predict"), run.predict.level
    classes = list(study.data.classes) if run.has_class_maps else list(study.data.classes)[1:]
    for wrong in (one for one in run.predict.store.classes if one not in classes):
        where = places.inside((*here, "store", "classes"), 2)
        yield Fault(where, f"'{wrong}', of which there is no map", nearest(wrong, classes))
    where = places.inside((*here, "level"), 2)
    blocks = run.network.levels if run.network.levels > 1 else 0
    built = f"as network '{run.network.name}' is built"
    if level is not None and run.network.merges_levels:
        yield Fault(where, str(level), f"null, {built}: it learns none of its blocks alone")
    elif level is not None and level >= blocks:
        expected = f"0 to {blocks - 1}, the blocks from coarse to fine" if blocks else "null"
        yield Fault(where, str(level), f"{expected}, {built}")
    elif level is not None and run.predict.window and run.predict.window % 2 ** (blocks - 1 - level):
        where, step = places.inside((*here, "window"), 2), 2 ** (blocks - 1 - level)
        expected = f"a multiple of {step}, as block {level} gives a value for {step} x {step} pixels"
        yield Fault(where, str(run.predict.window), expected)
