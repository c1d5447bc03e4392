# SPDX-License-Identifier: MIT
"""Depthwise convolutions whose gradients are computed in float32 where bf16 is slow.

oneDNN has no fast bf16 gradients of some depthwise convolutions on CPUs: those of 5×5 weights, and those of
inputs at a stride of 2, take 4 to 20 times as long as in float32 (torch 2.13, AVX-512 BF16, channels last).
They were two fifths of a training step of EfficientNet-Lite0.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

Pair = tuple[int, int]
FAST_KERNEL = 3
"""Largest side of weights whose gradient bf16 is fast at."""


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
    """A depthwise convolution in the format of autocast, and its gradients in float32."""

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
        saved, needs, (stride, padding) = (gradient, *ctx.saved_tensors), ctx.needs_input_grad, ctx.geometry
        jumps, is_wide = stride != (1, 1), saved[2].shape[-1] > FAST_KERNEL
        full = [one.float() for one in saved] if jumps or is_wide else saved
        maps, _, _ = _gradients(full if jumps else saved, stride, padding, [needs[0], False, False])
        _, weight, _ = _gradients(full if is_wide else saved, stride, padding, [False, needs[1], False])
        pairs = zip((maps, weight), ctx.formats, strict=True)
        return *(None if one is None else one.to(dtype) for one, dtype in pairs), None, None


def _gradients(
    saved: Sequence[torch.Tensor], stride: Pair, padding: Pair, wanted: list[bool]
) -> tuple[torch.Tensor | None, ...]:
    """Gradients of inputs and weights, of the gradient, the inputs and the weights."""
    geometry = stride, padding, (1, 1), False, (0, 0), len(saved[2])
    return torch.ops.aten.convolution_backward(*saved, None, *geometry, wanted)
