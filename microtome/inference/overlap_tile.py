# SPDX-License-Identifier: MIT
"""Overlap-tile prediction of an image of any size, in bands of rows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.inference.axis import Axis, Weights, plan_axis
from microtome.inference.forward import ACTIVATIONS, Activation, Forward, Part, Prepare, check_model
from microtome.inference.grid import Grid
from microtome.inference.precision import Network, Precision, check_precision, choose_precision
from microtome.inference.read_ahead import BandReader, Normalize
from microtome.inference.strips import BandPrediction, Collected, delivered
from microtome.inference.test_time_views import find_views
from microtome.io.images import ArraySource, Raster

Sink = Callable[[int, NDArray[np.float32]], None]
Wanted = Callable[[int, int, int, int], bool]


def predict(
    model: Network,
    source: Raster | NDArray,
    *,
    window: int | tuple[int, int] | None = None,
    overlap: float = 0.5,
    weights: Weights = "gaussian",
    gaussian_sigma: float | None = None,
    batch: int = 4,
    activation: Activation = "sigmoid",
    tta: Sequence[str] = (),
    device: torch.device | str = "cpu",
    precision: Precision | Literal["auto"] = "fp32",
    normalize: Normalize | None = None,
    prepare: Prepare | None = None,
    margin: int = 0,
    border: int = 0,
    divisor: int = 1,
    reduction: int = 1,
    wanted: Wanted | None = None,
    fill: float = 0.0,
    classes: int | None = None,
    sink: Sink | None = None,
    progress: Callable[[int, int], None] | None = None,
    readers: int = 1,
) -> NDArray[np.float32] | None:
    """Predict an image with overlapping windows, averaged with weights.

    Windows are spread evenly from border to border, at most `window - overlap` apart; a window larger than
    the image is centred on it. Whatever lies outside the image is mirrored. Image rows leave as soon as they
    are final, so with a `sink` memory does not depend on the image's height. Results are deterministic.

    Args:
        model: Network in evaluation mode on `device`: (N, C, h + 2 margin, w + 2 margin) to logits
            (N, K, h, w).
        source: The image, as a window source or an array (C, H, W) or (H, W).
        window: Side or (rows, columns) of a window, pixels; None: the whole image at once.
        overlap: What neighbouring windows share at least: below 1 a fraction of the window, from 1 on pixels.
        weights: `constant`, `trapezoid` (ramps over the overlap) or `gaussian`.
        gaussian_sigma: Standard deviation, pixels; None: an eighth of the window. Any value is safe.
        batch: Windows per forward pass.
        activation: From logits to probabilities: `sigmoid`, `softmax` over classes, `none`.
        tta: Names of the views to average (`FLIPS`, `DIHEDRAL`); none: the image as it is.
        device: Where to compute.
        precision: Number format of the network; `auto` asks `choose_precision` in the image's centre.
        normalize: Pixels (C, h, w) of the source's dtype to network values, pixel by pixel; None: as float32.
        prepare: Windows (N, C, h, w) to the network's input; None: as they are.
        margin: Context in pixels that the network consumes on each side (valid convolutions).
        border: Mirrored surroundings, pixels, that the grid of windows covers too, so that border pixels are
            seen by as many windows as inner ones.
        divisor: With window None, the image is mirrored up to a multiple of this.
        reduction: Pixels of the image for each that the network returns, along either axis; the map is
            stitched at its resolution, and windows start at multiples of it.
        wanted: Called as `wanted(y, x, height, width)`; windows for which it returns False are skipped and do
            not count.
        fill: Value of pixels under no window.
        classes: K; only needed if all windows may be skipped.
        sink: Called as `sink(y, band)` with each finished band (K, rows, W), top to bottom; `y` and the band
            count pixels of the map.
        progress: Called as `progress(done, total)` with the number of windows after each batch.
        readers: Threads that read the source and normalise; results do not depend on it.

    Returns:
        Probability map (K, H, W) float32, or None with a sink; with a reduction r, (K, ⌈H / r⌉, ⌈W / r⌉).

    Raises:
        ValueError: An option is out of range, the network does not fit, or its output is not finite.
        TypeError: The network does not return a tensor.

    Example:
        >>> image = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
        >>> predict(torch.nn.Identity().eval(), image, window=2, activation="none").tolist() == image.tolist()
        True
    """
    source = ArraySource(source) if isinstance(source, np.ndarray) else source
    device = torch.device(device)
    rows, columns = _plan(source, window, overlap, weights, gaussian_sigma, border, divisor, reduction)
    if batch < 1 or margin < 0 or activation not in ACTIVATIONS:
        found = f"batch={batch}, margin={margin}, activation={activation!r}"
        msg = f"{found}: expected at least 1, at least 0, and one of {', '.join(ACTIVATIONS)}"
        raise ValueError(msg)
    check_model(model, device)
    grid = Grid(rows, columns, _mask(rows, columns, reduction, wanted), batch)
    inputs = _inputs(grid, source.shape[1:], reduction)
    reader = BandReader(source, inputs, margin, normalize, device, readers)
    forward = Forward(model, activation, find_views(tta), prepare, "fp32", margin, reduction, _seen(grid))
    forward = replace(forward, precision=_precision(forward, reader, precision))
    work = BandPrediction(reader, grid, forward, fill, classes, progress)
    collected = Collected((rows.length, columns.length)) if sink is None else None
    with torch.inference_mode():
        for first, band in delivered(work.bands(), keep=sink is not None):
            (sink or collected)(first, band)
    return None if collected is None else collected.result


def _plan(
    source: Raster,
    window: int | tuple[int, int] | None,
    overlap: float,
    weights: Weights,
    sigma: float | None,
    border: int,
    divisor: int,
    reduction: int,
) -> tuple[Axis, Axis]:
    """Lay the windows out on both axes, in pixels of the map."""
    if divisor < 1 or reduction < 1:
        msg = f"found divisor={divisor}, reduction={reduction}, expected at least 1"
        raise ValueError(msg)
    multiple = math.lcm(divisor, reduction)
    whole = tuple(math.ceil((length + 2 * border) / multiple) * multiple for length in source.shape[1:])
    overlap = 0 if window is None else overlap
    sides = whole if window is None else (window, window) if isinstance(window, int) else window
    axes = []
    for length, side in zip(source.shape[1:], sides, strict=True):
        pixels = round(overlap * side) if 0 <= overlap < 1 else int(overlap)
        if side < 1 or overlap < 0 or not pixels < side or (overlap >= 1 and pixels != overlap):
            expected = "an overlap that is a fraction below 1 or a whole number of pixels below the window"
            msg = f"window={window}, overlap={overlap}: expected at least 1 pixel and {expected}"
            raise ValueError(msg)
        if side % reduction:
            msg = f"window={window}: expected a multiple of {reduction}, by which the network reduces it"
            raise ValueError(msg)
        length, pixels, around = (math.ceil(each / reduction) for each in (length, pixels, border))
        width = sigma and sigma / reduction
        of_map = {"overlap": pixels, "border": around, "weights": weights, "sigma": width}
        axes.append(plan_axis(length, side // reduction, **of_map))
    return axes[0], axes[1]


def _mask(rows: Axis, columns: Axis, reduction: int, wanted: Wanted | None) -> NDArray[np.bool_]:
    """Ask which windows are wanted, in pixels of the image: (rows, columns) bool."""
    if wanted is None:
        return np.ones((len(rows.starts), len(columns.starts)), bool)
    size = rows.window * reduction, columns.window * reduction
    starts = [[start * reduction for start in axis.starts] for axis in (rows, columns)]
    return np.array([[bool(wanted(y, x, *size)) for x in starts[1]] for y in starts[0]])


def _seen(grid: Grid) -> Part | None:
    """The part of a window that counts; None: all of it, so that nothing has to be cut."""
    whole = slice(0, grid.rows.window), slice(0, grid.columns.window)
    return None if grid.seen == whole else grid.seen


def _inputs(grid: Grid, size: tuple[int, int], reduction: int) -> Grid:
    """The windows of a map on its image, of this size."""
    rows, columns = grid.rows.enlarged(reduction, size[0]), grid.columns.enlarged(reduction, size[1])
    return Grid(rows, columns, grid.mask, grid.batch)


def _precision(forward: Forward, reader: BandReader, precision: str) -> Precision:
    """Check a precision, or choose one in the centre of the image."""
    if precision != "auto":
        check_precision(forward.model, precision, reader.device)
        return precision
    axes = (reader.grid.rows, reader.grid.columns)
    sides = [axis.window + 2 * reader.margin for axis in axes]
    corner = [(axis.length - side) // 2 for axis, side in zip(axes, sides, strict=True)]
    pixels = torch.from_numpy(reader.pixels(*corner, *sides))[None].to(reader.device)
    inputs = pixels if forward.prepare is None else forward.prepare(pixels)
    return choose_precision(forward.model, inputs).precision
