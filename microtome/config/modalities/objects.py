# SPDX-License-Identifier: MIT
"""Options of objects as targets and of the outputs that learn them, and what contradicts itself there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import NonNegativeFloat, PositiveInt

from microtome.config.features import Features
from microtome.config.outputs import check_maps
from microtome.config.section import Section, option
from microtome.faults import Fault, nearest

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.config.yaml import Places

Output = Literal["mask", "separated_mask", "shape_marker", "centre_marker"]
MASKS = ("mask", "separated_mask")
MOST_REGIONS = 8
"""Bits of a pixel of the map of regions."""


class Targets(Section):
    """What labels are turned into."""

    kind: Literal["semantic", "instances"] = option(
        "semantic", "semantic: class values; instances: each object has an id (or a polygon)"
    )
    convention: Literal["pixel_centre", "first_pixel", "matlab"] = option(
        "pixel_centre",
        "polygons: the pixel (0, 0) has its centre at (0.5, 0.5), or at (0, 0) (first_pixel), "
        "or pixels are those of MATLAB's poly2mask",
    )
    marker_element: Literal["octagon", "disk"] = option(
        "octagon", "shape markers: MATLAB's strel('disk', r), an octagon, or a true disk"
    )
    centre_radius: PositiveInt = option(3, "centre markers: radius of the disk, pixels")
    gap: PositiveInt = option(1, "separated masks: pixels on either side of where objects touch")
    features: Features = option(Features(), "outlines: which of a file's features are labels")
    outside: str | None = option(
        "background", "semantic, outlines: class of the pixels that none covers; null: not labelled"
    )
    order: Literal["area", "file", "classes"] = option(
        "area",
        "semantic, outlines: which lie on top. area: smaller ones; file: later ones; classes: those of later "
        "classes",
    )

    regions: dict[str, tuple[str, ...]] = option(
        {},
        "semantic, outlines: name of a region: names in the files, which need be no class. The patch index "
        "has the share of each window that its outlines cover, whatever else does",
    )

    @property
    def used(self) -> dict[str, Any]:
        """The options that labels of this kind are turned into targets by."""
        unused = (
            {"outside", "order"} if self.kind == "instances" else {"marker_element", "centre_radius", "gap"}
        )
        return self.model_dump(exclude=unused if self.regions else unused | {"regions"})


class Outlines(Section):
    """The outlines of objects in GeoJSON."""

    tolerance: NonNegativeFloat = option(
        0.0,
        "pixels that an outline may depart from the edges of the object's pixels, to have fewer vertices "
        "(Douglas and Peucker); 0: along them",
    )


class StudyOptions(Section):
    """The targets of a study."""

    targets: Targets = option(Targets(), "what labels are turned into")
    outlines: Outlines = option(Outlines(), "the outlines of found objects in GeoJSON")


class RunOptions(Section):
    """The outputs of a run."""

    outputs: tuple[Output, ...] = option(
        ("mask",),
        "what each sigmoid output of the network learns: mask, or separated_mask, in which pixels between "
        "touching objects are background; then at most one kind of marker. All but mask need targets.kind "
        "`instances`. Runs by softmax learn data.classes, with separated_mask with such gaps",
        min_length=1,
        max_length=2,
    )


def check(study: Study, places: Places) -> Iterator[Fault]:
    """Find what contradicts itself among targets, outputs and post-processing."""
    yield from _check_kind(study, places)
    yield from _check_regions(study, places)
    for name, run in study.runs.items():
        yield from _check_boundary(study, name, run, places)
        if run.is_ensemble:
            yield from _check_members(study, name, run, places)
        elif run.network is not None:
            yield from _check_outputs(study, name, run, places)
            yield from _check_pixels(study, name, run, places)
            yield from _check_windows(name, run, places)
            yield from _check_lists(study, name, run, places)


def _check_kind(study: Study, places: Places) -> Iterator[Fault]:
    objects = study.targets.kind == "instances"
    measured = "instances" in study.evaluate.metrics
    if objects and len(study.data.classes) < 2:
        expected = "two classes or more, the background first, such as {background: 0, nucleus: 1}"
        yield Fault(places(("data", "classes")), f"{len(study.data.classes)} classes", expected)
    if study.data.source == "phantom" and objects and len(study.data.classes) > 2:
        expected = "two classes, as the objects of phantoms are of one"
        yield Fault(places(("data", "classes")), f"{len(study.data.classes)} classes", expected)
    if objects and study.data.colors:
        expected = "none, as targets.kind is 'instances': a label numbers the objects"
        yield Fault(places(("data", "colors")), "colours of classes", expected)
    for name, meant in study.targets.features.names.items():
        if meant not in study.data.classes:
            where = places(("targets", "features", "names", name))
            yield Fault(where, f"'{meant}'", nearest(meant, study.data.classes))
    outside = study.targets.outside
    if outside not in (None, *study.data.classes) and places.tree.get("targets", "outside"):
        expected = f"{nearest(outside, study.data.classes)}, or null where what is outside is not labelled"
        yield Fault(places(("targets", "outside")), f"'{outside}'", expected)
    if measured and not objects:
        expected = "other metrics, or targets.kind 'instances'"
        yield Fault(places(("evaluate", "metrics")), "'instances'", expected)
    for name, run in study.runs.items():
        if measured and run.segment.kind != "watershed":
            where = places.inside(("runs", name, "segment", "kind"), 2)
            yield Fault(where, f"'{run.segment.kind}'", "'watershed', as evaluate.metrics has 'instances'")
    phantom = study.data.phantom
    if study.data.source == "phantom" and objects != phantom.OBJECTS:
        expected = f"'{'semantic' if objects else 'instances'}', which phantom '{phantom.kind}' has"
        yield Fault(places(("targets", "kind")), f"'{study.targets.kind}'", expected)
    if study.data.source == "phantom" and study.data.channels != phantom.CHANNELS:
        expected = f"{phantom.CHANNELS}, which images of phantom '{phantom.kind}' have"
        yield Fault(places(("data", "channels")), str(study.data.channels), expected)


def _check_regions(study: Study, places: Places) -> Iterator[Fault]:
    """Regions are of outlines that mean classes, and are told apart by bits and by columns of the index."""
    regions, where = study.targets.regions, places(("targets", "regions"))
    if regions and study.targets.kind != "semantic":
        yield Fault(
            where, f"regions of targets.kind '{study.targets.kind}'", "targets.kind 'semantic', or none"
        )
    if len(regions) > MOST_REGIONS:
        yield Fault(where, f"{len(regions)} regions", f"{MOST_REGIONS} at most")
    for name, names in regions.items():
        if name in study.data.classes:
            expected = "another name, as the patch index has the share of each class and region by its name"
            yield Fault(places(("targets", "regions", name)), f"'{name}', the name of a class", expected)
        if not names:
            expected = "the names of its outlines in the files"
            yield Fault(places(("targets", "regions", name)), "no name", expected)


def _check_lists(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Lists of windows are by the shares that the patch index has."""
    known = [*study.data.classes, *study.targets.regions]
    for key, one in run.sampler.lists.items() if run.sampler.kind == "lists" else ():
        if one.fraction not in known:
            where = places.inside(("runs", name, "sampler", "lists", key, "fraction"), 2)
            yield Fault(where, f"'{one.fraction}'", nearest(one.fraction, known))


