# SPDX-License-Identifier: MIT
"""Probability maps of a run over a view of an image or a slide."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.panels import MASKS
from microtome.io import images, views

BYTE = 255


def read_probability(
    path: Path,
    view: slides.View,
    inputs: FigureInputs,
    name: str,
    *,
    outputs: Sequence[str] = (),
    pixels: int = slides.PIXELS,
) -> slides.Layer:
    """Read the probability of a class, or an output of a network, over a view; (h, w), 0 to 1.

    Args:
        path: Probability maps, perhaps kept as bytes.
        view: What is read of them.
        inputs: Names of the classes.
        name: The class, or one of the outputs.
        outputs: what the channels are, where they are no classes (``mask``, ``shape_marker``, …); the
            last class is then the mask.
        pixels: Of the longer side, about.

    Raises:
        ValueError: The maps have no channel of it.
    """
    channel, complement = _channel(path, inputs, name, outputs)

    def value(block: NDArray) -> NDArray:
        found = block[channel]
        found = found / np.float32(BYTE) if found.dtype == np.uint8 else found.astype(np.float32)
        return 1 - found if complement else found

    return slides.read_layer(path, view, value, pixels)


def _channel(path: Path, inputs: FigureInputs, name: str, outputs: Sequence[str]) -> tuple[int, bool]:
    """The channel, and whether what is asked for is the complement of what it holds."""
    named, count = images.channel_names(path), views.open_raster(path).shape[0]
    if name in named:
        return named.index(name), False
    if name in outputs and count == len(outputs):
        return list(outputs).index(name), False
    if set(MASKS) & set(outputs[:1]) and name in inputs.classes:
        return 0, name != inputs.output_class
    if count == len(inputs.classes) and name in inputs.classes:
        return inputs.class_id(name), False
    if count == 1 and name in inputs.classes and (name == inputs.output_class or len(inputs.classes) == 2):
        return 0, name != inputs.output_class
    found = f"{path} has {count} channel(s){f' called {list(named)}' if named else ''}"
    msg = f"{found}; expected one of {name!r}, one for each of {list(inputs.classes)}, or of the outputs "
    msg += f"{list(outputs)}; predict again"
    raise ValueError(msg)
