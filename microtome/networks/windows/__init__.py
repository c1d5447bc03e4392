# SPDX-License-Identifier: MIT
"""Windows around pixels: cut them out, foveate them, sample them non-uniformly, predict with them.

The sliding-window networks of Ciresan et al. (NIPS 2012) see either a plain window or one in which the
periphery is blurred (foveation) or sampled ever more coarsely (non-uniform sampling). Both are described only
qualitatively there; the radii and maps below are this project's choice. Both are linear in the pixels and the
same for every window, so each is one sparse matrix from raw to transformed pixels, built once and applied to
whole batches.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from microtome.networks.windows.sparse_matrix import SparseMatrix
from microtome.networks.windows.window_matrices import disk_matrix, sampling_matrix

REACH = 95 / 65
"""Raw over network window: with it a 65-pixel network sees the field of the 95-pixel one."""

STRENGTH, START = 0.08, 8.0
"""Blur radius: 0.08 pixels more for each pixel beyond 8 from the centre."""

BATCH, GPU_BATCH = 64, 4096
"""Windows at a time: what a CPU computes of few stays in its cache, thousands keep a GPU busy."""
MATRICES = 16
"""Transforms kept in memory."""


@dataclass(frozen=True)
class WindowTransform:
    """What happens to a raw window before the network sees it.

    Foveated, a pixel at the distance d from the centre becomes the mean over a disk of radius r(d) = strength
    · max(0, d - start) around it. The disk has a rim one pixel wide: a pixel at the distance e has the weight
    min(1, max(0, r + 0.5 - e)), so the blur sets in continuously and radii up to 0.5 change nothing. Windows
    are mirrored at their border.

    Sampled non-uniformly, the output pixel at the distance t from the centre shows the point of the window in
    the same direction at the distance x(t) = t + a·max(0, t - h/2)³, where h is half the output's side: full
    resolution in the centre half. The factor a is such that the corners of the output show the corners of the
    window. Values between pixels are bilinear. With both, the raw window is foveated first, which then also
    keeps the coarse sampling from aliasing.

    Attributes:
        foveate: blur the periphery.
        nonuniform: sample the periphery at a decreasing rate, from a larger raw window.
        strength: growth of the blur radius per pixel of distance.
        start: distance from the centre in pixels where the blur begins.
        reach: side of the raw window over that of the network's window, for non-uniform sampling.
    """

    foveate: bool = False
    nonuniform: bool = False
    strength: float = STRENGTH
    start: float = START
    reach: float = REACH

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (0 <= self.strength < np.inf and 0 <= self.start < np.inf):
            msg = f"strength={self.strength} and start={self.start} must be finite and not negative."
            raise ValueError(msg)
        if not 1.0 <= self.reach < np.inf:
            found = f"reach={self.reach} must be at least 1"
            msg = f"{found}: the raw window is never smaller than the network's."
            raise ValueError(msg)

    @property
    def is_plain(self) -> bool:
        """Whether windows pass unchanged."""
        return not (self.foveate or self.nonuniform)


PLAIN = WindowTransform()


def input_window(net_window: int, transform: WindowTransform = PLAIN) -> int:
    """Side of the raw window from which the network's window is made.

    Args:
        net_window: side of the network's window in pixels; odd, so that a pixel is in its centre.
        transform: see `WindowTransform`.

    Returns:
        `net_window`, or for non-uniform sampling the odd number nearest to `net_window * reach`.

    Raises:
        ValueError: `net_window` is even or below 1.

    Example:
        >>> input_window(65), input_window(65, WindowTransform(nonuniform=True))
        (65, 95)
    """
    _require_odd(net_window)
    if not transform.nonuniform:
        return net_window
    return 2 * round((net_window * transform.reach - 1) / 2) + 1


def mirror(image: np.ndarray, window: int) -> np.ndarray:
    """Mirror an image at its borders so that every pixel has a full window; the border pixels are not
    repeated.

    Args:
        image: (C, H, W), of any size: an image smaller than the window is mirrored several times.
        window: odd side of the window in pixels.

    Returns:
        (C, H + window - 1, W + window - 1) of the same dtype.

    Raises:
        ValueError: not three axes, no pixels, or an even window.

    Example:
        >>> mirror(np.arange(3)[None, None], 3)[0, 1].tolist()
        [1, 0, 1, 2, 1]
    """
    _require_odd(window)
    if image.ndim != 3 or 0 in image.shape:
        msg = f"An image to be mirrored has shape (C, H, W) with at least one pixel, found {image.shape}."
        raise ValueError(msg)
    half = window // 2
    return np.pad(image, ((0, 0), (half, half), (half, half)), mode="reflect")


def extract_windows(padded: torch.Tensor, centres: torch.Tensor, size: int) -> torch.Tensor:
    """Cut out the windows around given pixels.

    Args:
        padded: (C, H + size - 1, W + size - 1), the image mirrored by `size // 2` on each side (see
            `mirror`).
        centres: (N, 2) integers, row and column of each centre in the image *before* it was mirrored.
        size: odd side of the windows in pixels.

    Returns:
        (N, C, size, size) of the dtype of `padded`; a copy.

    Raises:
        ValueError: wrong shapes, or a centre outside the image.

    Example:
        >>> image = torch.arange(9.0).view(1, 3, 3)
        >>> extract_windows(image, torch.tensor([[0, 0]]), 3).tolist() == [image.tolist()]
        True
    """
    _require_odd(size)
    if padded.ndim != 3 or min(padded.shape[-2:]) < size:
        found = f"padded must be (C, H + {size - 1}, W + {size - 1}), found {tuple(padded.shape)}"
        msg = f"{found}; see mirror()."
        raise ValueError(msg)
    if centres.ndim != 2 or centres.shape[1] != 2 or centres.is_floating_point():
        msg = f"centres must be (N, 2) integers, found {tuple(centres.shape)} of {centres.dtype}."
        raise ValueError(msg)
    rows, columns = centres.to(padded.device, torch.int64).unbind(1)
    height, width = (extent - size + 1 for extent in padded.shape[-2:])
    if centres.numel() and not bool(
        ((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)).all()
    ):
        msg = f"Centres must lie in the image of {height} × {width} pixels (before mirroring); some do not."
        raise ValueError(msg)
    return padded.unfold(1, size, 1).unfold(2, size, 1)[:, rows, columns].transpose(0, 1).contiguous()


def transform_windows(windows: torch.Tensor, net_window: int, transform: WindowTransform) -> torch.Tensor:
    """Turn raw windows into what the network sees.

    Args:
        windows: (N, C, S, S), S odd; usually S = `input_window(net_window, transform)`.
        net_window: odd side of the result; equal to S unless `transform.nonuniform`, then at most S.
        transform: see `WindowTransform`.

    Returns:
        (N, C, net_window, net_window); unchanged if the transform is plain, else float32 (float64 for float64
        input).

    Raises:
        ValueError: sizes that do not fit.

    Example:
        >>> transform_windows(torch.ones(2, 1, 95, 95), 65, WindowTransform(nonuniform=True)).shape
        torch.Size([2, 1, 65, 65])
    """
    raw = windows.shape[-1]
    _require_odd(raw)
    _require_odd(net_window)
    fits = net_window <= raw if transform.nonuniform else net_window == raw
    if windows.ndim != 4 or windows.shape[-2] != raw or not fits:
        needed = input_window(net_window, transform)
        found = f"Windows of shape {tuple(windows.shape)} cannot become windows of {net_window}"
        msg = f"{found} pixels with {transform}. Cut raw windows of {needed} pixels, see input_window()."
        raise ValueError(msg)
    if transform.is_plain:
        return windows
    dtype = torch.promote_types(windows.dtype, torch.float32)
    matrix = _matrix(raw, net_window, transform, dtype, windows.device)
    pixels = windows.to(dtype).flatten(2).flatten(0, 1).T.contiguous()
    return matrix.times(pixels).T.reshape(*windows.shape[:2], net_window, net_window)


def predict_by_windows(
    model: nn.Module,
    image: np.ndarray,
    *,
    transform: WindowTransform = PLAIN,
    stride: int = 1,
    batch: int | None = None,
) -> np.ndarray:
    """Classify pixels one window at a time.

    Networks that see plain windows should be evaluated by `Ciresan.dense()`, which shares the work of
    overlapping windows and gives the same result in a fraction of the time. Foveated and non-uniformly
    sampled windows cannot share it: what a pixel contributes depends on where it lies in the window, so no
    layer's output is common to two windows. Hence `stride`: every stride-th pixel (and the last row and
    column) is classified, and the probabilities in between are bilinear.

    Args:
        model: maps windows (N, C, window, window) to (N, K) logits and has the attribute `window`. It is used
            on the device of its parameters, in evaluation mode, and left in the mode it was in.
        image: (C, H, W), prepared as in training; borders are mirrored.
        transform: what the network was trained with.
        stride: distance in pixels between classified pixels; 1 classifies all.
        batch: windows at a time; fewer where they do not fit into the memory of a GPU. None: as many as suit
            the device.

    Returns:
        (K, H, W) float32 probabilities: softmax over the K logits, or the sigmoid if there is only one.

    Raises:
        ValueError: `stride` or `batch` below 1, or an image without three axes or without pixels.
    """
    device = next(model.parameters()).device
    if batch is None:
        batch = GPU_BATCH if device.type == "cuda" else BATCH
    for option, value in (("stride", stride), ("batch", batch)):
        if value < 1:
            msg = f"{option}={value} must be at least 1."
            raise ValueError(msg)
    raw = input_window(model.window, transform)
    padded = torch.from_numpy(mirror(image, raw).astype(np.float32)).to(device)
    views = padded.unfold(1, raw, 1).unfold(2, raw, 1)
    rows, columns = (_grid(size, stride) for size in image.shape[1:])
    grid = torch.cartesian_prod(torch.from_numpy(rows), torch.from_numpy(columns)).to(device)

    def probabilities(centres: torch.Tensor) -> torch.Tensor:
        windows = views[:, centres[:, 0], centres[:, 1]].transpose(0, 1).contiguous()
        return _probabilities(model(transform_windows(windows, model.window, transform)))

    with _evaluating(model):
        values = _in_batches(probabilities, grid, batch)
    coarse = values.cpu().T.reshape(-1, len(rows), len(columns)).numpy()
    return _interpolate(_interpolate(coarse, rows, 1), columns, 2)


def _in_batches(
    function: Callable[[torch.Tensor], torch.Tensor], places: torch.Tensor, batch: int
) -> torch.Tensor:
    """What a function makes of rows, so many at a time; half as many where they do not fit into a GPU."""
    while True:
        try:
            return torch.cat([function(part) for part in places.split(batch)])
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
            batch //= 2


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards the mode that was."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def _probabilities(logits: torch.Tensor) -> torch.Tensor:
    logits = logits.float()
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)


def _grid(size: int, stride: int) -> np.ndarray:
    """Every stride-th index of `size`, and the last."""
    return np.unique(np.append(np.arange(0, size, stride), size - 1))


def _interpolate(values: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    """Linear interpolation along one axis from `positions` to all whole numbers up to the last position."""
    targets = np.arange(positions[-1] + 1)
    if len(targets) == len(positions):
        return values
    left = np.searchsorted(positions, targets, side="right").clip(1, len(positions) - 1) - 1
    share = (targets - positions[left]) / (positions[left + 1] - positions[left])
    share = share.astype(np.float32).reshape([-1 if k == axis else 1 for k in range(values.ndim)])
    return values.take(left, axis) * (1 - share) + values.take(left + 1, axis) * share


@lru_cache(maxsize=MATRICES)
def _matrix(
    raw: int, size: int, transform: WindowTransform, dtype: torch.dtype, device: torch.device
) -> SparseMatrix:
    """Sparse (size², raw²) matrix that turns flattened raw windows into the network's."""
    matrix = None
    if transform.foveate:
        matrix = disk_matrix(raw, strength=transform.strength, start=transform.start)
    if transform.nonuniform:
        sampling = sampling_matrix(raw, size)
        matrix = sampling if matrix is None else sampling @ matrix
    with torch.inference_mode(False):  # kept for later calls, which may need gradients
        return SparseMatrix.on(device, matrix, dtype)


def _require_odd(size: int) -> None:
    if size < 1 or size % 2 == 0:
        msg = f"A window of {size} pixels has no central pixel: its side must be odd."
        raise ValueError(msg)
