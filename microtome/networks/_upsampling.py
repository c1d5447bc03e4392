# SPDX-License-Identifier: MIT
"""Linear up-sampling by a whole number whose gradient is the same each time, on a GPU, too.

PyTorch's kernels forward are deterministic. Backward, those of CUDA add up in any order; where deterministic
algorithms are asked for, `interpolate` becomes gathers instead, forward as well, and is slow. But a pixel
goes into few pixels of the result, whose places are known: the gradient is a sum of slices.
"""

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

# looks at the device, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the call
fx.wrap("upsampled")

KINDS = {
    4: ("bilinear", torch.ops.aten.upsample_bilinear2d.vec),
    5: ("trilinear", torch.ops.aten.upsample_trilinear3d.vec),
}
"""Axes of maps to the name of the interpolation, and PyTorch's operation."""
LARGEST_ALIGNED = 2
"""Largest factor with aligned corners; beyond it, a pixel's neighbour is not always on the same side."""


def upsampled(maps: torch.Tensor, factor: int, *, align_corners: bool = False) -> torch.Tensor:
    """Maps of `factor` times the size along each axis of space, bilinear or trilinear.

    What `torch.nn.functional.interpolate` gives, and its gradient but for rounding.

    Args:
        maps: (N, C, H, W) or (N, C, D, H, W), floating.
        factor: at least 1.
        align_corners: whether the centres of the corner pixels stay in place, and not the corners; for
            factors up to 2.

    Returns:
        (N, C, factor·H, factor·W), or with a depth, of the same dtype and memory format.

    Raises:
        ValueError: another number of axes, or no such factor.

    Example:
        >>> upsampled(torch.tensor([[[[0.0, 4.0]]]]), 2)[0, 0, 0].tolist()
        [0.0, 1.0, 3.0, 4.0]
        >>> upsampled(torch.tensor([[[[0.0, 3.0]]]]), 2, align_corners=True)[0, 0, 0].tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    if maps.ndim not in KINDS or factor < 1 or (align_corners and factor > LARGEST_ALIGNED):
        found = f"maps of shape {tuple(maps.shape)}, factor={factor}, align_corners={align_corners}"
        expected = f"4 or 5 axes and a factor from 1 on, to {LARGEST_ALIGNED} if corners are aligned"
        msg = f"{found}: expected {expected}"
        raise ValueError(msg)
    if factor == 1:
        return maps
    if maps.device.type != "cpu":
        return LinearUpsampling.apply(maps, factor, align_corners)
    settings = {"scale_factor": float(factor), "mode": KINDS[maps.ndim][0], "align_corners": align_corners}
    return functional.interpolate(maps, **settings)


class Upsampling(nn.Upsample):
    """A layer of `upsampled`."""

    def __init__(self, factor: int, *, volumes: bool = False, align_corners: bool = False) -> None:
        kind, _ = KINDS[5 if volumes else 4]
        super().__init__(scale_factor=factor, mode=kind, align_corners=align_corners)
        self.factor = factor

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps of `factor` times the size."""
        return upsampled(maps, self.factor, align_corners=self.align_corners)


class LinearUpsampling(torch.autograd.Function):
    """PyTorch's up-sampling with a gradient made of slices; see `upsampled` for the arguments."""

    @staticmethod
    def forward(context: Any, maps: torch.Tensor, factor: int, align_corners: bool) -> torch.Tensor:
        """The larger maps."""
        context.factor, context.align_corners = factor, align_corners
        _, operation = KINDS[maps.ndim]
        return operation(maps, None, align_corners, [float(factor)] * (maps.ndim - 2))

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """The gradient of the maps, one axis after the other."""
        for axis in range(2, gradient.ndim):
            gradient = _gathered(gradient, axis, context.factor, align_corners=context.align_corners)
        return gradient, None, None


def _gathered(gradient: torch.Tensor, axis: int, factor: int, *, align_corners: bool) -> torch.Tensor:
    """The gradient of what was up-sampled along an axis.

    Pixel i becomes `factor` pixels, each of which is (1 - w)·x[i] + w·x[i ± 1]. So it gives 1 - w of its own
    gradient to i, and w to the neighbour.
    """
    total = None
    for phase, part in enumerate(gradient.unflatten(axis, (-1, factor)).unbind(axis + 1)):
        length = part.shape[axis]
        side, weights = _neighbour(phase, length, factor, align_corners=align_corners, like=gradient)
        weights = weights.view(-1, *[1] * (gradient.ndim - 1 - axis))
        total = part * (1 - weights) if total is None else total.addcmul_(part, 1 - weights)
        given, taken = (1, 0) if side < 0 else (0, 1)  # the first pixel with a neighbour, the first neighbour
        shares = part.narrow(axis, given, length - 1), weights.narrow(0, given, length - 1)
        total.narrow(axis, taken, length - 1).addcmul_(*shares)
    return total


def _neighbour(
    phase: int, length: int, factor: int, *, align_corners: bool, like: torch.Tensor
) -> tuple[int, torch.Tensor]:
    """On which side the neighbour is that a pixel of the result is made of, and its weight for each i.

    Args:
        phase: Number of the pixel among the `factor` pixels that i becomes.
        length: Number of i.
        factor: As `upsampled` takes it.
        align_corners: Likewise.
        like: Has the dtype and the device of the weights.

    Returns:
        -1 or 1, and (length,) weights, 0 where there is no neighbour.
    """
    exact = {"dtype": torch.promote_types(like.dtype, torch.float32), "device": like.device}
    if align_corners:
        steps, side = torch.arange(length, **exact) / (factor * length - 1), 1 if phase else -1
        weights = steps if side < 0 else steps.flip(0)
        return side, weights.to(like.dtype)
    shift = (phase + 0.5) / factor - 0.5
    side = -1 if shift < 0 else 1
    weights = torch.full((length,), abs(shift), **exact)
    weights.narrow(0, 0 if side < 0 else length - 1, 1).zero_()
    return side, weights.to(like.dtype)
