# SPDX-License-Identifier: MIT
"""Depthwise convolutions with gradients for which bf16 is fast on a CPU.

oneDNN has no fast bf16 gradients of some depthwise convolutions on CPUs: those of 5×5 weights, and those of
inputs at a stride of 2, take 4 to 100 times as long as they need (torch 2.13, AVX-512 BF16, channels last);
they were two fifths of a training step of EfficientNet-Lite0. Here the gradient of wide weights is put
together from those of 3×3 pieces, which are fast, and that of inputs at a stride is computed in float32. So
is any gradient of inputs where the processor has no products in bf16: sums would be rounded to it, too.
"""

from collections.abc import Sequence
from itertools import product

import torch
from torch import nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

from microtome.devices import supports_fast_bf16

Pair = tuple[int, int]
PIECE = 3
"""Side of weights whose gradient bf16 is fast at."""
LAYOUT = torch.channels_last


class Depthwise(nn.Sequential):
    """Layers in a row, one of which is a depthwise convolution without bias."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """As `nn.Sequential`; in training, see `convolved`."""
        for layer in self:
            learns = self.training and isinstance(layer, nn.Conv2d)
            maps = convolved(maps, layer) if learns else layer(maps)
        return maps


def convolved(maps: torch.Tensor, layer: nn.Conv2d) -> torch.Tensor:
    """What a depthwise layer without bias makes of (N, C, H, W); under autocast on a CPU, learnt as above."""
    if maps.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return layer(maps)
    return _Convolved.apply(maps, layer.weight, layer.stride, layer.padding)


class _Convolved(torch.autograd.Function):
    """A depthwise convolution in the format of autocast, with the gradients above."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, maps: torch.Tensor, weight: torch.Tensor, stride: Pair, padding: Pair
    ) -> torch.Tensor:
        half = torch.get_autocast_dtype("cpu")
        inputs, kernel = maps.to(half), weight.to(half)
        ctx.save_for_backward(inputs, kernel)
        ctx.geometry, ctx.formats = (stride, padding), (maps.dtype, weight.dtype)
        return F.conv2d(inputs, kernel, None, stride, padding, 1, maps.shape[1])

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        saved, needs, geometry = (gradient, *ctx.saved_tensors), ctx.needs_input_grad, ctx.geometry
        maps = _of_inputs(saved, *geometry) if needs[0] else None
        weight = _of_weights(saved, *geometry) if needs[1] else None
        pairs = zip((maps, weight), ctx.formats, strict=True)
        return *(None if one is None else one.to(dtype) for one, dtype in pairs), None, None


def _of_inputs(saved: Sequence[torch.Tensor], stride: Pair, padding: Pair) -> torch.Tensor:
    """Gradient of the inputs (N, C, H, W), of the gradient, the inputs and the weights."""
    is_fast = stride == (1, 1) and supports_fast_bf16()
    precise = saved if is_fast else [one.float() for one in saved]
    return _gradients(precise, stride, padding, [True, False, False])[0]


def _of_weights(saved: Sequence[torch.Tensor], stride: Pair, padding: Pair) -> torch.Tensor:
    """Gradient of the weights (C, 1, k, k) of an odd k, likewise.

    A weight sees the inputs shifted by its place in the kernel, so the 3×3 weights that begin at (a, b) have
    the gradient of a 3×3 kernel on inputs that are shifted by (a, b). Those in two pieces have it from both.
    """
    gradient, maps, kernel = saved
    side, (rows, columns) = kernel.shape[-1], gradient.shape[-2:]
    if side <= PIECE:
        return _gradients(saved, stride, padding, [False, True, False])[1]
    padded = F.pad(maps, (padding[1], padding[1], padding[0], padding[0]))
    height, width = (rows - 1) * stride[0] + PIECE, (columns - 1) * stride[1] + PIECE
    whole = torch.empty_like(kernel)
    for top, left in product(range(0, side - 1, PIECE - 1), repeat=2):
        here = slice(top, top + PIECE), slice(left, left + PIECE)
        shifted = padded[..., top : top + height, left : left + width].contiguous(memory_format=LAYOUT)
        piece = gradient, shifted, kernel[:, :, *here].contiguous()
        whole[:, :, *here] = _gradients(piece, stride, (0, 0), [False, True, False])[1]
    return whole


def _gradients(
    saved: Sequence[torch.Tensor], stride: Pair, padding: Pair, wanted: list[bool]
) -> tuple[torch.Tensor | None, ...]:
    """Gradients of inputs and weights, of the gradient, the inputs and the weights."""
    geometry = stride, padding, (1, 1), False, (0, 0), len(saved[2])
    return torch.ops.aten.convolution_backward(*saved, None, *geometry, wanted)
