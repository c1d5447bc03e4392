# SPDX-License-Identifier: MIT
"""Image panels: greyscale images, probability maps, class maps, scale bars."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import HEAT, LIGHT, UNLABELLED
from microtome.figures.parts.style import SMALL
from microtome.io import images, views
from microtome.provenance.runs import RunRecord

IGNORE = 255
MASKS = ("mask", "separated_mask")
"""Output of a network that is the probability of the positive class."""
STRETCH = (0.5, 99.5)
BAR_SHARE = 0.25
BAR_STEPS = (1, 2, 5)
NANOMETRES = 1000
BAR_MARGIN = 0.04
BAR_HEIGHT = 0.014
BAR_PAD = 0.022
BAR_LETTER, BAR_TEXT = 0.046, 0.125
"""Width of a letter of a scale bar's text, and height of the text, inches."""
MICROMETRE_LIMIT = 1.0
COLOUR_BAR_HEIGHT = 0.27
COLOUR_BAR = (0.1, -0.085, 0.8, 0.04)
"""Left, bottom, width and height of a colour bar, in parts of its panel; room for it, inches."""


def read_image(path: str | Path) -> NDArray:
    """Read an image for display, stretched to its own percentiles unless it is 8-bit.

    Returns (H, W) float in 0..1, or (H, W, 3); of other channel numbers the mean is shown.
    """
    array = images.read(path)
    if array.ndim == 3 and array.shape[-1] != len("RGB"):
        array = array.mean(axis=-1)
    return to_show(array, array.dtype)


def to_show(array: NDArray, dtype: np.dtype) -> NDArray[np.float64]:
    """Scale pixels for display to 0..1: those of an 8-bit image by 255, others to their own percentiles.

    Args:
        array: Pixels, perhaps already averaged to fewer.
        dtype: Of the image.

    Example:
        >>> to_show(np.array([0.0, 51.0]), np.dtype("uint8")).tolist()
        [0.0, 0.2]
    """
    if dtype == np.uint8:
        return array / np.iinfo(np.uint8).max
    low, high = np.percentile(array, STRETCH)
    return np.clip((array - low) / max(float(high - low), np.finfo(float).tiny), 0, 1)


def read_probability(
    path: str | Path, inputs: FigureInputs, name: str = "", *, outputs: Sequence[str] = ()
) -> NDArray[np.float32]:
    """Read the probability of one class.

    Args:
        path: Probability map with one channel (probability of the last class; the complement is that of
            the other of two classes), one channel per class, or one per output.
        inputs: Names of the classes.
        name: The class; empty for the positive class.
        outputs: What the channels are, where they are no classes (``mask``, ``shape_marker``, …; see
            `outputs_of`); the last class is then the mask.

    Returns:
        (H, W) probabilities.

    Raises:
        ValueError: The number of channels fits neither.
    """
    chosen = name or inputs.positive_class
    channel = inputs.class_id(chosen)
    array = _read_maps(path)
    if set(MASKS) & set(outputs[:1]):
        array = _output(array, path, outputs, outputs[0])
    if array.ndim == 3 and array.shape[-1] == len(inputs.classes):
        return array[..., channel]
    if array.ndim != 2 or (chosen != inputs.output_class and len(inputs.classes) != 2):
        expected = f"one channel, or one for each of {list(inputs.classes)}"
        msg = f"{path} has shape {array.shape}; expected {expected}"
        raise ValueError(msg)
    return array if chosen == inputs.output_class else 1 - array


def read_output(path: str | Path, outputs: Sequence[str], name: str) -> NDArray[np.float32]:
    """Read the (H, W) probabilities of one of the `outputs` of a network, e.g. ``shape_marker``.

    Raises:
        ValueError: There is no such output, or the number of channels differs.
    """
    return _output(_read_maps(path), path, outputs, name)


def _read_maps(path: str | Path) -> NDArray[np.float32]:
    """Read probability maps: (H, W), or (H, W, K) of several."""
    maps = views.read_map(Path(path))
    return maps[0] if len(maps) == 1 else np.moveaxis(maps, 0, -1)


def outputs_of(record: RunRecord) -> tuple[str, ...]:
    """Give what the channels of a run's predictions are; empty where they are classes."""
    return tuple(record.card.get("outputs") or ())


def pixel_size(path: str | Path | None, mpp: float | None = None) -> float | None:
    """Give the pixel size of an image in micrometres: `mpp` if known, else what the file says, or None."""
    return mpp if mpp is not None or path is None else images.header(path).mpp


def show_image(axes: Axes, array: NDArray, *, colors: str = "gray", top: float = 1.0) -> AxesImage:
    """Show a map (H, W) from 0 to `top` in colours, or a colour image (H, W, 3), 0..1, without ticks."""
    frame_panel(axes)
    return axes.imshow(array, cmap=colors, vmin=0, vmax=top)


