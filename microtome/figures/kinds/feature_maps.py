# SPDX-License-Identifier: MIT
"""Feature maps of a trained network: the filters of its first layer, or one map of each of its blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.bands import shrink, stretched
from microtome.figures.parts.block_diagram import Shown, draw_blocks
from microtome.figures.parts.colors import HEAT
from microtome.figures.parts.layer_outputs import (
    DECODER,
    ENCODER,
    FUSION,
    Block,
    blocks,
    first_layer,
    load_network,
    read_input,
    run_layers,
)
from microtome.figures.parts.panels import outputs_of, show_image
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, column_width, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "runs", "trained"})
USES = frozenset({"bands", "cubes"})
SAMPLE_OPTIONS = ("sample",)
FIRST, BLOCKS = "first", "blocks"
MAPS = 16
COLUMNS = 8
CROP = 256
RGB = 3
SIDE = 160
"""Longest side of a map in the figure, pixels."""
TITLE = SMALL
TITLE_HEIGHT = 0.13
SPAN = 2
"""Columns that the picture of the input takes."""
PATHS = {ENCODER: "down", FUSION: "across", DECODER: "up"}
SUPERSCRIPT = "²"
ADDED = "A bent arrow with a plus: the block's output is added to that of the next. "


@dataclass(frozen=True)
class _Map:
    """One map of one layer."""

    layer: str
    label: str
    channel: int
    shape: tuple[int, ...]
    values: NDArray[np.float32]

    @property
    def size(self) -> str:
        """Channels, bands (in three dimensions) and size of the layer's output."""
        *depth, height, width = self.shape
        side = f"{height}{SUPERSCRIPT}" if height == width else f"{height}×{width}"
        return "×".join([*map(str, depth), side])


@styled
def draw(
    inputs: FigureInputs,
    *,
    run: str = "",
    sample: str = "",
    layers: str | Sequence[str] = FIRST,
    maps: int = MAPS,
    band: int | None = None,
    crop: int = CROP,
) -> FigureResult:
    """Draw what layers of a trained network give for a sample.

    Args:
        inputs: Run records (``model.safetensors`` in the run's folder); images, or cubes and the table of
            bands, as the run sees them.
        run: The run; the first by default.
        sample: The sample; by default the first test sample.
        layers: ``first``: filters of the first layer; ``blocks``: the strongest map (largest standard
            deviation) of each block of encoder and decoder, laid out as the network; or names of modules,
            the strongest map of each.
        maps: How many filters of the first layer.
        band: Place among the bands of a layer in three dimensions; by default their mean is shown.
        crop: Side of the square in the middle that the network sees; 0 for the whole sample.

    Returns:
        The figure. Its data: run, sample, layer, channel, size of the layer's output, mean, standard
        deviation, smallest and largest value of the map.

    Raises:
        ValueError: The run has no weights, the sample lacks a file, or a layer is not there.
    """
    record = inputs.select([run] if run else ())[0]
    name = sample or _first_sample(inputs, record)
    model = load_network(record)
    pixels = read_input(inputs, record, model, name, crop=crop)
    parts = blocks(model) if layers == BLOCKS else []
    wanted = [first_layer(model)] if layers == FIRST else [part.layer for part in parts] or list(layers)
    found, logits = run_layers(model, pixels, wanted)
    if layers == FIRST:
        layer, values = wanted[0], found[wanted[0]]
        shown = [
            _Map(layer, f"{channel + 1}", channel, values.shape, _flat(values[channel], band, layer))
            for channel in range(min(maps, len(values)))
        ]
    else:
        labels = [part.label for part in parts] or wanted
        names = zip(wanted, labels, strict=True)
        shown = [_strongest(layer, label, found[layer], band) for layer, label in names]
    picture = _picture(pixels)
    if parts:
        figure = _draw_blocks(picture, parts, shown, _output(logits, outputs_of(record)), inputs)
    else:
        figure = _draw_grid(picture, shown, inputs)
    data = pd.DataFrame([_row(record, name, one) for one in shown])
    return FigureResult(
        figure,
        data,
        _caption(inputs, record, name, layers, shown, band, added=any(part.added for part in parts)),
    )


def _first_sample(inputs: FigureInputs, record: RunRecord) -> str:
    """The first test sample with what the run sees."""
    order = inputs.candidates(run=record.run)
    seen = [name for name in order if name in inputs.cubes] if inputs.cubes else order
    if not seen and not order:
        return inputs.sample(run=record.run)[0]  # raises
    return (seen or order)[0]


def _strongest(layer: str, label: str, values: NDArray, band: int | None) -> _Map:
    """The map with the largest standard deviation."""
    flat = np.stack([_flat(one, band, layer) for one in values])
    channel = int(flat.reshape(len(flat), -1).std(axis=1).argmax())
    return _Map(layer, label, channel, values.shape, flat[channel])


