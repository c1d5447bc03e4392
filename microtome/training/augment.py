# SPDX-License-Identifier: MIT
"""Augmentation of a batch: one geometry for images and targets, and the intensities of the images.

Everything is off by default. What is random is drawn before, on the CPU (see `draws`); the rest happens on
the device where the batch lies, which the host does not wait for.
"""

import torch
from torch import Tensor

from microtome.config.augment import Augment
from microtome.training.draws import WARP, Draws, Step, draw
from microtome.training.geometry import sources
from microtome.training.intensity import CHANGES, Numbers, Range, blurred, clipped, range_of
from microtome.training.resampling import require_masks, resampled
from microtome.training.turns import turned

BATCH_DIMENSIONS = 4


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
        ValueError: If the shapes do not fit, images are no floats, quarter turns meet oblong images, or
            targets are to be interpolated and not 0 or 1.

    Example:
        >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> augment(image, image, Augment(horizontal_flip=1.0), seed=0)[1].tolist()
        [[[[1.0, 0.0], [3.0, 2.0]]]]
    """
    _check_batch(images, targets)
    draws = draw(tuple(images.shape), settings, seed=seed, margin=margin)
    if draws.warps and settings.target_rounding != "nearest":
        require_masks(targets)
    images, targets = (turned(batch, draws.turns) for batch in (images, targets))
    return changed(images, targets, settings, draws, margin=margin)


def changed(
    images: Tensor, targets: Tensor | None, settings: Augment, draws: Draws, *, margin: int = 0
) -> tuple[Tensor, Tensor | None]:
    """Take the steps that follow flips and quarter turns, as they were drawn.

    Args:
        images: (N, C, H, W) floating point, turned.
        targets: (N, T, H, W) of any type, turned; None: there are none.
        settings: What the draws were made by.
        draws: On the device of the images.
        margin: Likewise.

    Returns:
        Images and targets of the same types, smaller by the margin.
    """
    results = _steps(images, targets, settings, draws, margin)
    if draws.changed is None:
        return results
    chosen, before = draws.changed.view(-1, 1, 1, 1), (images, targets)
    return tuple(
        None if after is None else torch.where(chosen, after, without(batch, margin))
        for after, batch in zip(results, before, strict=True)
    )


def without(batch: Tensor | None, margin: int) -> Tensor | None:
    """The middle of windows: a view; the tensor itself without a margin.

    Example:
        >>> without(torch.zeros(1, 1, 6, 8), 2).shape
        torch.Size([1, 1, 2, 4])
    """
    return batch[..., margin:-margin, margin:-margin] if margin and batch is not None else batch


def _check_batch(images: Tensor, targets: Tensor) -> None:
    fits = images.dim() == targets.dim() == BATCH_DIMENSIONS and images.shape[0] == targets.shape[0]
    if not fits or images.shape[2:] != targets.shape[2:] or min(images.shape) < 1:
        found = f"images {tuple(images.shape)}, targets {tuple(targets.shape)}"
        msg = f"found {found}; expected (N, C, H, W) and (N, T, H, W) of one size."
        raise ValueError(msg)
    if not images.is_floating_point():
        msg = f"found images of {images.dtype}, expected floating point in 0..1; scale them first."
        raise ValueError(msg)


def _steps(
    images: Tensor, targets: Tensor | None, settings: Augment, draws: Draws, margin: int
) -> tuple[Tensor, Tensor | None]:
    """The results of all steps, as if every image were to be changed.

    What intensities are cut to is the range before any step of an `order`, else that after geometry.
    """
    bounds = range_of(images, alone=draws.alone) if settings.order else None
    if not draws.warps:
        images, targets = without(images, margin), without(targets, margin)
    for step in draws.steps:
        if step.name == WARP:
            images, targets = _warped(images, targets, settings, step.numbers, margin)
            continue
        bounds = bounds or range_of(images, alone=draws.alone)
        images = _intensified(images, step, bounds)
        images = clipped(images, settings, bounds) if settings.order else images
    if bounds is None or settings.order:
        return images, targets
    return clipped(images, settings, bounds), targets


def _intensified(images: Tensor, step: Step, bounds: Range) -> Tensor:
    """Change the intensities of the images that were chosen; the others stay bit by bit."""
    numbers = (values.to(images.dtype) for values in step.numbers)
    found = CHANGES[step.name].apply(images, bounds, *numbers)
    return found if step.chosen is None else torch.where(step.chosen.view(-1, 1, 1, 1), found, images)


def _warped(
    images: Tensor, targets: Tensor | None, settings: Augment, numbers: Numbers, margin: int
) -> tuple[Tensor, Tensor | None]:
    """Resample images and targets at the same positions."""
    inverse, shift, *deformation = numbers
    rows, columns = sources(inverse, shift, without(images, margin).shape[2:])
    if deformation:
        noise, deformed, *widths = deformation
        moved = blurred(noise, *widths) * deformed.view(-1, 1, 1, 1)
        rows, columns = rows + moved[:, 0], columns + moved[:, 1]
    return resampled(images, targets, rows + margin, columns + margin, settings)
