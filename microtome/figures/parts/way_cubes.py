# SPDX-License-Identifier: MIT
"""The way of a hyperspectral cube: calibration and choice of bands, then what every image goes through."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from microtome.figures.parts import bands
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts import way as ways
from microtome.figures.parts.panels import frame_panel
from microtome.figures.parts.steps import Step
from microtome.figures.parts.way import PIXELS, Seen, Way
from microtome.figures.parts.way_images import later_steps
from microtome.io.envi import Cube, open_cube

IMAGE, RAW = "image", "raw"
"""Views of a run: the picture of a sample, and the bands of its raw cube."""
SHEETS = 3
"""Bands shown behind each other."""
SHIFT = 0.09
"""From one to the next, in parts of the side."""


def cube_steps(way: Way, band: int | None, crop: int) -> list[Step]:
    """The steps of a cube.

    Args:
        way: The sample and the run.
        band: The band that stands for the whole cube, from 0; None: the first of those chosen.
        crop: As of `later_steps`.

    Raises:
        ValueError: The cube has no such band.
    """
    cube = open_cube(way.inputs.cubes[way.sample])
    chosen = bands.chosen_bands(bands.read_bands(way.inputs.bands), cube) if way.inputs.bands else []
    shown = band if band is not None else chosen[0] if chosen else cube.bands // 2
    bands.check_band(cube, shown)
    raw = open_cube(way.inputs.raw_cubes[way.sample]) if way.sample in way.inputs.raw_cubes else None
    steps = [] if raw is None else [_band_step("raw cube", raw, shown, way, f"{raw.bands} bands, one shown")]
    how = "by dark and blank references" if raw else f"{cube.bands} bands, one shown"
    seen = raw if raw is not None and way.settings.get("view") == RAW else cube
    if seen is cube:
        steps.append(_band_step("transmittance", cube, shown, way, how))
    if chosen:
        steps.append(_sheets(seen, chosen, way))
    return [*steps, *later_steps(way, _band(seen, shown), crop)]


def _band(cube: Cube, band: int) -> Seen:
    """A band of a cube as a picture, stretched to its own percentiles."""

    def seen(view: slides.View) -> slides.Layer:
        box = view.box
        full = bands.stretched(cube.read_band(band))[box.y : box.bottom, box.x : box.right]
        values = bands.shrink(full, PIXELS)
        step = max(1, full.shape[0] // values.shape[0])
        return slides.Layer(np.repeat(values[..., None], 3, axis=-1), (0.0, 0.0), (step, step))

    return seen


def _band_step(title: str, cube: Cube, band: int, way: Way, told: str) -> Step:
    named = bands.band_title(cube, band)
    return ways.picture(title, way.whole, _band(cube, band), f"{told} ({named})", ways.with_bar(way.whole))


def _sheets(cube: Cube, chosen: list[int], way: Way) -> Step:
    """Some of the chosen bands behind each other."""
    places = dict.fromkeys(round(place) for place in np.linspace(0, len(chosen) - 1, SHEETS))
    pictures = [bands.shrink(bands.stretched(cube.read_band(chosen[place]))) for place in places]
    ends = f"{bands.band_title(cube, chosen[0])} to {bands.band_title(cube, chosen[-1])}"
    told = f"{ends}, chosen of {cube.bands}"

    def show(axes: Axes) -> None:
        _stack(axes, pictures, way.whole.box.height / way.whole.box.width)

    return Step(f"{len(chosen)} bands", show, 1 / way.whole.aspect, told)


def _stack(axes: Axes, pictures: list[NDArray], aspect: float) -> None:
    """Draw pictures over one another, the first in front, at the lower left."""
    side = 1 - SHIFT * (len(pictures) - 1)
    for place, picture in reversed(list(enumerate(pictures))):
        start = SHIFT * place
        left, right, bottom, top = start, start + side, start * aspect, (start + side) * aspect
        axes.imshow(picture, extent=(left, right, bottom, top), cmap="gray", vmin=0, vmax=1, aspect="auto")
        axes.plot([left, right, right, left, left], [bottom, bottom, top, top, bottom], color="white", lw=0.6)
    frame_panel(axes)
    axes.set(xlim=(0, 1), ylim=(0, aspect), frame_on=False)