def _flat(values: NDArray, band: int | None, layer: str) -> NDArray[np.float32]:
    """One picture of a map: itself, or one band of it, or the mean of its bands."""
    if values.ndim == 2:
        return values
    if band is None:
        return values.mean(axis=0)
    if not 0 <= band < len(values):
        msg = f"layer {layer!r} has the bands 0 to {len(values) - 1}, not {band}"
        raise ValueError(msg)
    return values[band]


def _picture(pixels: NDArray) -> NDArray:
    """The input: its colours, or the mean of its bands."""
    if len(pixels) != RGB:
        return stretched(pixels.mean(axis=0))
    low, high = float(pixels.min()), float(pixels.max())
    return np.moveaxis((pixels - low) / max(high - low, np.finfo(float).tiny), 0, -1)


def _output(logits: NDArray, outputs: Sequence[str]) -> NDArray:
    """Probability of the last class, or of the mask where each output is by itself.

    Example:
        >>> float(_output(np.zeros((2, 1, 1)) - [[[9.0]], [[0.0]]], ["mask", "shape_marker"])[0, 0]) < 0.01
        True
    """
    if len(logits) in (1, len(outputs)):  # the mask is the first
        return 1 / (1 + np.exp(-logits[0]))
    shifted = np.exp(logits - logits.max(axis=0))
    return shifted[-1] / shifted.sum(axis=0)


def _draw_grid(picture: NDArray, shown: Sequence[_Map], inputs: FigureInputs) -> Figure:
    """The input at the left, the maps in rows beside it."""
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    side = DOUBLE_COLUMN / (COLUMNS + SPAN)
    aspect = picture.shape[0] / picture.shape[1]
    width = side * (columns + SPAN)
    height = max(rows * (side * aspect + TITLE_HEIGHT), SPAN * side * aspect + TITLE_HEIGHT)
    figure = new_figure(column_width(width), height, data_kind=inputs.data_kind)
    grid = figure.add_gridspec(rows, columns + SPAN)
    first = figure.add_subplot(grid[:, :SPAN])
    show_image(first, shrink(picture, SIDE * SPAN))
    letter(first, "", "input")
    for index, one in enumerate(shown):
        axes = figure.add_subplot(grid[index // columns, SPAN + index % columns])
        show_image(axes, shrink(stretched(one.values), SIDE), colors=HEAT)
        axes.set_title(one.label, fontsize=TITLE, loc="center", pad=1.5)
    return figure


def _draw_blocks(
    picture: NDArray, parts: Sequence[Block], shown: Sequence[_Map], output: NDArray, inputs: FigureInputs
) -> Figure:
    """The blocks in a U, between input and output."""
    middle = []
    for one, part in zip(shown, parts, strict=True):
        halved = max(round(float(np.log2(output.shape[0] / one.shape[-2]))), 0)
        small = shrink(stretched(one.values), SIDE)
        middle.append(Shown(small, one.label, one.size, halved, PATHS[part.path], HEAT, part.added))
    first = Shown(shrink(picture, SIDE), "input", "", 0, "down")
    last = Shown(shrink(output, SIDE), f"p({inputs.output_class})", "0 dark, 1 bright", 0, "up", HEAT)
    return draw_blocks([first, *middle, last], data_kind=inputs.data_kind)


def _row(record: RunRecord, sample: str, one: _Map) -> dict[str, object]:
    *depth, height, width = one.shape[1:]
    return {
        "run": record.run,
        "sample": sample,
        "layer": one.layer,
        "label": one.label,
        "channel": one.channel,
        "channels": one.shape[0],
        "bands": depth[0] if depth else 1,
        "height": height,
        "width": width,
        "mean": float(one.values.mean(dtype=np.float64)),
        "sd": float(one.values.std(dtype=np.float64)),
        "min": float(one.values.min()),
        "max": float(one.values.max()),
    }


def _caption(
    inputs: FigureInputs,
    record: RunRecord,
    sample: str,
    layers: str | Sequence[str],
    shown: Sequence[_Map],
    band: int | None,
    *,
    added: bool,
) -> str:
    name, count, most = record.label, len(shown), shown[0].shape[0]
    some = f"The {most} filters" if count == most else f"{count} of the {most} filters"
    what = {
        FIRST: f"{some} of the first layer of {name}, after the activation",
        BLOCKS: f"The network of {name} with one feature map of each block, the one that varies most, and "
        f"the probability of {inputs.output_class}",
    }
    lead = what.get(layers if isinstance(layers, str) else "", f"Feature maps of layers of {name}")
    has_depth = any(len(one.shape) == RGB + 1 for one in shown)
    depth = "mean over the bands of a layer" if band is None else f"band {band} of each layer"
    return (
        f"{lead}, for sample {sample}{f'; {depth}' if has_depth else ''}. Each map is stretched to its own "
        f"percentiles. {ADDED if added else ''}{data_sentence(inputs.data_kind)}"
    )
