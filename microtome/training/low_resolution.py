# SPDX-License-Identifier: MIT
"""Images as if they came from coarser ones: shrunk by the nearest pixel and enlarged again, bilinearly.

nnU-Net's simulation of low resolution (Isensee et al., Nature Methods 2021, doi:10.1038/s41592-020-01008-z),
with all channels alike. Each image of a batch has a factor of its own, so PyTorch's `interpolate` would be
called image by image, and its sizes read from the device; here pixels are looked up at places drawn on the
CPU.
"""

import torch
from torch import Tensor


def sampling_of(factors: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Which pixels along an axis a shrunk and enlarged image is made of.

    A shrunk image has round(factor·size) pixels, at least one. Pixels are looked up as PyTorch's
    "nearest-exact" does, and enlarged bilinearly with corners that are not aligned.

    Args:
        factors: (N,) of each image, above 0 and up to 1.
        size: Pixels of the axis.

    Returns:
        (N, 2, size) places of two pixels of the image, whole numbers as float32, and (N, size) the weight of
        the second, 0..1.

    Example:
        >>> places, weights = sampling_of(torch.tensor([0.5]), 4)
        >>> places.tolist(), weights.tolist()
        ([[[1.0, 1.0, 1.0, 3.0], [3.0, 3.0, 3.0, 3.0]]], [[0.0, 0.25, 0.75, 0.25]])
    """
    shrunk = (factors.double() * size).round().clamp(min=1)[:, None]
    centres = torch.arange(size, dtype=torch.float64)[None] + 0.5
    position = (centres * shrunk / size - 0.5).clamp(min=0)
    first = position.floor()
    pair = torch.stack([first, torch.minimum(first + 1, shrunk - 1)], 1)
    places = ((pair + 0.5) * size / shrunk[:, None]).floor().clamp(max=size - 1)
    return places.float(), (position - first).float()


def coarsened(
    images: Tensor, rows: Tensor, row_weights: Tensor, columns: Tensor, column_weights: Tensor
) -> Tensor:
    """Shrink and enlarge each image as `sampling_of` says.

    Args:
        images: (N, C, H, W) floating point.
        rows: (N, 2, H), see `sampling_of`.
        row_weights: (N, H).
        columns: (N, 2, W).
        column_weights: (N, W).

    Returns:
        New images of the same shape and type.

    Example:
        >>> row = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
        >>> one = sampling_of(torch.tensor([1.0]), 1)
        >>> coarsened(row, *one, *sampling_of(torch.tensor([0.5]), 4)).tolist()
        [[[[1.0, 1.5, 2.5, 3.0]]]]
    """
    for axis, places, weights in ((2, rows, row_weights), (3, columns, column_weights)):
        broad = [len(images), 1, 1, 1]
        broad[axis] = images.shape[axis]
        first, second = (
            torch.take_along_dim(images, one.long().view(broad), dim=axis) for one in places.unbind(1)
        )
        images = torch.lerp(first, second, weights.view(broad))
    return images
