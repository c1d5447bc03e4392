# SPDX-License-Identifier: MIT
"""Random changes of the intensities of a batch, each by the name of its option in `config.augment`.

Every change draws numbers on the CPU, for images of a shape, and applies them to images (N, C, H, W) on the
device where these lie.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional

from microtome.training.low_resolution import coarsened, sampling_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from microtome.config.augment import Augment

Shape = tuple[int, int, int, int]
Numbers = tuple[Tensor, ...]
BLUR_REACH = 3.0  # kernel half width in standard deviations
SMALLEST_BLUR = 1e-3
HED = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))  # Ruifrok and Johnston 2001
STAIN_SHIFT = 0.1
DARKEST = 1 / 255


class Range(NamedTuple):
    """What intensities are cut to, (N, 1, 1, 1) or (1, 1, 1, 1)."""

    low: Tensor
    high: Tensor


def range_of(images: Tensor, *, alone: bool = False) -> Range:
    """0 to 1, or what the images have if that is wider: all of them together, or each `alone`.

    Example:
        >>> [float(end) for end in range_of(torch.tensor([0.5, 2.0]).view(2, 1, 1, 1))]
        [0.0, 2.0]
        >>> range_of(torch.tensor([0.5, 2.0]).view(2, 1, 1, 1), alone=True).high.flatten().tolist()
        [1.0, 2.0]
    """
    low, high = torch.aminmax(images.flatten(1), dim=1) if alone else torch.aminmax(images)
    return Range(low.clamp(max=0).view(-1, 1, 1, 1), high.clamp(min=1).view(-1, 1, 1, 1))


def clipped(images: Tensor, settings: Augment, bounds: Range) -> Tensor:
    """Cut intensities to the range, at the ends that `intensity_clip` names."""
    if settings.intensity_clip == "none":
        return images
    return images.clamp(bounds.low if settings.intensity_clip == "both" else None, bounds.high)


def uniform(generator: Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Numbers from `low` to below `high`, on the CPU."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def chosen(count: int, share: float, generator: Generator) -> Tensor:
    """Which of so many images a step changes, (count,) bool; where it is all, nothing is drawn.

    Example:
        >>> chosen(2, 1.0, Generator()).tolist()
        [True, True]
    """
    return torch.ones(count, dtype=torch.bool) if share == 1 else uniform(generator, (count,), 0, 1) < share


class Change(NamedTuple):
    """A change of intensities.

    Attributes:
        draw: From the shape of the images, the options and a generator: tensors whose first axis is the
            images, on the CPU.
        apply: From images, their range and these tensors, on the same device: new images.
    """

    draw: Callable[[Shape, Augment, Generator], Numbers]
    apply: Callable[..., Tensor]


def _factors(shape: Shape, settings: Augment, generator: Generator, *, option: str) -> Numbers:
    """A number for each image, (N, 1, 1, 1), in plus or minus."""
    strength = getattr(settings, option)
    return (uniform(generator, (shape[0], 1, 1, 1), -strength, strength),)


def _noises(shape: Shape, settings: Augment, generator: Generator, *, option: str) -> Numbers:
    """A standard deviation for each image, (N, 1, 1, 1), and normal noise for each pixel."""
    amount = uniform(generator, (shape[0], 1, 1, 1), 0, getattr(settings, option))
    return amount, torch.randn(shape, generator=generator)


def _widths(shape: Shape, settings: Augment, generator: Generator) -> Numbers:
    """The weights of a Gaussian for each image."""
    sigma = uniform(generator, shape[:1], 0, settings.blur_sigma).clamp(min=SMALLEST_BLUR)
    return gaussians(sigma, shape[2:])


def _resolutions(shape: Shape, settings: Augment, generator: Generator) -> Numbers:
    """Which pixels each row and column is made of, see `low_resolution.sampling_of`."""
    factors = uniform(generator, shape[:1], settings.low_resolution, 1)
    return tuple(values for size in shape[2:] for values in sampling_of(factors, size))


def _stains(shape: Shape, settings: Augment, generator: Generator) -> Numbers:
    """For each image a matrix of densities of RGB (3, 3), and what is added to them (3,)."""
    if shape[1] != len(HED):
        msg = f"augment.stain needs RGB images, found {shape[1]} channels; set it to 0."
        raise ValueError(msg)
    return stain_changes(shape[0], settings.stain, generator)


def _blurred(images: Tensor, _: Range, rows: Tensor, columns: Tensor) -> Tensor:
    return blurred(images, rows, columns)


def _coarsened(images: Tensor, _: Range, *sampling: Tensor) -> Tensor:
    return coarsened(images, *sampling)


def _stained(images: Tensor, _: Range, mixing: Tensor, shift: Tensor) -> Tensor:
    return restained(images, mixing, shift)


def _contrasted(images: Tensor, _: Range, factor: Tensor) -> Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean).mul_(1 + factor).add_(mean)


def _brightened(images: Tensor, _: Range, factor: Tensor) -> Tensor:
    return images * (1 + factor)


def _shifted(images: Tensor, _: Range, shift: Tensor) -> Tensor:
    return images + shift


def _curved(images: Tensor, bounds: Range, logarithm: Tensor) -> Tensor:
    low, span = bounds.low, bounds.high - bounds.low
    share = (images - low).clamp_(min=0).div_(span)
    return share.pow_(logarithm.exp()).mul_(span).add_(low)


def _speckled(images: Tensor, _: Range, amount: Tensor, noise: Tensor) -> Tensor:
    return (noise * amount).add_(1).mul_(images)


def _noisy(images: Tensor, _: Range, amount: Tensor, noise: Tensor) -> Tensor:
    return (noise * amount).add_(images)


CHANGES: dict[str, Change] = {
    "blur_sigma": Change(_widths, _blurred),
    "low_resolution": Change(_resolutions, _coarsened),
    "stain": Change(_stains, _stained),
    "contrast": Change(partial(_factors, option="contrast"), _contrasted),
    "brightness": Change(partial(_factors, option="brightness"), _brightened),
    "intensity_shift": Change(partial(_factors, option="intensity_shift"), _shifted),
    "gamma": Change(partial(_factors, option="gamma"), _curved),
    "speckle": Change(partial(_noises, option="speckle"), _speckled),
    "gaussian_noise": Change(partial(_noises, option="gaussian_noise"), _noisy),
}


def stain_changes(count: int, strength: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw scales and shifts of the densities of haematoxylin, eosin and the rest, image by image.

    Returns:
        (count, 3, 3), from densities of RGB to new ones, and (count, 3), what is added to these.

    Example:
        >>> mixing, shift = stain_changes(1, 0.0, Generator())
        >>> torch.allclose(mixing[0], torch.eye(3), atol=1e-6), shift.tolist()
        (True, [[0.0, 0.0, 0.0]])
    """
    vectors = torch.tensor(HED)
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    shape = (count, len(HED))
    factor = 1 + uniform(generator, shape, -strength, strength)
    shift = uniform(generator, shape, -strength, strength) * STAIN_SHIFT
    return torch.einsum("ij,nj,jk->nik", torch.linalg.inv(vectors), factor, vectors), shift @ vectors


