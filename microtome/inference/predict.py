# SPDX-License-Identifier: MIT
"""Overlap-tile prediction of an image of any size, in bands of rows."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.images import ArraySource, WindowSource, read_mirrored
from microtome.inference.forward import ACTIVATIONS, Activation, Forward, Prepare, check_model
from microtome.inference.grid import Axis, Weights, plan_axis
from microtome.inference.precision import Network, Precision, check_precision, choose_precision
from microtome.inference.reading import BandReader, Normalize
from microtome.inference.stitching import BandStitcher
from microtome.inference.views import find_views

Sink = Callable[[int, NDArray[np.float32]], None]
Wanted = Callable[[int, int, int, int], bool]
Band = tuple[int, torch.Tensor]


def predict(
    model: Network,
    source: WindowSource | NDArray,
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
    wanted: Wanted | None = None,
    fill: float = 0.0,
    classes: int | None = None,
    sink: Sink | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32] | None:
    """Predict an image with overlapping windows, averaged with weights.

    Windows are spread evenly from border to border, at most `window - overlap` apart; a window larger than the
    image is centred on it. Whatever lies outside the image is mirrored. Image rows leave as soon as they are
    final, so with a `sink` memory does not depend on the height of the image. Results are deterministic.

    Args:
        model: Network in evaluation mode on `device`: (N, C, h + 2 margin, w + 2 margin) to logits (N, K, h, w).
        source: The image, as a window source or an array (C, H, W) or (H, W).
        window: Side or (rows, columns) of a window, pixels; None: the whole image at once.
        overlap: What neighbouring windows share at least: below 1 a fraction of the window, from 1 on pixels.
        weights: `constant`, `trapezoid` (ramps over the overlap) or `gaussian`.
        gaussian_sigma: Standard deviation, pixels; None: an eighth of the window. Any value is safe.
        batch: Windows per forward pass.
        activation: From logits to probabilities: `sigmoid`, `softmax` over classes, `none`.
        tta: Names of the views to average (`FLIPS`, `DIHEDRAL`); none: the image as it is.
        device: Where to compute.
        precision: Number format of the network; `auto` is decided by `choose_precision` in the image's centre.
        normalize: Pixels (C, h, w) of the source's dtype to network values, pixel by pixel; None: as float32.
        prepare: Windows (N, C, h, w) to the network's input; None: as they are.
        margin: Context in pixels that the network consumes on each side (valid convolutions).
        border: Mirrored surroundings, pixels, that the grid of windows covers too, so that border pixels are
            seen by as many windows as inner ones.
        divisor: With window None, the image is mirrored up to a multiple of this.
        wanted: Called as `wanted(y, x, height, width)`; windows for which it returns False are skipped and do
            not count.
        fill: Value of pixels under no window.
        classes: K; only needed if all windows may be skipped.
        sink: Called as `sink(y, band)` with each finished band (K, rows, W), top to bottom.
        progress: Called as `progress(done, total)` with the number of windows after each batch.

    Returns:
        Probability map (K, H, W) float32, or None with a sink.

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
    rows, columns = _plan(source, window, overlap, weights, gaussian_sigma, border, divisor)
    _check(batch=batch, margin=margin, activation=activation)
    check_model(model, device)
    views = find_views(tta)
    mask = _mask(rows, columns, wanted)
    reader = BandReader(source, rows, columns, mask, margin, normalize, device)
    forward = Forward(model, activation, views, prepare, "fp32", margin)
    forward = replace(forward, precision=_precision(forward, reader, precision))
    work = _Work(reader, forward, batch, fill, classes, progress)
    collected = _Collected(source.shape[1:]) if sink is None else None
    with torch.inference_mode():
        for first, band in _delivered(work.bands()):
            (sink or collected)(first, band)
    return None if collected is None else collected.result


@dataclass(frozen=True, eq=False)
class _Work:
    """Everything `predict` has resolved."""

    reader: BandReader
    forward: Forward
    batch: int
    fill: float
    classes: int | None
    progress: Callable[[int, int], None] | None

    def bands(self) -> Iterator[Band]:
        """Predict row by row of windows; yield the image rows that become final."""
        rows, columns, mask = self.reader.rows, self.reader.columns, self.reader.mask
        stitcher, following, done = None, 0, 0
        for row, band in self.reader.bands():
            for group in self._groups(mask[row]):
                maps = self.forward(self._windows(band, group))
                if stitcher is None:
                    stitcher = BandStitcher(rows, columns, mask, example=maps, fill=self.fill)
                    yield from stitcher.blank(stitcher.boundary(row))
                    following = row
                while following < row:
                    yield stitcher.finish(following)
                    following += 1
                stitcher.add(row, group, maps)
                del maps  # before the next forward pass, so that its memory is used again
                done += len(group)
                if self.progress is not None:
                    self.progress(done, int(mask.sum()))
        stitcher = stitcher or self._nothing(rows, columns, mask)
        for row in range(following, len(rows.starts)):
            yield stitcher.finish(row)

    def _groups(self, wanted: NDArray[np.bool_]) -> list[list[int]]:
        """Split the wanted windows of a row into batches of about equal size."""
        columns = np.flatnonzero(wanted)
        return [group.tolist() for group in np.array_split(columns, math.ceil(len(columns) / self.batch))]

    def _windows(self, band: torch.Tensor, group: Sequence[int]) -> torch.Tensor:
        """Cut windows with their margin out of a band."""
        axis, size = self.reader.columns, self.reader.columns.window + 2 * self.reader.margin
        starts = [axis.starts[column] - self.reader.margin - self.reader.left for column in group]
        return torch.stack([band[:, :, start : start + size] for start in starts])

    def _nothing(self, rows: Axis, columns: Axis, mask: NDArray[np.bool_]) -> BandStitcher:
        """A stitcher for an image without any wanted window."""
        if self.classes is None:
            msg = "all windows were skipped, so the number of classes is unknown; check `wanted`, or give classes="
            raise ValueError(msg)
        example = torch.empty((1, self.classes, 1, 1), device=self.reader.device)
        return BandStitcher(rows, columns, mask, example=example, fill=self.fill)


