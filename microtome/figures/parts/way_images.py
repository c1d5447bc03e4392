# SPDX-License-Identifier: MIT
"""The way of an image: normalization, windows, probability, and the classes or objects found."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from microtome.figures.inputs import needed
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts import way as ways
from microtome.figures.parts import window_frames
from microtome.figures.parts.markers_reached import unreached
from microtome.figures.parts.steps import Step
from microtome.figures.parts.way import Seen, Way


def image_steps(way: Way, crop: int) -> list[Step]:
    """The steps of an image."""
    image = ways.read_image(needed(way.files, "image", way.sample))
    steps = [ways.picture("image", way.whole, image, _tell_image(way), ways.with_bar(way.whole))]
    seen, more = _normalized(way)
    return [*steps, *more, *later_steps(way, seen or image, crop)]


def later_steps(way: Way, seen: Seen, crop: int) -> list[Step]:
    """What follows where the pixels are those that the network sees: windows, probability, result, labels.

    Args:
        way: The sample and the run.
        seen: Gives the picture that the network sees.
        crop: Of objects: side of the square in which results are shown, pixels; 0: the whole image.
    """
    predict, by_pixel = way.settings.get("predict"), way.settings.get("by_pixel")
    windows = window_frames.over_image(way.whole, predict, way.zoom) if predict and not by_pixel else None
    steps = ways.window_steps(way, way.whole, seen, windows)
    detail = _detail(way, crop)
    if detail.box != way.whole.box:
        steps.append(_framed(way, detail, seen))
    at_once = bool(predict) and not by_pixel and windows is None
    return [
        *steps,
        *ways.output_steps(way, detail, whole=at_once),
        *_results(way, detail),
        *_labels(way, detail),
    ]


def _tell_image(way: Way) -> str:
    size, factor = ways.tell_size(way.whole), int(way.inputs.settings.get("downsample", 1))
    return f"{size}, each the mean of {factor} × {factor} of the file" if factor > 1 else size


def _normalized(way: Way) -> tuple[Seen | None, list[Step]]:
    """The image with the stain that the run asks for."""
    stain = way.settings.get("stain")
    path = next(
        (file for name, file in way.files.normalized.items() if name.partition("@")[0] == stain), None
    )
    if not stain or path is None:
        return None, []
    options: Mapping[str, Any] = way.inputs.settings.get("stains", {}).get(stain, {})
    method = way.inputs.name_of("stain", str(options.get("method", stain)))
    seen = ways.read_image(path)
    return seen, [
        ways.picture("normalized", way.whole, seen, f"stains by {method}", ways.with_bar(way.whole))
    ]


def _detail(way: Way, crop: int) -> slides.View:
    """Where results are shown: of objects the square with most of them, else the whole image."""
    path = way.files.instances or way.found
    return way.whole if path is None else ways.densest(path, way.whole, crop)


def _framed(way: Way, detail: slides.View, seen: Seen) -> Step:
    """The part in which results are shown."""

    def frame(axes: Axes) -> None:
        window_frames.draw_frame(axes, way.whole, detail.box)

    return ways.picture("part shown", way.whole, seen, "framed: where most objects lie", frame)


def _results(way: Way, view: slides.View) -> list[Step]:
    """What the run makes of the probabilities."""
    segment, found, classes = way.settings.get("segment", {}), way.found, way.of_run("segmentations/*")
    if found is not None:
        return [ways.objects_step("objects", found, view, _tell_objects(way, segment))]
    if classes is None:
        return []
    threshold = segment.get("threshold")
    by = "the most probable class" if segment.get("kind") == "argmax" else ""
    by = f"{way.inputs.output_class} where p > {threshold:g}" if threshold is not None else by
    return [ways.classes_step("classes", classes, way, view, by)]


def _tell_objects(way: Way, segment: Mapping[str, Any]) -> str:
    """How many objects, and by which thresholds; and whether markers were of use."""
    count = f"{ways.count_objects(way.found):,} in the image"
    names = [name for name in ("mask", "marker") if segment.get(f"{name}_threshold") is not None]
    if not ways.panels.outputs_of(way.record)[1:]:
        names = [name for name in names if name != "marker"]
    limits = ", ".join(f"{name} > {segment[f'{name}_threshold']:g}" for name in names)
    told = f"{count}: {limits}" if limits else count
    missing = unreached(way.record, way.maps, segment) if way.maps else ""
    return f"{told}; {missing}" if missing else told


def _labels(way: Way, view: slides.View) -> list[Step]:
    """What is annotated, to compare with."""
    if way.files.instances is not None:
        count = f"{ways.count_objects(way.files.instances):,} in the image"
        return [ways.objects_step("labels", way.files.instances, view, count, aside=True)]
    if way.files.target is None:
        return []
    return [ways.classes_step("labels", way.files.target, way, view, "to compare with", aside=True)]
