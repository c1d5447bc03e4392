# SPDX-License-Identifier: MIT
"""Bilinear resizing of batches, for networks that see images at another size than they are stored in."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def zoomed(images: Tensor, zoom: float) -> Tensor:
    """Resize by a factor, sides rounded to whole pixels, at least 1.

    Args:
        images: (N, C, H, W) floating point.
        zoom: Factor of both sides.

    Returns:
        (N, C, round(H·zoom), round(W·zoom)), bilinear without smoothing, pixel centres kept.

    Example:
        >>> zoomed(torch.zeros(1, 3, 1000, 1000), 0.992).shape
        torch.Size([1, 3, 992, 992])
    """
    return _resized(images, [max(1, round(side * zoom)) for side in images.shape[2:]])


def zoomed_classes(labels: Tensor, zoom: float) -> Tensor:
    """Resize maps of class numbers as `zoomed` resizes images: each pixel is the nearest of the original.

    Args:
        labels: (N, C, H, W) integers.
        zoom: Factor of both sides.

    Returns:
        (N, C, round(H·zoom), round(W·zoom)) of the same dtype.

    Example:
        >>> zoomed_classes(torch.tensor([[[[0, 0, 7, 7], [0, 0, 7, 7]]]]), 0.5).tolist()
        [[[[0, 7]]]]
    """
    size = [max(1, round(side * zoom)) for side in labels.shape[2:]]
    numbers = labels if labels.dtype == torch.uint8 else labels.double()
    return functional.interpolate(numbers, size, mode="nearest-exact").to(labels.dtype)


def restored(maps: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Bring probability maps back to the size of the image.

    Args:
        maps: (K, h, w) float32.
        size: (H, W).

    Returns:
        (K, H, W) float32.
    """
    return _resized(torch.from_numpy(maps)[None], list(size))[0].numpy()


def _resized(images: Tensor, size: list[int]) -> Tensor:
    """`torch.nn.functional.interpolate` as it is where no kernel need be deterministic.

    On GPUs that function leaves its kernel for four slow gathers where kernels have to be deterministic, for
    the sake of gradients, which nobody asks for here.
    """
    return torch.ops.aten.upsample_bilinear2d.default(images, size, align_corners=False)
