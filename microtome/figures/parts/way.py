# SPDX-License-Identifier: MIT
"""A sample on its way to a run's results: what is known of both, and the steps that all images share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources
from microtome.figures.parts import panels, window_frames
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.colors import HEAT
from microtome.figures.parts.map_layers import read_probability
from microtome.figures.parts.objects import colour_labels, densest_window
from microtome.figures.parts.steps import Step
from microtome.io import views
from microtome.io.section_boxes import Box
from microtome.provenance.runs import RunRecord

PIXELS = 480
"""Of the longer side of a picture, about: what a fifth of a page has at 300 dots an inch."""
ROWS = 512
"""Rows of a map of objects that are read at once."""
NANOMETRES, SMALL = 1000, 0.1
"""Pixels below so many µm are told in nm."""
Seen = Callable[[slides.View], slides.Layer]
"""Gives the picture of a part of the image as the network sees it."""


@dataclass(frozen=True, eq=False)
class Way:
    """A sample and the run that it goes to.

    Attributes:
        inputs: What the figure is made of.
        sample: Name of the sample.
        whole: All of its image.
        record: The run; None where the study has none, so that the way ends at what there is to see.
        settings: Options of the run as in the study file; empty without a run.
        class_name: The class whose probability is shown.
    """

    inputs: FigureInputs
    sample: str
    whole: slides.View
    record: RunRecord | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    class_name: str = ""

    @property
    def files(self) -> SampleSources:
        """The files of the sample that belong to no run."""
        return self.inputs.sources.get(self.sample, SampleSources())

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What the channels of the run's maps are; empty where they are classes."""
        return panels.outputs_of(self.record) if self.record else ()

    def of_run(self, folder: str) -> Path | None:
        """The file of the sample in a folder of the run, by batches; None if there is none."""
        if self.record is None:
            return None
        return views.samples(*sorted(self.record.folder.glob(folder))).get(self.sample)

    @property
    def maps(self) -> Path | None:
        """The run's probability maps of the sample."""
        return self.of_run("predictions/*")

    @property
    def found(self) -> Path | None:
        """The objects that the run found, as numbers."""
        return self.of_run("segmentations/*/instances")

    @property
    def zoom(self) -> float:
        """By which the network sees the image resized."""
        return float(self.settings.get("input", {}).get("zoom", 1))

    def probability(self, view: slides.View, name: str = "", pixels: int = PIXELS) -> slides.Layer | None:
        """The probability of the class, or of the output of a name, over a view; None without maps."""
        if self.maps is None:
            return None
        wanted = name or self.class_name
        return read_probability(self.maps, view, self.inputs, wanted, outputs=self.outputs, pixels=pixels)


def read_image(path: Path) -> Seen:
    """The picture in a file, or the slide behind a reference."""
    return lambda view: slides.read_picture(replace(view, path=path), PIXELS)


def picture(title: str, view: slides.View, seen: Seen, told: str, *over: Callable[[Axes], object]) -> Step:
    """A step that shows a part of an image as it is seen, with what is drawn over it."""

    def show(axes: Axes) -> None:
        slides.show(axes, view, seen(view))
        for draw in over:
            draw(axes)

    return Step(title, show, 1 / view.aspect, told)


def with_bar(view: slides.View) -> Callable[[Axes], object]:
    """Draws the scale bar of a view."""
    return lambda axes: panels.scale_bar(axes, view.box.width, view.mpp[1] if view.mpp else None)


def tell_size(view: slides.View) -> str:
    """How many pixels a view has, and how large they are."""
    size = f"{view.box.height:,} × {view.box.width:,} pixels"
    if view.mpp is None:
        return size
    mpp = view.mpp[1]
    return f"{size} of " + (f"{mpp * NANOMETRES:.3g} nm" if mpp < SMALL else f"{mpp:.3g} µm")


