# SPDX-License-Identifier: MIT
"""The heat-map of one slide, predicted section by section, and the largest regions found in each section."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.config.prediction import Predict
from microtome.devices import map_large_blocks, release_memory
from microtome.inference.overlap_tile import predict
from microtome.inference.test_time_views import DIHEDRAL
from microtome.io.raster import Raster
from microtome.io.section_boxes import Box
from microtome.io.slides import SlideSource
from microtome.io.tiff_stream import PyramidWriter
from microtome.slides.statistics import RegionAreas
from microtome.slides.windows import Part, Rectangle, TissueInside, grown, merged, on_map
from microtome.stages.predict import ready_model, scaling
from microtome.stages.stored_maps import as_stored, channel_names, kept_channels

Options = Mapping[str, Any]
Put = Callable[[int, int, NDArray[np.float32]], None]
"""Takes row, column and probabilities (K, rows, columns) of a part of a map."""
RELEASED = 1024
"""Rows of a map after which freed memory is given back."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained network with what its run says of prediction.

    Attributes:
        network: In evaluation mode, on its device.
        options: Those of the rule (see `predict_slides`).
        readers: Threads that decode slides.
    """

    network: torch.nn.Module
    options: Options
    readers: int = 1

    @property
    def settings(self) -> Predict:
        """How windows are laid and averaged."""
        return Predict.model_validate(self.options["predict"])

    @property
    def reduction(self) -> int:
        """Pixels of the image for each that the network returns, along either axis."""
        return int(getattr(self.network, "reduction", 1))

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @property
    def names(self) -> list[str]:
        """The channels of what the network returns: classes, or the positive one."""
        is_told = self.options["activation"] == "softmax"
        count = len(self.options["classes"] if is_told else self.options["outputs"])
        return channel_names(count, self.options) or []

    @property
    def called(self) -> int:
        """The channel of the class that sections are called for.

        Raises:
            ValueError: It has no map.
        """
        positive = self.options["calls"]["class"]
        if positive not in self.names:
            msg = f"calls.class is '{positive}'; the maps are of {', '.join(self.names)}"
            raise ValueError(msg)
        return self.names.index(positive)


def ready_predictor(options: Options, weights: Path, *, device: str, readers: int = 1) -> Predictor:
    """Load the network of a run; with `predict.level`, as far as that block of its decoder.

    Raises:
        WeightsFileError: The weights are damaged, or of another network.
        ValueError: The network has no such level.
    """
    network, level = ready_model(options, weights, device=device), options["predict"].get("level")
    if level is None:
        return Predictor(network, options, readers)
    if not hasattr(network, "up_to"):
        found = f"predict.level {level} of network '{options['network']['name']}', which has no levels"
        msg = f"found {found}; expected null, or a network such as dsunet"
        raise ValueError(msg)
    return Predictor(network.up_to(level).eval(), options, readers)


@dataclass(frozen=True, eq=False)
class Layout:
    """How the map of a slide lies on it.

    Attributes:
        source: The slide.
        reduction: Its pixels for each of the map, along either axis.
        sections: Number of each section to where it is on the map.
    """

    source: SlideSource
    reduction: int
    sections: Mapping[int, Rectangle]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return map_size(self.source, self.reduction)

    @property
    def scale(self) -> tuple[float, float]:
        """Slide pixels in a pixel of the map, along rows and columns."""
        return self.source.scale[0] * self.reduction, self.source.scale[1] * self.reduction

    @property
    def mpp(self) -> tuple[float, float]:
        """µm of a pixel of the map, along rows and columns."""
        return self.source.mpp[0] * self.reduction, self.source.mpp[1] * self.reduction

    @property
    def origin(self) -> tuple[float, float]:
        """Where the map begins on the canvas of the slide's file, µm."""
        reference = self.source.reference
        return reference.bounds[0] * reference.slide_mpp[0], reference.bounds[1] * reference.slide_mpp[1]

    @property
    def area(self) -> float:
        """Of all sections, µm²."""
        return math.prod(self.mpp) * sum(place.height * place.width for place in self.sections.values())


def map_size(source: Raster, reduction: int) -> tuple[int, int]:
    """Rows and columns of the map of a slide."""
    height, width = source.shape[1:]
    return math.ceil(height / reduction), math.ceil(width / reduction)