def restained(images: Tensor, mixing: Tensor, shift: Tensor) -> Tensor:
    """Change the densities of RGB images (N, 3, H, W) as `stain_changes` drew, each image by its own.

    The products are summed one by one: those of matrices a GPU may round to ten bits.
    """
    red, green, blue = images.clamp(min=DARKEST).log_().neg_().unbind(1)
    weights = mixing[..., None, None].unbind(2)
    mixed = [red * one[:, 0] + green * one[:, 1] + blue * one[:, 2] for one in weights]
    return torch.stack(mixed, 1).add_(shift[:, :, None, None]).neg_().exp_()


def gaussians(sigma: Tensor, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The weights of Gaussians of one width an image.

    Args:
        sigma: (N,), pixels, on the CPU.
        size: Rows and columns of the images: no weight reaches beyond what is mirrored.

    Returns:
        Along rows and along columns, each (N, 2·reach + 1); each image's sum to 1.

    Example:
        >>> [weights.shape for weights in gaussians(torch.tensor([1.0, 0.5]), (20, 2))]
        [torch.Size([2, 7]), torch.Size([2, 3])]
    """
    longest = math.ceil(BLUR_REACH * float(sigma.max()))
    return tuple(_gaussian(sigma, min(longest, length - 1)) for length in size)


def _gaussian(sigma: Tensor, reach: int) -> Tensor:
    steps = torch.arange(-reach, reach + 1, dtype=sigma.dtype)
    weights = (-(steps**2) / (2 * sigma[:, None] ** 2)).exp()
    return weights / weights.sum(1, keepdim=True)


def blurred(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Blur each image with weights of its own, mirrored at the outermost pixels.

    Neither torch nor SciPy has a Gaussian of one width an image; the weighted images are summed by axis. A
    convolution by groups would be one call, but on GPUs may round to ten bits.

    Args:
        images: (N, C, H, W) floating point.
        rows: (N, 2·reach + 1) weights along rows, of which there are more than `reach`; see `gaussians`.
        columns: Likewise along columns.

    Returns:
        New images of the same shape and type.
    """
    for axis, order, weights in ((3, (1, 0), columns), (2, (0, 1), rows)):
        length, reach = images.shape[axis], weights.shape[1] // 2
        padded = functional.pad(images, [reach * side for side in order for _ in range(2)], mode="reflect")
        images = torch.zeros_like(images)
        for tap, weight in enumerate(weights.to(images.dtype).view(*weights.shape, 1, 1, 1).unbind(1)):
            images.addcmul_(padded.narrow(axis, tap, length), weight)
    return images