def show_probability(axes: Axes, array: NDArray) -> AxesImage:
    """Show probabilities (H, W), 0 to 1, bright where they are high, without ticks."""
    return show_image(axes, array, colors=HEAT)


def heat_picture(array: NDArray) -> NDArray[np.float64]:
    """Colour probabilities (H, W), 0 to 1, as `show_probability` does: (H, W, 3), 0 to 1."""
    return colormaps[HEAT](array)[..., :3]


def show_classes(axes: Axes, labels: NDArray, tones: Sequence[str]) -> AxesImage:
    """Show a map (H, W) of class ids: `tones` are the colours by id; `IGNORE` is shown as unlabelled."""
    frame_panel(axes)
    return axes.imshow(paint(labels, tones))


def paint(labels: NDArray, tones: Sequence[str]) -> NDArray[np.uint8]:
    """Colour a map (H, W) of ids as (H, W, 3) uint8; `tones` by id, other ids like unlabelled pixels."""
    colored = np.full((*labels.shape, 3), _bytes(UNLABELLED), np.uint8)
    for value, tone in enumerate(tones):
        colored[labels == value] = _bytes(tone)
    return colored


def check_same_size(sample: str, **arrays: NDArray) -> None:
    """Check that what is shown of a sample side by side has one size.

    Raises:
        ValueError: Sizes differ.
    """
    sizes = {name: array.shape[:2] for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        msg = f"sample {sample!r}: sizes differ, {sizes}; predict and rasterize it again"
        raise ValueError(msg)


def frame_panel(axes: Axes) -> None:
    """Take the ticks off a panel and put a hairline around it."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=LIGHT, linewidth=0.5)


def probability_bar(axes: Axes, artist: AxesImage) -> None:
    """Make axes the colour bar, from 0 to 1, of a panel with a probability map."""
    bar = axes.figure.colorbar(artist, cax=axes, orientation="horizontal", ticks=[0, 0.5, 1])
    bar.outline.set_linewidth(0.5)
    bar.ax.tick_params(pad=1.5)


def draw_frame(axes: Axes, left: float, top: float, width: float, height: float, **style: Any) -> None:
    """Draw the outline of a rectangle in the coordinates of a panel."""
    axes.add_patch(Rectangle((left, top), width, height, fill=False, **style))


def scale_bar(axes: Axes, width: int, mpp: float | None) -> float | None:
    """Draw a scale bar at the lower left of an image panel in pixel coordinates, `width` pixels wide.

    Returns its length in micrometres; nothing is drawn where the pixel size `mpp` (micrometres) is None.
    """
    if mpp is None:
        return None
    length = bar_length(width * mpp)
    text = f"{length:g} µm" if length >= MICROMETRE_LIMIT else f"{length * NANOMETRES:g} nm"
    inches = axes.get_position().width * axes.figure.get_figwidth()
    room = max(length / mpp, width * len(text) * BAR_LETTER / inches)
    x, y = BAR_MARGIN * width, axes.get_ylim()[0] - BAR_MARGIN * width
    thick, pad = BAR_HEIGHT * width, BAR_PAD * width
    text_height = BAR_TEXT * width / inches
    box = (x - pad, y - thick - text_height - pad), room + 2 * pad, thick + text_height + 2 * pad
    axes.add_patch(Rectangle(*box, facecolor="white", edgecolor=LIGHT, linewidth=0.4, zorder=4))
    left = x + (room - length / mpp) / 2
    axes.add_patch(Rectangle((left, y - thick), length / mpp, thick, facecolor="black", lw=0, zorder=4))
    style = {"ha": "center", "va": "bottom", "fontsize": SMALL, "color": "black", "zorder": 4}
    axes.text(x + room / 2, y - thick - pad * 0.6, text, **style)
    return length


def bar_length(field: float) -> float:
    """Choose a round length (1, 2 or 5 times a power of ten) of at most a quarter of a field (micrometres).

    Example:
        >>> bar_length(512 * 0.004)
        0.5
    """
    limit = field * BAR_SHARE
    power = int(np.floor(np.log10(limit)))
    steps = [step * 10.0**exponent for exponent in (power, power + 1) for step in BAR_STEPS]
    return float(np.round(max(step for step in steps if step <= limit * (1 + 1e-9)), 12))


def _output(array: NDArray, path: str | Path, outputs: Sequence[str], name: str) -> NDArray:
    channels = array[..., None] if array.ndim == 2 else array
    if name not in outputs or channels.shape[-1] != len(outputs):
        found = f"{path} has {channels.shape[-1]} channel(s), the run's outputs are {list(outputs)}"
        msg = f"{found}; expected one channel per output, {name!r} among them; predict again"
        raise ValueError(msg)
    return channels[..., list(outputs).index(name)]


def _bytes(tone: str) -> tuple[int, int, int]:
    return tuple(round(value * 255) for value in to_rgb(tone))