def lay_out(source: SlideSource, boxes: Mapping[int, Box], reduction: int) -> Layout:
    """Lay the map of a slide and its sections (number to box).

    Raises:
        ValueError: A box is outside the slide.
    """
    scale, size = (source.scale[0] * reduction, source.scale[1] * reduction), map_size(source, reduction)
    places = {
        number: on_map((box.y, box.x), (box.height, box.width), scale, size) for number, box in boxes.items()
    }
    return Layout(source, reduction, places)


def predict_sections(
    predictor: Predictor, layout: Layout, tissue: Raster, put: Put | None
) -> dict[int, RegionAreas]:
    """Predict the sections of a slide, windows over their tissue alone.

    Sections whose windows overlap are predicted together, so each window once. Memory depends on the width of
    such an area, neither on its height nor on the slide.

    Args:
        predictor: The network.
        layout: The slide and its sections.
        tissue: Mask (1, h, w), 0 where there is none.
        put: Takes each finished part of the map; None: the map is not wanted.

    Returns:
        Section to its largest regions; of runs without `calls`, nothing.
    """
    map_large_blocks()
    found = _unmeasured(predictor, layout)
    window = math.ceil((predictor.settings.window or 1) / layout.reduction)
    for area in merged(grown(place, window, layout.size) for place in layout.sections.values()):
        _predict_area(predictor, layout, area, tissue, partial(_receive, predictor, layout, area, found, put))
    return found


def _unmeasured(predictor: Predictor, layout: Layout) -> dict[int, RegionAreas]:
    """For each section what will measure its regions."""
    calls = predictor.options.get("calls")
    if calls is None:
        return {}
    named = {"connectivity": calls["connectivity"], "pixel_area": math.prod(layout.mpp)}
    return {section: RegionAreas(calls["thresholds"], **named) for section in layout.sections}


def _receive(
    predictor: Predictor,
    layout: Layout,
    area: Rectangle,
    found: Mapping[int, RegionAreas],
    put: Put | None,
    y: int,
    band: NDArray[np.float32],
) -> None:
    """Hand on the rows of an area from its row `y` on, (K, rows, width), and measure what is in sections."""
    top = area.y + y
    if y // RELEASED > (y - band.shape[1]) // RELEASED:
        release_memory()
    if put is not None:
        put(top, area.x, band)
    here = Rectangle(top, area.x, *band.shape[1:])
    for section, regions in found.items():
        common = layout.sections[section].common(here)
        if common is not None:
            rows = slice(common.y - top, common.bottom - top)
            columns = slice(common.x - area.x, common.right - area.x)
            regions.add(band[predictor.called, rows, columns])


def _predict_area(
    predictor: Predictor,
    layout: Layout,
    area: Rectangle,
    tissue: Raster,
    sink: Callable[[int, NDArray[np.float32]], None],
) -> None:
    """Predict a rectangle of the map of a slide."""
    source, settings, reduction = layout.source, predictor.settings, layout.reduction
    size = source.shape[1], source.shape[2]
    place = area.scaled(reduction, size)
    sections = [one.scaled(reduction, size) for one in layout.sections.values() if one.common(area)]
    inside = TissueInside(tissue, size, sections)
    named = ("window", "overlap", "weights", "gaussian_sigma", "precision")
    predict(
        predictor.network,
        Part(source, place),
        **{name: getattr(settings, name) for name in named},
        batch=settings.batch_size,
        activation=predictor.options["activation"],
        tta=DIHEDRAL if settings.tta else (),
        normalize=scaling(predictor.options),
        device=predictor.device,
        reduction=reduction,
        wanted=lambda y, x, h, w: inside(Rectangle(place.y + y, place.x + x, h, w)),
        classes=len(predictor.names),
        sink=sink,
        readers=predictor.readers,
    )


@contextmanager
def heat_map(path: Path, predictor: Predictor, layout: Layout) -> Iterator[Put]:
    """Write the heat-map of a slide, part by part: a pyramidal OME-TIFF of what `predict.store` keeps.

    Raises:
        ValueError: `predict.store` names a class that has no map.
    """
    store, names = predictor.settings.store, predictor.names
    kept = kept_channels(store, names)
    options = {"mpp": layout.mpp, "origin": layout.origin, "channels": [names[index] for index in kept]}
    exclusive = predictor.options["activation"] == "softmax"
    with PyramidWriter(path, (len(kept), *layout.size), store.dtype, **options) as writer:
        yield lambda y, x, band: writer.write(y, as_stored(band, store, kept, exclusive=exclusive), x)
