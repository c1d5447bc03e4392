# SPDX-License-Identifier: MIT
"""Images and labels at other positions than those of their pixels, on the device where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from microtome.class_maps import IGNORE

if TYPE_CHECKING:
    from microtome.config.augment import Augment

HALF, FULL = 0.5, 1 - 0.5 / 255  # FULL: what 8 bits round to 1


def resampled(
    images: Tensor, targets: Tensor | None, rows: Tensor, columns: Tensor, settings: Augment
) -> tuple[Tensor, Tensor | None]:
    """Images, bilinearly, and targets as `settings.target_rounding` says, at given positions.

    Args:
        images: (N, C, H, W) floating point.
        targets: (N, T, H, W) of any type; for other rounding than `nearest` 0 and 1 alone, see
            `require_masks`. None: there are none.
        rows: (N, h, w) positions, pixels; beyond the image as `settings.border` says.
        columns: Likewise.
        settings: Border, and what becomes of targets.

    Returns:
        (N, C, h, w) and (N, T, h, w) of the same types.

    Example:
        >>> from microtome.config.augment import Augment
        >>> image, between = torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[0.25]]])
        >>> found = resampled(image, image, torch.zeros(1, 1, 1), between, Augment())
        >>> [values.flatten().tolist() for values in found]
        [[0.25], [0.0]]
    """
    found = _bilinear(images, rows, columns, settings.border)
    if targets is None:
        return found, None
    if settings.target_rounding == "nearest":
        return found, _nearest(targets, rows, columns, settings)
    soft = _bilinear(targets.to(images.dtype), rows, columns, settings.border)
    return found, round_targets(soft, settings.target_rounding).to(targets.dtype)


def round_targets(soft: Tensor, rounding: str) -> Tensor:
    """Turn interpolated targets of 0 and 1 into targets of False and True.

    Args:
        soft: Values in 0..1, any shape.
        rounding: ``floor``: 1 where 8 bits would hold the full value, else 0 (published with USE-Net: masks
            stored with 8 bits, scaled to 0..1, cut to integers); ``round`` and ``nearest``: 1 from one half.

    Example:
        >>> round_targets(torch.tensor([0.4, 0.6, 1.0]), "floor").tolist()
        [False, False, True]
    """
    return soft >= (FULL if rounding == "floor" else HALF)


def require_masks(targets: Tensor) -> None:
    """Make sure that targets can be interpolated. Looks at each of them: where they are read, on the CPU.

    Raises:
        ValueError: A target is neither 0 nor 1, nor between, such as one that marks pixels as not labelled.

    Example:
        >>> require_masks(torch.tensor([0, 1]))
    """
    if not targets.numel():
        return
    low, high = (float(value) for value in targets.aminmax())
    if not 0 <= low <= high <= 1:
        found = f"values from {low:g} to {high:g}"
        msg = f"found targets with {found}, expected 0 and 1; interpolate only masks without ignored pixels."
        raise ValueError(msg)


def _reflect(position: Tensor, length: int) -> Tensor:
    """Fold positions into ``0..length - 1``, mirrored at the outermost pixels."""
    period = max(2 * (length - 1), 1)
    folded = position.remainder(period)
    return torch.minimum(folded, period - folded).clamp_(max=length - 1)


def _bilinear(images: Tensor, rows: Tensor, columns: Tensor, border: str) -> Tensor:
    height, width = images.shape[2:]
    places = ((columns, width), (rows, height))
    if border == "reflect":
        places = tuple((_reflect(position, side), side) for position, side in places)
    grid = torch.stack([position * 2 / max(side - 1, 1) - 1 for position, side in places], -1)
    padding = "border" if border == "reflect" else "zeros"
    grid = grid.to(images.dtype)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=True)


def _nearest(targets: Tensor, rows: Tensor, columns: Tensor, settings: Augment) -> Tensor:
    """Pick the nearest target pixel, exactly, for any type."""
    height, width = targets.shape[2:]
    whole_rows, whole_columns = rows.round().long(), columns.round().long()
    inner_rows, inner_columns = _reflect(whole_rows, height), _reflect(whole_columns, width)
    index = (inner_rows * width + inner_columns).flatten(1)[:, None].expand(-1, targets.shape[1], -1)
    picked = targets.flatten(2).gather(2, index).view(*targets.shape[:2], *rows.shape[1:])
    if settings.border == "reflect" and settings.target_fill == "border":
        return picked
    outside = (inner_rows != whole_rows) | (inner_columns != whole_columns)
    return picked.masked_fill(outside[:, None], IGNORE if settings.target_fill == "ignore" else 0)
