# SPDX-License-Identifier: MIT
"""Random changes of the intensities of a batch, each by the name of its option in `config.augment`.

Every change takes images (N, C, H, W), the options, a generator and the range of the batch, and returns new
images.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional

from microtome.config.augment import INTENSITIES, Augment

if TYPE_CHECKING:
    from collections.abc import Callable

BLUR_REACH = 3.0  # kernel half width in standard deviations
SMALLEST_BLUR = 1e-3
HED = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))  # Ruifrok and Johnston 2001
STAIN_SHIFT = 0.1
DARKEST = 1 / 255


class Range(NamedTuple):
    """What intensities are cut to."""

    low: float
    high: float


def range_of(images: Tensor) -> Range:
    """0 to 1, or what the images have if that is wider.

    Example:
        >>> range_of(torch.tensor([0.5, 2.0]))
        Range(low=0.0, high=2.0)
    """
    return Range(min(0.0, float(images.min())), max(1.0, float(images.max())))


def change_intensity(images: Tensor, settings: Augment, generator: Generator) -> Tensor:
    """Change all that the settings ask for, in the order of image formation, and cut to the range."""
    bounds = range_of(images)
    for name in INTENSITIES:
        if settings.takes(name):
            images = CHANGES[name](images, settings, generator, bounds)
    return clipped(images, settings, bounds)


def clipped(images: Tensor, settings: Augment, bounds: Range) -> Tensor:
    """Cut intensities to the range, at the ends that `intensity_clip` names."""
    if settings.intensity_clip == "none":
        return images
    return images.clamp(bounds.low if settings.intensity_clip == "both" else None, bounds.high)


def uniform(generator: Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Numbers from `low` to below `high`, on the CPU."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def _factor(images: Tensor, strength: float, generator: Generator) -> Tensor:
    """A number for each image, (N, 1, 1, 1), in plus or minus."""
    return uniform(generator, (len(images), 1, 1, 1), -strength, strength).to(images)


def _blurred(images: Tensor, settings: Augment, generator: Generator, _: Range) -> Tensor:
    sigma = uniform(generator, (len(images),), 0, settings.blur_sigma).clamp(min=SMALLEST_BLUR)
    return blur(images, sigma.to(images))


def _stained(images: Tensor, settings: Augment, generator: Generator, _: Range) -> Tensor:
    return change_stain(images, settings.stain, generator)


def _contrasted(images: Tensor, settings: Augment, generator: Generator, _: Range) -> Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (1 + _factor(images, settings.contrast, generator)) + mean


def _brightened(images: Tensor, settings: Augment, generator: Generator, _: Range) -> Tensor:
    return images * (1 + _factor(images, settings.brightness, generator))


def _shifted(images: Tensor, settings: Augment, generator: Generator, _: Range) -> Tensor:
    return images + _factor(images, settings.intensity_shift, generator)


def _curved(images: Tensor, settings: Augment, generator: Generator, bounds: Range) -> Tensor:
    low, span = bounds.low, bounds.high - bounds.low
    exponent = _factor(images, settings.gamma, generator).exp()
    return ((images - low).clamp(min=0) / span) ** exponent * span + low


def _noise(images: Tensor, strength: float, generator: Generator) -> Tensor:
    """Normal noise, of a standard deviation drawn for each image."""
    amount = uniform(generator, (len(images), 1, 1, 1), 0, strength).to(images)
    return torch.randn(images.shape, generator=generator).to(images) * amount


def _speckled(images: Tensor, settings: Augment, generator: Generator, _: Range) -> Tensor:
    return images * (1 + _noise(images, settings.speckle, generator))


def _noisy(images: Tensor, settings: Augment, generator: Generator, _: Range) -> Tensor:
    return images + _noise(images, settings.gaussian_noise, generator)


CHANGES: dict[str, Callable[[Tensor, Augment, Generator, Range], Tensor]] = {
    "blur_sigma": _blurred,
    "stain": _stained,
    "contrast": _contrasted,
    "brightness": _brightened,
    "intensity_shift": _shifted,
    "gamma": _curved,
    "speckle": _speckled,
    "gaussian_noise": _noisy,
}


def change_stain(images: Tensor, strength: float, generator: Generator) -> Tensor:
    """Scale and shift the densities of haematoxylin, eosin and the rest, image by image.

    Raises:
        ValueError: The images are not RGB.
    """
    if images.shape[1] != len(HED):
        msg = f"augment.stain needs RGB images, found {images.shape[1]} channels; set it to 0."
        raise ValueError(msg)
    vectors = torch.tensor(HED, dtype=images.dtype)
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    shape = (len(images), len(HED))
    factor = 1 + uniform(generator, shape, -strength, strength)
    shift = uniform(generator, shape, -strength, strength) * STAIN_SHIFT
    mixing = torch.einsum("ij,nj,jk->nik", torch.linalg.inv(vectors), factor, vectors).to(images)
    density = torch.einsum("nchw,nck->nkhw", -images.clamp(min=DARKEST).log(), mixing)
    return (-(density + (shift @ vectors)[:, :, None, None].to(images))).exp()


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image with its own standard deviation, mirrored at the outermost pixels.

    Neither torch nor SciPy has a Gaussian of one width an image; the taps are summed by axis.

    Args:
        images: (N, C, H, W).
        sigma: (N,), pixels.
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