class _Collected:
    """A sink that puts the bands together."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.result = size, np.empty((0, 0, 0), np.float32)

    def __call__(self, first: int, band: NDArray[np.float32]) -> None:
        if first == 0:
            self.result = np.empty((len(band), *self.size), np.float32)
        self.result[:, first : first + band.shape[1]] = band


def _delivered(bands: Iterator[Band]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Bring bands to the host, each while the device computes the next one, and check them."""
    waiting = None
    for first, band in bands:
        arriving = (first, *_to_host(band))
        if waiting is not None:
            yield _arrived(*waiting)
        waiting = arriving
    if waiting is not None:
        yield _arrived(*waiting)


def _to_host(band: torch.Tensor) -> tuple[torch.Tensor, torch.cuda.Event | None]:
    if band.device.type != "cuda":
        return band.cpu(), None
    host = torch.empty(band.shape, dtype=band.dtype, pin_memory=True)
    host.copy_(band, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return host, event


def _arrived(
    first: int, band: torch.Tensor, event: torch.cuda.Event | None
) -> tuple[int, NDArray[np.float32]]:
    if event is not None:
        event.synchronize()
    values = band.numpy()
    if not np.isfinite(values.sum(dtype=np.float64)):
        msg = (
            f"the prediction has NaN or infinite values in image rows {first} to {first + values.shape[1] - 1}; "
            "check the weights and the normalisation of the input, or use precision='fp32'"
        )
        raise ValueError(msg)
    return first, values


def _plan(
    source: WindowSource,
    window: int | tuple[int, int] | None,
    overlap: float,
    weights: Weights,
    sigma: float | None,
    border: int,
    divisor: int,
) -> tuple[Axis, Axis]:
    """Lay the windows out on both axes."""
    if divisor < 1:
        msg = f"found divisor={divisor}, expected at least 1"
        raise ValueError(msg)
    whole = tuple(math.ceil((length + 2 * border) / divisor) * divisor for length in source.shape[1:])
    sides = whole if window is None else (window, window) if isinstance(window, int) else window
    axes = []
    for length, side in zip(source.shape[1:], sides, strict=True):
        pixels = round(overlap * side) if 0 <= overlap < 1 else int(overlap)
        if side < 1 or not 0 <= pixels < side or (overlap >= 1 and pixels != overlap):
            msg = (
                f"window={window}, overlap={overlap}: expected at least 1 pixel and an overlap that is a fraction "
                "below 1 or a whole number of pixels below the window"
            )
            raise ValueError(msg)
        axes.append(plan_axis(length, side, overlap=pixels, border=border, weights=weights, sigma=sigma))
    return axes[0], axes[1]


def _mask(rows: Axis, columns: Axis, wanted: Wanted | None) -> NDArray[np.bool_]:
    """Ask which windows are wanted: (rows, columns) bool."""
    if wanted is None:
        return np.ones((len(rows.starts), len(columns.starts)), bool)
    return np.array(
        [[bool(wanted(y, x, rows.window, columns.window)) for x in columns.starts] for y in rows.starts]
    )


def _check(*, batch: int, margin: int, activation: str) -> None:
    if batch < 1 or margin < 0 or activation not in ACTIVATIONS:
        msg = (
            f"batch={batch}, margin={margin}, activation={activation!r}: expected at least 1, at least 0, and one of "
            f"{', '.join(ACTIVATIONS)}"
        )
        raise ValueError(msg)


def _precision(forward: Forward, reader: BandReader, precision: str) -> Precision:
    """Check a precision, or choose one in the centre of the image."""
    if precision != "auto":
        check_precision(forward.model, precision, reader.device)
        return precision
    pixels = centre_window(reader)
    inputs = pixels if forward.prepare is None else forward.prepare(pixels)
    return choose_precision(forward.model, inputs).precision


def centre_window(reader: BandReader) -> torch.Tensor:
    """The normalised window (1, C, h, w) in the middle of an image, with its margin."""
    sides = [axis.window + 2 * reader.margin for axis in (reader.rows, reader.columns)]
    corner = [
        (axis.length - side) // 2 for axis, side in zip((reader.rows, reader.columns), sides, strict=True)
    ]
    pixels = read_mirrored(reader.source, *corner, *sides)
    values = pixels if reader.normalize is None else reader.normalize(pixels)
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None].to(reader.device)
