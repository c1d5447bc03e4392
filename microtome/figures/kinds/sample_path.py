# SPDX-License-Identifier: MIT
"""One sample on its way through the workflow: every step that the study has, in order, with its picture."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np

from microtome.figures.inputs import FigureInputs, needed
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts import way_cubes, way_images, way_slides
from microtome.figures.parts.classes import class_patches, tones_sentence
from microtome.figures.parts.panels import outputs_of
from microtome.figures.parts.samples import data_sentence, tested
from microtome.figures.parts.steps import Step, draw_steps, tell_steps
from microtome.figures.parts.style import styled
from microtome.figures.parts.way import PIXELS, Way, shown_class
from microtome.figures.result import FigureResult
from microtome.provenance.runs import RunRecord

NEEDS = frozenset()
USES = frozenset({"bands", "calls", "cubes", "images", "names", "slides", "way"})
SAMPLE_OPTIONS = ("sample",)
RUN_OPTIONS = ("run",)
CROP = 256
MOST = 24
"""Samples that are looked at to choose one with many classes."""


@styled
def draw(
    inputs: FigureInputs, *, run: str = "", sample: str = "", band: int | None = None, crop: int = CROP
) -> FigureResult:
    """Draw what becomes of one sample, step by step.

    Of images: the image, its stain normalization, the windows, the probability, the classes or objects found,
    and the labels. Of hyperspectral cubes first the raw cube, its calibration and the chosen bands; of slides
    first the tissue, and last the call of a section. Steps that the study does without are left out; without
    runs the way ends at what there is to see.

    Args:
        inputs: Run records, settings of the runs, files of the samples or the slides.
        run: The run; the first by default.
        sample: The sample; by default the one with most classes among the first of the test part, of slides
            one with a section that the run called right.
        band: Of cubes: the band that stands for the whole cube, from 0; null: the first of those chosen.
        crop: Of objects: side of the square in which results are shown, the one with most of them, pixels; 0
            for the whole image.

    Returns:
        The figure. Its data: panel, step, detail (what is known of it), sample, run.

    Raises:
        ValueError: There is no such run or sample, or nothing to see of it.
    """
    records = inputs.select([run] if run else ()) if inputs.runs else []
    records = [record for record in records if record.run == records[0].run]
    if "sections" in inputs.files:
        place = way_slides.choose_place(inputs, records[0] if records else None, sample)
        way = _slide_way(inputs, records, place.sample)
        steps = way_slides.slide_steps(way, place)
    else:
        way = _image_way(inputs, records, _choose(inputs, records, sample))
        steps = _image_steps(way, band, crop)
    told = {"sample": way.sample, "run": way.record.run if way.record else ""}
    handles = _legend(way, steps)
    figure = draw_steps(steps, data_kind=inputs.data_kind, handles=handles)
    return FigureResult(figure, tell_steps(steps, **told), _caption(way, steps))


def _choose(inputs: FigureInputs, records: Sequence[RunRecord], sample: str) -> str:
    """The sample that is named, else one with most classes among the first that have what is shown.

    Raises:
        ValueError: There is none.
    """
    needs = ("image", "predictions") if records else ("image",)
    run = records[0].run if records else ""
    name, _ = inputs.sample(sample, run=run, needs=needs)
    if sample:
        return name
    able = inputs.candidates(run=run, needs=needs)
    tests = [one for one in able if not records or tested(records, one)] or able
    cubes = [one for one in tests if one in inputs.cubes]
    return max((cubes or tests)[:MOST], key=lambda one: _classes_in(inputs, one))


def _classes_in(inputs: FigureInputs, sample: str) -> int:
    """How many classes the labels of a sample show."""
    sources = inputs.sources[sample]
    if sources.target is None:
        return 0
    view = slides.open_view([needed(sources, "image", sample).parent], sample)
    return np.unique(slides.read_classes(sources.target, view, PIXELS).values).size


def _image_way(inputs: FigureInputs, records: Sequence[RunRecord], sample: str) -> Way:
    """The way of an image; of several splits of a run it is the record that tested it."""
    sources = inputs.sources[sample]
    whole = slides.open_view([needed(sources, "image", sample).parent], sample)
    record = (tested(records, sample) or records[0]) if records else None
    outputs = outputs_of(record) if record else ()
    shown = shown_class(inputs, outputs, sources.target, whole)
    return Way(inputs, sample, whole, record, _settings(inputs, record), shown)


def _slide_way(inputs: FigureInputs, records: Sequence[RunRecord], sample: str) -> Way:
    record = records[0] if records else None
    whole = slides.open_view(inputs.files["images"], sample)
    calls = inputs.calls.get(record.run, {}) if record else {}
    shown = str(calls.get("class") or inputs.positive_class)
    return Way(inputs, sample, whole, record, _settings(inputs, record), shown)


def _settings(inputs: FigureInputs, record: RunRecord | None) -> Mapping[str, Any]:
    """Options of a run as in the study file; what is not told there is left out."""
    return dict(inputs.settings.get("runs", {}).get(record.run, {})) if record else {}


def _image_steps(way: Way, band: int | None, crop: int) -> list[Step]:
    sees_cube = way.settings.get("view", way_cubes.IMAGE) != way_cubes.IMAGE or way.record is None
    if way.sample in way.inputs.cubes and sees_cube:
        return way_cubes.cube_steps(way, band, crop)
    return way_images.image_steps(way, crop)


def _legend(way: Way, steps: Sequence[Step]) -> list[Any]:
    """Colours of the classes, where a map of classes is shown."""
    has_maps = any(step.title in ("classes", "labels") for step in steps) and way.files.instances is None
    if not has_maps or way.files.target is None:
        return []
    return class_patches(way.inputs, slides.read_classes(way.files.target, way.whole, PIXELS).values)


def _caption(way: Way, steps: Sequence[Step]) -> str:
    told = "; ".join(
        f"({name}) {step.title}{f': {step.told}' if step.told else ''}"
        for name, step in zip(ascii_lowercase, steps, strict=False)
    )
    to = f" to the result of {way.record.label}" if way.record else ""
    tones = tones_sentence(way.inputs) if way.files.instances is None and way.files.target else ""
    return f"Sample {way.sample} on its way{to}: {told}.{tones} {data_sentence(way.inputs.data_kind)}"