def window_steps(
    way: Way, view: slides.View, seen: Seen, windows: window_frames.Windows | None
) -> list[Step]:
    """The windows over a view, and the one where the class is most probable; nothing without windows."""
    if windows is None or not windows.boxes:
        return []
    probability = way.probability(view)
    framed = windows.boxes[0] if probability is None else window_frames.fullest(windows, view, probability)
    inside = view.of(framed)

    def frames(axes: Axes) -> None:
        window_frames.draw_windows(axes, windows, view, framed)

    resized = f", of the image resized by {way.zoom:g}" if way.zoom != 1 else ""
    return [
        picture("windows", view, seen, windows.told + resized, frames),
        picture("one window", inside, seen, "seen by the network", with_bar(inside)),
    ]


def output_steps(way: Way, view: slides.View, *, whole: bool) -> list[Step]:
    """The probability of the class, and that of markers where the network has such an output.

    Args:
        way: The sample and the run.
        view: What is shown.
        whole: Whether the network sees the image at once, which is then said.
    """
    if way.record is None or way.maps is None:
        return []
    network = way.inputs.name_of("network", str(way.record.card.get("network", {}).get("name", "")))
    at_once = ", the whole image at once" if whole else ""
    told = f"of {way.class_name} (bright) by {network or way.record.label}{at_once}"
    steps = [_probability("probability", way, view, "", told)]
    for name in way.outputs[1:]:
        steps.append(_probability(name.replace("_", " "), way, view, name, "probability (bright)"))
    return steps


def _probability(title: str, way: Way, view: slides.View, name: str, told: str) -> Step:
    layer = way.probability(view, name)

    def show(axes: Axes) -> None:
        slides.show(axes, view, layer, cmap=HEAT, vmin=0, vmax=1)

    return Step(title, show, 1 / view.aspect, told)


def classes_step(
    title: str, path: Path, way: Way, view: slides.View, told: str, *, aside: bool = False
) -> Step:
    """A map of classes in their colours."""
    tones = tuple(way.inputs.palette.values())

    def show(axes: Axes) -> None:
        layer = slides.read_classes(path, view, PIXELS)
        painted = replace(layer, values=panels.paint(layer.values, tones))
        slides.show(axes, view, painted, interpolation="nearest")

    return Step(title, show, 1 / view.aspect, told, aside)


def objects_step(title: str, path: Path, view: slides.View, told: str, *, aside: bool = False) -> Step:
    """A map of objects, each in a colour of its own."""

    def show(axes: Axes) -> None:
        layer = slides.read_classes(path, view, PIXELS)
        slides.show(axes, view, replace(layer, values=colour_labels(layer.values)), interpolation="nearest")

    return Step(title, show, 1 / view.aspect, told, aside)


def count_objects(path: Path) -> int:
    """How many different numbers above 0 a map of objects holds, read in bands of rows."""
    source, found = views.open_raster(path), np.empty(0, np.int64)
    height, width = source.shape[1:]
    for top in range(0, height, ROWS):
        band = source.read(top, 0, min(ROWS, height - top), width)
        found = np.union1d(found, band.ravel())
    return int((found > 0).sum())


def densest(path: Path, view: slides.View, side: int) -> slides.View:
    """The square of a view, at most so many pixels a side, with most of what a map marks; 0: all of it."""
    if not side or side >= max(view.box.height, view.box.width):
        return view
    layer = slides.read_classes(path, view, slides.PIXELS)
    step = layer.step[0]
    found = densest_window(_marked(layer.values), max(round(side / step), 1))
    y, x = (round(first * step) for first in (found.top, found.left))
    return view.of(Box(y=view.box.y + y, x=view.box.x + x, height=side, width=side))


def _marked(values: NDArray) -> NDArray[np.bool_]:
    return (values > 0) & (values != panels.IGNORE)


def shown_class(inputs: FigureInputs, outputs: Sequence[str], target: Path | None, view: slides.View) -> str:
    """The class whose probability is shown of a sample.

    That is the positive class of two, or of a mask; of several the one that most of the labelled pixels have,
    the first (the background) aside.
    """
    if set(panels.MASKS) & set(outputs[:1]) or len(inputs.classes) <= 2:
        return inputs.positive_class
    if target is None:
        return inputs.shown_class
    values = slides.read_classes(target, view, PIXELS).values
    counts = np.bincount(values[values != panels.IGNORE].ravel(), minlength=len(inputs.classes))
    return inputs.classes[1 + int(counts[1 : len(inputs.classes)].argmax())]