def _check_outputs(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    here, outputs = ("runs", name), run.outputs
    where = places.inside((*here, "outputs"), 2)
    masks = [name for name in outputs if name in MASKS]
    if outputs[0] not in MASKS or len(masks) > 1 or len(set(outputs)) < len(outputs):
        yield Fault(where, ", ".join(outputs), "mask first, then at most one kind of marker")
    if outputs != ("mask",) and study.targets.kind != "instances":
        yield Fault(where, outputs[-1], "mask alone, as targets.kind is 'semantic'")
    yield from _check_segment(name, run, outputs, places)
    if run.calibration.kind == "cubic" and len(outputs) > 1:
        where = places.inside((*here, "calibration"), 1)
        expected = "'temperature' or 'none', as the run has a marker output"
        yield Fault(where, f"'{run.calibration.kind}'", expected)


def _check_boundary(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """The boundary between regions is a class."""
    named = run.segment.of if run.segment.kind == "boundary_watershed" else None
    if named is not None and named not in study.data.classes:
        where = places.inside(("runs", name, "segment", "class"), 2)
        yield Fault(where, f"'{named}'", nearest(named, study.data.classes))


def _check_segment(name: str, run: Run, outputs: tuple[Output, ...], places: Places) -> Iterator[Fault]:
    where = places.inside(("runs", name, "segment"), 1)
    marked = len(outputs) > 1
    if run.segment.kind != "watershed" and marked:
        yield Fault(where, f"'{run.segment.kind}'", "'watershed', as the run has a marker output")
    if run.segment.kind == "watershed" and marked != (run.segment.markers == "predicted"):
        expected = "'predicted'" if marked else "'eroded' or 'distance'"
        found = f"markers '{run.segment.markers}'"
        yield Fault(where, found, f"{expected}, as outputs are {', '.join(outputs)}")


def _check_pixels(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Interpolated targets know 0 and 1 alone; those of runs by softmax are not interpolated."""
    soft = (run.input.zoom != 1 and not run.has_class_maps) or run.augment.target_rounding != "nearest"
    has_more = study.data.ignore or study.data.ignore_colors or len(study.data.classes) != 2
    if soft and has_more:
        where = places.inside(("runs", name, "augment", "target_rounding"), 2)
        expected = "zoom 1 and 'nearest', as targets have more values than 0 and 1"
        yield Fault(where, f"zoom {run.input.zoom:g} and '{run.augment.target_rounding}'", expected)


def _check_windows(name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Networks that classify pixels have one output, those of windows one size; fixed copies have no crop."""
    here = ("runs", name)
    if len(run.outputs) > 1 and (run.network.WINDOWS or run.has_class_maps):
        by = f"network '{run.network.name}'" if run.network.WINDOWS else f"loss '{run.loss.name}'"
        expected = f"mask alone, as {by} classifies pixels"
        yield Fault(places.inside((*here, "outputs"), 2), ", ".join(run.outputs), expected)
    if run.network.WINDOWS and run.input.zoom != 1:
        expected = f"1, as the windows of network '{run.network.name}' have one size"
        yield Fault(places.inside((*here, "input", "zoom"), 2), f"{run.input.zoom:g}", expected)
    if getattr(run.sampler, "copies", None) is not None and run.sampler.crop:
        expected = "null, as sampler.copies are the same in every epoch and crops are not"
        yield Fault(places.inside((*here, "sampler", "crop"), 2), str(run.sampler.crop), expected)


def _check_members(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    outputs = {study.runs[member].outputs for member in run.members if member in study.runs}
    if len(outputs) > 1:
        found = " and ".join(sorted(", ".join(one) for one in outputs))
        where = places(("runs", name, "members"))
        yield Fault(where, f"members with the outputs {found}", "members with the same outputs")
    for found in outputs if len(outputs) == 1 else ():
        yield from _check_segment(name, run, found, places)
    members = {member: study.runs[member] for member in run.members if member in study.runs}
    softmax = [member for member, one in members.items() if one.has_class_maps]
    others = [member for member in members if member not in softmax]
    if softmax and others:
        found = f"{', '.join(softmax)} (a map for each class) and {', '.join(others)} (one map)"
        expected = "members whose maps mean the same"
        yield Fault(places(("runs", name, "members")), found, expected)
    elif members:
        yield from check_maps(study, name, places, list(members.values()))
