# SPDX-License-Identifier: MIT
"""The blocks that a network with a residual encoder is made of, layer by layer, as built."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from torch import nn

from microtome import networks
from microtome.figures.inputs import FigureInputs
from microtome.figures.kinds.architecture import network_of
from microtome.figures.parts.colors import GREY, INK
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, TEXT, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.networks._blocks import Stage, hooked

EXPLAINS = True
NEEDS = frozenset({"runs", "trained"})
SIZE = 64
"""Side of the image that is followed through the network, pixels."""
MAIN, SCALE, SHORTCUT = "main", "scale", "shortcut"
BRANCHES = {"se": SCALE, "downsample": SHORTCUT}
"""Children of a block that are no part of its main path, by their names."""
FACES = {"convolution": "#CFE3F3", "norm": "#EEEEEE", "activation": "#CDEBDF", "full": "#F4DDEA"}
HEIGHT = 1.2
"""Of a block, inches."""
ROWS = {SHORTCUT: 0.86, MAIN: 0.52, SCALE: 0.16}
START, BEGIN, BACK = 0.02, 0.2, -0.06
"""Where the shortcut leaves the main path, where the scaling begins, and the level of the way to it."""


@dataclass(frozen=True)
class Layer:
    """A call of a layer of a block: which block, which path of it, what it is, and its channels."""

    block: str
    path: str
    kind: str
    text: str
    channels: int


@styled
def draw(inputs: FigureInputs, *, run: str = "") -> FigureResult:
    """Draw a block of the decoder and one of the encoder.

    Args:
        inputs: Run records.
        run: Run whose network is drawn; the first by default.

    Returns:
        The figure. Its data: a row per layer: block, path (main, shortcut, scale), kind, text, channels.

    Raises:
        ValueError: The network has no decoder of chains, or no stages of residual blocks.
    """
    chosen = network_of(inputs, run)
    blocks = blocks_of(chosen)
    figure = new_figure(DOUBLE_COLUMN, HEIGHT * len(blocks))
    panels = figure.subplots(len(blocks), 1, squeeze=False)[:, 0]
    for key, axes, (title, layers) in zip("bc", panels, blocks.items(), strict=True):
        _draw_block(axes, layers)
        letter(axes, key, title)
    data = pd.DataFrame([asdict(layer) for layers in blocks.values() for layer in layers])
    caption = (
        f"Blocks of the network {chosen['name']} as built: {' and '.join(blocks)}. Plus: the shortcut is "
        "added; times: each map is scaled by a factor that follows from the means of all maps."
    )
    return FigureResult(figure, data, caption)


def blocks_of(network: Mapping[str, Any]) -> dict[str, list[Layer]]:
    """The layers of the first decoder block and of the first encoder block, in the order of their calls.

    Raises:
        ValueError: The network has no such blocks.
    """
    options = dict(network)
    with torch.device("meta"):
        model = networks.build(options.pop("name"), **options).eval()
        image = torch.zeros(1, int(getattr(model, "in_channels", 1)), SIZE, SIZE)
    stage = next((part for part in model.modules() if isinstance(part, Stage)), None)
    decoder = next((part for name, part in model.named_children() if name == "decoder"), None)
    if stage is None or not isinstance(decoder, nn.ModuleList):
        found = f"network {network['name']!r} has no stages of residual blocks or no list of decoder blocks"
        msg = f"{found}; name a run of another network"
        raise ValueError(msg)
    found = {"block of the decoder": decoder[0], f"{stage.label} of the encoder": stage[0]}
    return {title: _layers(model, image, title, block) for title, block in found.items()}


def _layers(model: nn.Module, image: torch.Tensor, title: str, block: nn.Module) -> list[Layer]:
    """The calls of the layers of a block when an image passes."""
    names = {part: name for name, part in block.named_modules() if next(part.children(), None) is None}
    found: list[Layer] = []

    def record(layer: nn.Module, _: tuple[torch.Tensor, ...], given: torch.Tensor) -> None:
        path = BRANCHES.get(names[layer].partition(".")[0], MAIN)
        kind, text = _described(layer)
        found.append(Layer(title, path, kind, text, given.shape[1]))

    with torch.no_grad(), hooked(names, record):
        model(image)
    return found


def _described(layer: nn.Module) -> tuple[str, str]:
    """Kind and text of a layer."""
    if isinstance(layer, nn.Conv2d):
        side, stride = layer.kernel_size[0], layer.stride[0]
        step = f", /{stride}" if stride > 1 else ""
        return "convolution", f"conv {side}×{side}{step}\n{layer.in_channels} → {layer.out_channels}"
    if isinstance(layer, nn.Linear):
        return "full", f"full\n{layer.in_features} → {layer.out_features}"
    if isinstance(layer, nn.BatchNorm2d):
        return "norm", "batch\nnorm"
    return "activation", type(layer).__name__


def _draw_block(axes: Axes, layers: Sequence[Layer]) -> None:
    axes.set(xlim=(0, 1), ylim=(-0.1, 1))
    axes.set_axis_off()
    paths = {path: [one for one in layers if one.path == path] for path in ROWS}
    main = paths[MAIN]
    is_residual = bool(paths[SHORTCUT] or paths[SCALE])
    tail = 1 if is_residual else 0  # the activation after the addition
    signs = ["×"] * bool(paths[SCALE]) + ["+"] * is_residual
    items: list[Layer | str] = [*main[: len(main) - tail], *signs, *main[len(main) - tail :]]
    x = [(index + 1) / (len(items) + 1) for index in range(len(items))]
    for before, after in pairwise([0.0, *x, 1.0]):
        _arrow(axes, (before, ROWS[MAIN]), (after, ROWS[MAIN]))
    for place, item in zip(x, items, strict=True):
        _box(axes, place, ROWS[MAIN], item)
    if is_residual:
        _shortcut(axes, paths[SHORTCUT], x[items.index("+")])
    if paths[SCALE]:
        place = items.index("×")
        _scaling(axes, paths[SCALE], (x[place - 1] + x[place]) / 2, x[place])


def _shortcut(axes: Axes, layers: Sequence[Layer], end: float) -> None:
    """From the begin of the block over its main path to the addition."""
    level = ROWS[SHORTCUT]
    _line(axes, (START, ROWS[MAIN]), (START, level), (end, level))
    _arrow(axes, (end, level), (end, ROWS[MAIN]), color=GREY)
    for index, layer in enumerate(layers):
        _box(axes, START + (end - START) * (index + 0.5) / len(layers), level, layer)


def _scaling(axes: Axes, layers: Sequence[Layer], tap: float, end: float) -> None:
    """From the main path down and back to the left, through the layers, and up to the multiplication."""
    level = ROWS[SCALE]
    _line(axes, (tap, ROWS[MAIN]), (tap, BACK), (BEGIN - 0.05, BACK), (BEGIN - 0.05, level), (BEGIN, level))
    axes.plot((tap - 0.008, tap + 0.008), (level, level), color="white", linewidth=4, zorder=1.2)
    _line(axes, (BEGIN, level), (end, level))
    _arrow(axes, (end, level), (end, ROWS[MAIN]), color=GREY)
    items = [Layer("", SCALE, "activation", "mean of\neach map", 0), *layers]
    for index, layer in enumerate(items):
        _box(axes, BEGIN + (tap - BEGIN) * (index + 0.4) / len(items), level, layer)


def _line(axes: Axes, *points: tuple[float, float]) -> None:
    axes.plot(*zip(*points, strict=True), color=GREY, linewidth=0.8, zorder=1.5)


def _box(axes: Axes, x: float, y: float, item: Layer | str) -> None:
    style = {"ha": "center", "va": "center", "zorder": 3}
    if isinstance(item, str):
        circle = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": INK, "linewidth": 0.7}
        axes.text(x, y, item, fontsize=TEXT, bbox=circle, **style)
        return
    box = {"boxstyle": "round,pad=0.3", "facecolor": FACES[item.kind], "edgecolor": INK, "linewidth": 0.5}
    axes.text(x, y, item.text, fontsize=SMALL, linespacing=1.2, bbox=box, **style)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], *, color: str = INK) -> None:
    style = {
        "arrowstyle": "-|>",
        "mutation_scale": 6,
        "linewidth": 0.8,
        "shrinkA": 0,
        "shrinkB": 8,
        "zorder": 2,
    }
    axes.add_patch(FancyArrowPatch(start, end, color=color, **style))
