# SPDX-License-Identifier: MIT
"""Augmentation of a batch: one geometry for images and targets, then the intensities of the images.

Everything is off by default. All randomness comes from a generator of its own, drawn on the CPU, so that a
seed gives the same batch on every device and the global random state is left alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor
from torch.nn import functional

from microtome.config.sampling import Augment

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH_DIMENSIONS = 4
QUARTERS = 4
BLUR_REACH = 3.0  # kernel half width in standard deviations
SMALLEST_BLUR = 1e-3
HALF, FULL = 0.5, 1 - 0.5 / 255  # FULL: what 8 bits round to 1
TOLERANCE = 1e-4
HED = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))  # Ruifrok and Johnston 2001
STAIN_SHIFT = 0.1
DARKEST = 1 / 255


def augment(images: Tensor, targets: Tensor, settings: Augment, *, seed: int) -> tuple[Tensor, Tensor]:
    """Augment a batch.

    Flips and quarter turns are exact. Other geometry resamples once, images bilinearly with reflection at
    the border, targets by the nearest pixel, so that labels stay labels. Intensities end within 0..1, or
    within the range the batch had if that was wider.

    Args:
        images: ``(N, C, H, W)`` floating point, nominally 0..1.
        targets: ``(N, T, H, W)``, any type.
        settings: What may happen.
        seed: Fixes every draw.

    Returns:
        Images and targets of the same shapes and types; the same tensors if everything is off.

    Raises:
        ValueError: If the shapes do not fit, images are no floats, or quarter turns meet oblong images.

    Example:
        >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> augment(image, image, Augment(horizontal_flip=1.0), seed=0)[1].tolist()
        [[[[1.0, 0.0], [3.0, 2.0]]]]
    """
    _check_batch(images, targets, settings)
    generator = Generator().manual_seed(seed)
    images, targets = _flip(images, targets, settings, generator)
    if settings.warps:
        images, targets = _warp(images, targets, settings, generator)
    if settings.changes_intensity:
        images = _change_intensity(images, settings, generator)
    return images, targets


def _check_batch(images: Tensor, targets: Tensor, settings: Augment) -> None:
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


def _uniform(generator: Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _flip(images: Tensor, targets: Tensor, settings: Augment, generator: Generator) -> tuple[Tensor, Tensor]:
    """Apply flips and quarter turns, exactly."""
    count = len(images)
    for chance, axis in ((settings.horizontal_flip, 3), (settings.vertical_flip, 2)):
        if chance:
            chosen = _uniform(generator, (count,), 0, 1) < chance
            images, targets = (_change(batch, chosen, Tensor.flip, axis) for batch in (images, targets))
    if settings.rotate90:
        turned = _uniform(generator, (count,), 0, 1) < settings.rotate90
        turns = torch.randint(1, QUARTERS, (count,), generator=generator) * turned
        for quarter in range(1, QUARTERS):
            turn = (turns == quarter, torch.rot90, quarter, (2, 3))
            images, targets = (_change(batch, *turn) for batch in (images, targets))
    return images, targets


def _change(batch: Tensor, chosen: Tensor, change: Callable[..., Tensor], *arguments: object) -> Tensor:
    """Change the images that were drawn, and leave the batch that is given alone."""
    index = chosen.nonzero().flatten().to(batch.device)
    return batch.index_copy(0, index, change(batch[index], *arguments)) if len(index) else batch


def _warp(images: Tensor, targets: Tensor, settings: Augment, generator: Generator) -> tuple[Tensor, Tensor]:
    """Resample images and targets at the same positions."""
    size = images.shape[2:]
    positions = _affine(len(images), size, settings, generator)
    if settings.elastic_alpha:
        positions = positions + _elastic(len(images), size, settings, generator)
    positions = positions.to(images.device)
    images = _bilinear(images, positions, settings.border)
    if settings.target_rounding == "nearest":
        return images, _nearest(targets, positions, settings)
    soft = _bilinear(targets.to(images.dtype), positions, settings.border)
    return images, round_targets(soft, settings.target_rounding).to(targets.dtype)


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


def _affine(count: int, size: torch.Size, settings: Augment, generator: Generator) -> Tensor:
    """Return source positions ``(N, H, W, 2)`` as (row, column) under rotation, scale, shear, translation."""
    angle = torch.deg2rad(_uniform(generator, (count,), -settings.rotation, settings.rotation))
    scale = _uniform(generator, (count,), *settings.scale)
    shear = torch.tan(_uniform(generator, (2, count), -settings.shear, settings.shear))
    shift = _uniform(generator, (count, 2), -settings.translate, settings.translate) * torch.tensor(size)
    one = torch.ones(count)
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    along_x = torch.stack([one, 0 * one, shear[0], one], 1).view(-1, 2, 2)
    along_y = torch.stack([one, shear[1], 0 * one, one], 1).view(-1, 2, 2)
    inverse = torch.linalg.inv(rotation @ along_x @ along_y * scale.view(-1, 1, 1))
    centre = (torch.tensor(size, dtype=torch.float32) - 1) / 2
    rows, columns = (torch.arange(length, dtype=torch.float32) for length in size)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), 2) - centre
    return torch.einsum("nij,hwnj->nhwi", inverse, grid[:, :, None] - shift) + centre


def _elastic(count: int, size: torch.Size, settings: Augment, generator: Generator) -> Tensor:
    """Return smooth random displacements ``(N, H, W, 2)``, zero where the deformation was not drawn."""
    noise = _uniform(generator, (count, 2, *size), -settings.elastic_alpha, settings.elastic_alpha)
    drawn = _uniform(generator, (count,), 0, 1) < settings.elastic_probability
    smooth = _blur(noise, torch.full((count,), settings.elastic_sigma))
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
    picked = targets.flatten(2).gather(2, index).view(targets.shape)
    if settings.border == "reflect":
        return picked
    outside = (rows != whole[..., 0]) | (columns != whole[..., 1])
    return picked.masked_fill(outside[:, None], 0)


def _change_intensity(images: Tensor, settings: Augment, generator: Generator) -> Tensor:
    """Change blur, tone and noise, in the order of image formation."""
    low, high = min(0.0, float(images.min())), max(1.0, float(images.max()))
    shape = (len(images), 1, 1, 1)

    def factor(strength: float) -> Tensor:
        return _uniform(generator, shape, -strength, strength).to(images)

    if settings.blur_sigma:
        sigma = _uniform(generator, (len(images),), 0, settings.blur_sigma).clamp(min=SMALLEST_BLUR)
        images = _blur(images, sigma.to(images))
    if settings.stain:
        images = _change_stain(images, settings.stain, generator)
    if settings.contrast:
        mean = images.mean((1, 2, 3), keepdim=True)
        images = (images - mean) * (1 + factor(settings.contrast)) + mean
    if settings.brightness:
        images = images * (1 + factor(settings.brightness))
    if settings.intensity_shift:
        images = images + factor(settings.intensity_shift)
    if settings.gamma:
        span = high - low
        images = ((images - low).clamp(min=0) / span) ** factor(settings.gamma).exp() * span + low
    for strength, multiplied in ((settings.speckle, True), (settings.gaussian_noise, False)):
        if strength:
            amount = _uniform(generator, shape, 0, strength).to(images)
            noise = torch.randn(images.shape, generator=generator).to(images) * amount
            images = images * (1 + noise) if multiplied else images + noise
    return images.clamp(low, high)


def _change_stain(images: Tensor, strength: float, generator: Generator) -> Tensor:
    """Scale and shift the densities of haematoxylin, eosin and the rest, image by image."""
    if images.shape[1] != len(HED):
        msg = f"augment.stain needs RGB images, found {images.shape[1]} channels; set it to 0."
        raise ValueError(msg)
    vectors = torch.tensor(HED, dtype=images.dtype)
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    shape = (len(images), len(HED))
    factor = 1 + _uniform(generator, shape, -strength, strength)
    shift = _uniform(generator, shape, -strength, strength) * STAIN_SHIFT
    mixing = torch.einsum("ij,nj,jk->nik", torch.linalg.inv(vectors), factor, vectors).to(images)
    density = torch.einsum("nchw,nck->nkhw", -images.clamp(min=DARKEST).log(), mixing)
    return (-(density + (shift @ vectors)[:, :, None, None].to(images))).exp()


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image with its own standard deviation, mirrored at the outermost pixels.

    Neither torch nor SciPy has a Gaussian of one width an image; the taps are summed by axis.
    """
    longest = math.ceil(BLUR_REACH * float(sigma.max()))
    for axis, order in ((3, (1, 0)), (2, (0, 1))):
        length = images.shape[axis]
        reach = min(longest, length - 1)
        steps = torch.arange(-reach, reach + 1, dtype=sigma.dtype, device=sigma.device)
        taps = (-(steps**2) / (2 * sigma[:, None] ** 2)).exp()
        taps = (taps / taps.sum(1, keepdim=True)).to(images)
        sides = [reach * side for side in order for _ in range(2)]
        padded = functional.pad(images, sides, mode="reflect")
        images = torch.zeros_like(images)
        for tap in range(taps.shape[1]):
            images.addcmul_(padded.narrow(axis, tap, length), taps[:, tap].view(-1, 1, 1, 1))
    return images
