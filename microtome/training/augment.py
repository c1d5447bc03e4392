# SPDX-License-Identifier: MIT
"""Augmentation of a batch: one geometry for images and targets, and the intensities of the images.

Everything is off by default. All randomness comes from a generator of its own, drawn on the CPU, so that a
seed gives the same batch on every device and the global random state is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor
from torch.nn import functional

from microtome.class_maps import IGNORE
from microtome.config.augment import GEOMETRY, Augment
from microtome.training.geometry import MOVES, QUARTERS, affine, quarter_turns, unmoved
from microtome.training.intensity import CHANGES, blur, change_intensity, clipped, range_of, uniform

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH_DIMENSIONS = 4
HALF, FULL = 0.5, 1 - 0.5 / 255  # FULL: what 8 bits round to 1
TOLERANCE = 1e-4


def augment(
    images: Tensor, targets: Tensor, settings: Augment, *, seed: int, margin: int = 0
) -> tuple[Tensor, Tensor]:
    """Augment a batch.

    Flips and quarter turns are exact. Other geometry resamples once, images bilinearly with reflection at
    the border, targets by the nearest pixel, so that labels stay labels. Intensities end within 0..1, or
    within the range the batch had if that was wider, unless `intensity_clip` says otherwise. With `order`
    the steps are taken as listed, else geometry comes first.

    Args:
        images: ``(N, C, H, W)`` floating point, nominally 0..1.
        targets: ``(N, T, H, W)``, any type.
        settings: What may happen.
        seed: Fixes every draw.
        margin: Pixels at each side that geometry may look at (see `Augment.reach`), and that are cut off.

    Returns:
        Images and targets of the same types, smaller by the margin; the same tensors if everything is off
        and there is none.

    Raises:
        ValueError: If the shapes do not fit, images are no floats, or quarter turns meet oblong images.

    Example:
        >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> augment(image, image, Augment(horizontal_flip=1.0), seed=0)[1].tolist()
        [[[[1.0, 0.0], [3.0, 2.0]]]]
    """
    _check_batch(images, targets, settings, margin)
    generator = Generator().manual_seed(seed)
    if settings.order:
        return _in_order(images, targets, settings, generator, margin)
    images, targets = _flip(images, targets, settings, generator)
    if settings.warps:
        images, targets = _warp(images, targets, settings, generator, margin)
    else:
        images, targets = without(images, margin), without(targets, margin)
    if settings.changes_intensity:
        images = change_intensity(images, settings, generator)
    return images, targets


def without(batch: Tensor, margin: int) -> Tensor:
    """The middle of windows: a view; the tensor itself without a margin.

    Example:
        >>> without(torch.zeros(1, 1, 6, 8), 2).shape
        torch.Size([1, 1, 2, 4])
    """
    return batch[..., margin:-margin, margin:-margin] if margin else batch


def _check_batch(images: Tensor, targets: Tensor, settings: Augment, margin: int) -> None:
    fits = images.dim() == targets.dim() == BATCH_DIMENSIONS and images.shape[0] == targets.shape[0]
    if not fits or images.shape[2:] != targets.shape[2:] or min(images.shape) < 1:
        found = f"images {tuple(images.shape)}, targets {tuple(targets.shape)}"
        msg = f"found {found}; expected (N, C, H, W) and (N, T, H, W) of one size."
        raise ValueError(msg)
    if not images.is_floating_point():
        msg = f"found images of {images.dtype}, expected floating point in 0..1; scale them first."
        raise ValueError(msg)
    if settings.rotate90 and images.shape[2] != images.shape[3]:
        msg = f"rotate90 needs square images, found {tuple(images.shape[2:])}; crop them or set it to 0."
        raise ValueError(msg)
    if not 0 <= 2 * margin < min(images.shape[2:]):
        msg = (
            f"found a margin of {margin} of images {tuple(images.shape[2:])}, expected less than half of them"
        )
        raise ValueError(msg)


def _flip(images: Tensor, targets: Tensor, settings: Augment, generator: Generator) -> tuple[Tensor, Tensor]:
    """Apply flips and quarter turns, exactly."""
    count = len(images)
    for chance, axis in ((settings.horizontal_flip, 3), (settings.vertical_flip, 2)):
        if chance:
            chosen = uniform(generator, (count,), 0, 1) < chance
            images, targets = (_change(batch, chosen, Tensor.flip, axis) for batch in (images, targets))
    if settings.rotate90:
        turns = quarter_turns(count, settings, generator)
        for quarter in range(1, QUARTERS):
            turn = (turns == quarter, torch.rot90, quarter, (2, 3))
            images, targets = (_change(batch, *turn) for batch in (images, targets))
    return images, targets


def _change(batch: Tensor, chosen: Tensor, change: Callable[..., Tensor], *arguments: object) -> Tensor:
    """Change the images that were drawn, and leave the batch that is given alone."""
    index = chosen.nonzero().flatten().to(batch.device)
    return batch.index_copy(0, index, change(batch[index], *arguments)) if len(index) else batch


def _warp(
    images: Tensor, targets: Tensor, settings: Augment, generator: Generator, margin: int
) -> tuple[Tensor, Tensor]:
    """Resample images and targets at the same positions."""
    size = without(images, margin).shape[2:]
    positions = affine(len(images), size, settings, generator)
    if settings.elastic_alpha:
        positions = positions + _elastic(len(images), size, settings, generator)
    return _resample(images, targets, positions + margin, settings)


def _resample(images: Tensor, targets: Tensor, positions: Tensor, settings: Augment) -> tuple[Tensor, Tensor]:
    """Images and targets at positions (N, h, w, 2), rows and columns of theirs."""
    positions = positions.to(images.device)
    images = _bilinear(images, positions, settings.border)
    if settings.target_rounding == "nearest":
        return images, _nearest(targets, positions, settings)
    soft = _bilinear(targets.to(images.dtype), positions, settings.border)
    return images, round_targets(soft, settings.target_rounding).to(targets.dtype)


def _in_order(
    images: Tensor, targets: Tensor, settings: Augment, generator: Generator, margin: int
) -> tuple[Tensor, Tensor]:
    """Take the steps as listed; geometry is gathered into one map, which its last step applies."""
    bounds, size = range_of(images), without(images, margin).shape[2:]
    steps = [name for name in settings.order if settings.takes(name)]
    last = max((number for number, name in enumerate(steps) if name in GEOMETRY), default=-1)
    placed = unmoved(len(images))
    if last < 0:
        images, targets = without(images, margin), without(targets, margin)
    for number, name in enumerate(steps):
        if name not in GEOMETRY:
            images = clipped(CHANGES[name](images, settings, generator, bounds), settings, bounds)
            continue
        placed = placed.then(MOVES[name](len(images), size, settings, generator))
        if number == last:
            images, targets = _resample(images, targets, placed.sources(size) + margin, settings)
    return images, targets


def round_targets(soft: Tensor, rounding: str) -> Tensor:
    """Turn interpolated targets of 0 and 1 into int64 targets of 0 and 1.

    Args:
        soft: Values in 0..1, any shape.
        rounding: ``floor``: 1 where 8 bits would hold the full value, else 0 (published with USE-Net: masks
            stored with 8 bits, scaled to 0..1, cut to integers); ``round`` and ``nearest``: 1 from one half.

    Raises:
        ValueError: A target is not between 0 and 1, such as one that marks pixels as not labelled.

    Example:
        >>> round_targets(torch.tensor([0.4, 0.6, 1.0]), "floor").tolist()
        [0, 0, 1]
    """
    if soft.numel() and not 0 <= float(soft.min()) <= float(soft.max()) <= 1 + TOLERANCE:
        found = f"values from {float(soft.min()):g} to {float(soft.max()):g}"
        msg = f"found targets with {found}, expected 0 and 1; interpolate only masks without ignored pixels."
        raise ValueError(msg)
    return (soft >= (FULL if rounding == "floor" else HALF)).long()


def _elastic(count: int, size: torch.Size, settings: Augment, generator: Generator) -> Tensor:
    """Return smooth random displacements ``(N, H, W, 2)``, zero where the deformation was not drawn."""
    noise = uniform(generator, (count, 2, *size), -settings.elastic_alpha, settings.elastic_alpha)
    drawn = uniform(generator, (count,), 0, 1) < settings.elastic_probability
    smooth = blur(noise, torch.full((count,), settings.elastic_sigma))
    return (smooth * drawn.view(-1, 1, 1, 1)).permute(0, 2, 3, 1)


def _reflect(position: Tensor, length: int) -> Tensor:
    """Fold positions into ``0..length - 1``, mirrored at the outermost pixels."""
    period = max(2 * (length - 1), 1)
    folded = position.remainder(period)
    return torch.minimum(folded, period - folded).clamp(max=length - 1)


def _bilinear(images: Tensor, positions: Tensor, border: str) -> Tensor:
    fold = _reflect if border == "reflect" else lambda position, _: position
    sides = enumerate(images.shape[2:])
    scaled = [fold(positions[..., axis], side) * 2 / max(side - 1, 1) - 1 for axis, side in sides]
    grid = torch.stack([scaled[1], scaled[0]], -1).to(images.dtype)
    padding = "border" if border == "reflect" else "zeros"
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=True)


def _nearest(targets: Tensor, positions: Tensor, settings: Augment) -> Tensor:
    """Pick the nearest target pixel, exactly, for any type."""
    height, width = targets.shape[2:]
    whole = positions.round().long()
    rows, columns = _reflect(whole[..., 0], height), _reflect(whole[..., 1], width)
    index = (rows * width + columns).flatten(1)[:, None].expand(-1, targets.shape[1], -1)
    picked = targets.flatten(2).gather(2, index).view(*targets.shape[:2], *positions.shape[1:3])
    if settings.border == "reflect" and settings.target_fill == "border":
        return picked
    outside = (rows != whole[..., 0]) | (columns != whole[..., 1])
    return picked.masked_fill(outside[:, None], IGNORE if settings.target_fill == "ignore" else 0)
