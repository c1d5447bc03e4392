# SPDX-License-Identifier: MIT
"""The way of a hyperspectral cube: calibration, choice of bands, network, segmentation, with its pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microtome.config.colors import BLACK_WHITE
from microtome.figures.inputs import FigureInputs, SampleSources
from microtome.figures.kinds.spectra import BAND_SHOWN
from microtome.figures.parts import bands
from microtome.figures.parts.flow_diagram import Stage, draw_flow, tell_flow
from microtome.figures.parts.panels import heat_picture, outputs_of, paint, read_image, read_probability
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.io.envi import Cube, open_cube
from microtome.provenance.runs import RunRecord

EXPLAINS = True
NEEDS = frozenset({"bands", "cubes", "images", "names", "runs", "trained"})
SAMPLE_OPTIONS = ("sample",)
SHEETS = 3
"""Bands shown behind each other."""


@styled
def draw(inputs: FigureInputs, *, run: str = "", sample: str = "", band: int = BAND_SHOWN) -> FigureResult:
    """Draw the way of a cube through calibration, choice of bands and network.

    Args:
        inputs: Run records, cubes (raw ones where there are any), the table of bands, maps of the run.
        run: The run; the first by default.
        sample: The sample; by default the first test sample with a cube and a map by the run, else with a
            cube.
        band: The band that stands for the whole cube, from 0.

    Returns:
        The figure; steps without a picture at hand are drawn as empty frames. Its data: step, what leads to
        it, what is known of it, number of pictures.

    Raises:
        ValueError: There is no run, cube or table of bands, or the band is none of the cube's.
    """
    record = inputs.select([run] if run else ())[0]
    name = sample or _first_sample(inputs, record.run)
    name, sources = bands.choose_cube(inputs, name)
    cube = open_cube(inputs.cubes[name])
    bands.check_band(cube, band)
    is_rgb = record.card.get("view") == "image"
    steps = _picture_steps(sources) if is_rgb else _cube_steps(inputs, cube, name, band)
    steps += [_network(inputs, record), *_results(inputs, record, sources)]
    data, told = tell_flow(steps, run=record.run, sample=name)
    caption = f"The way of sample {name} to the segmentation by {record.label}: {told}. "
    caption += data_sentence(inputs.data_kind)
    return FigureResult(draw_flow(steps, data_kind=inputs.data_kind), data, caption)


def _first_sample(inputs: FigureInputs, run: str) -> str:
    """The first with a cube and maps, or none."""
    able = inputs.candidates(run=run, needs=("predictions", "segmentations"))
    return next((name for name in able if name in inputs.cubes), "")


def _picture_steps(sources: SampleSources) -> list[Stage]:
    picture = None if sources.image is None else read_image(sources.image)
    return [Stage("picture", ("RGB image",), (picture,))]


def _cube_steps(inputs: FigureInputs, cube: Cube, name: str, band: int) -> list[Stage]:
    chosen = bands.chosen_bands(bands.read_bands(inputs.bands), cube)
    places = dict.fromkeys(round(place) for place in np.linspace(0, len(chosen) - 1, SHEETS))
    sheets = [_band(cube, chosen[place]) for place in places]
    ends = f"{bands.band_title(cube, chosen[0])} –\n{bands.band_title(cube, chosen[-1])}"
    steps = []
    if name in inputs.raw_cubes:
        raw = open_cube(inputs.raw_cubes[name])
        steps.append(Stage("picture", ("raw cube",), (_band(raw, band),), below=f"{raw.bands} bands"))
    how = {"arrow": "calibrate", "under_arrow": "dark,\nblank"} if steps else {}
    calibrated = (_band(cube, band),)
    steps.append(Stage("picture", ("transmittance",), calibrated, below=f"{cube.bands} bands", **how))
    why = {"arrow": "choose", "under_arrow": "mutual\ninformation"}
    return [*steps, Stage("sheets", (f"{len(chosen)} bands",), tuple(sheets), below=ends, **why)]


def _band(cube: Cube, band: int) -> NDArray:
    return bands.shrink(bands.stretched(cube.read_band(band)))


def _network(inputs: FigureInputs, record: RunRecord) -> Stage:
    loss = inputs.name_of("loss", str(record.card.get("loss", {}).get("name", "")))
    lines = (inputs.name_of("network", str(record.card["network"]["name"])), loss)
    return Stage("network", tuple(line for line in lines if line), arrow="train")


def _results(inputs: FigureInputs, record: RunRecord, sources: SampleSources) -> Sequence[Stage]:
    path, found = sources.predictions.get(record.run), sources.segmentations.get(record.run)
    likely = None if path is None else read_probability(path, inputs, outputs=outputs_of(record))
    probability = None if likely is None else heat_picture(likely)
    positive = inputs.class_id(inputs.positive_class)
    classes = None if found is None else (images.read(found) == positive).astype(np.uint8)
    painted = None if classes is None else paint(classes, BLACK_WHITE)
    return (
        Stage(
            "picture",
            ("probability",),
            (probability,),
            below=f"of {inputs.positive_class}:\ndark 0, bright 1",
        ),
        Stage(
            "picture",
            (inputs.positive_class,),
            (painted,),
            below="in white",
            arrow="most likely",
            under_arrow="class",
        ),
    )
