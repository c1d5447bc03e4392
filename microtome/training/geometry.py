# SPDX-License-Identifier: MIT
"""Random affine maps of a batch, each by the name of its option in `config.augment`.

What is random is drawn on the CPU, a few numbers an image; where each pixel comes from follows from them on
the device of the images.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Generator, Tensor

from microtome.training.intensity import chosen, uniform

if TYPE_CHECKING:
    from collections.abc import Callable

    from microtome.config.augment import Augment

QUARTERS = 4


class Placed(NamedTuple):
    """Where the pixels of each image of a batch go, from its centre: x to forward·x + shift.

    Attributes:
        forward: (N, 2, 2), of rows and columns.
        shift: (N, 2), pixels.
    """

    forward: Tensor
    shift: Tensor

    def then(self, other: Placed) -> Placed:
        """This map, and another one after it."""
        shift = torch.einsum("nij,nj->ni", other.forward, self.shift) + other.shift
        return Placed(other.forward @ self.forward, shift)

    @property
    def backward(self) -> tuple[Tensor, Tensor]:
        """What `sources` takes, made on the CPU: to invert a matrix, a GPU would keep the host waiting."""
        return torch.linalg.inv(self.forward), self.shift


def sources(inverse: Tensor, shift: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """From which position each pixel of an image comes, on the device of the map.

    Args:
        inverse: (N, 2, 2), from the centre of the image, pixels.
        shift: (N, 2), subtracted before.
        size: Rows and columns, (H, W).

    Returns:
        Rows and columns, each (N, H, W) float32.

    Example:
        >>> inverse, shift = unmoved(1).backward
        >>> [position.tolist() for position in sources(inverse, shift, torch.Size([1, 2]))]
        [[[[0.0, 0.0]]], [[[0.0, 1.0]]]]
    """
    centres = [(length - 1) / 2 for length in size]
    rows, columns = (
        torch.arange(length, dtype=inverse.dtype, device=inverse.device) - centre
        for length, centre in zip(size, centres, strict=True)
    )
    rows = rows[:, None] - shift[:, 0, None, None]
    columns = columns[None] - shift[:, 1, None, None]
    weights = inverse[..., None, None]
    return tuple(
        weights[:, axis, 0] * rows + weights[:, axis, 1] * columns + centre
        for axis, centre in enumerate(centres)
    )


def unmoved(count: int) -> Placed:
    """Each pixel of `count` images where it is.

    Example:
        >>> unmoved(1).then(unmoved(1)).shift.tolist()
        [[0.0, 0.0]]
    """
    return _about_centre(torch.eye(2).expand(count, 2, 2))


def affine(count: int, size: torch.Size, settings: Augment, generator: Generator) -> Placed:
    """Shear, then rotation, scale and translation."""
    rotation = _rotation(count, settings, generator)
    scale = _scale(count, settings, generator)
    along_x, along_y = _shears(count, settings, generator)
    shift = _shift(count, size, settings, generator)
    return Placed(rotation @ along_x @ along_y * scale, shift)


def quarter_turns(count: int, settings: Augment, generator: Generator) -> Tensor:
    """Quarter turns of each image, (N,)."""
    turned = uniform(generator, (count,), 0, 1) < settings.rotate90
    return torch.randint(1, QUARTERS, (count,), generator=generator) * turned


def _about_centre(forward: Tensor) -> Placed:
    return Placed(forward, forward.new_zeros(len(forward), 2))


def _matrices(*entries: Tensor) -> Tensor:
    """(N, 2, 2) of four times (N,), row by row."""
    return torch.stack(entries, 1).view(-1, 2, 2)


def _rotation(count: int, settings: Augment, generator: Generator) -> Tensor:
    some = chosen(count, settings.rotation_probability, generator)
    angle = torch.deg2rad(uniform(generator, (count,), -settings.rotation, settings.rotation)) * some
    return _matrices(angle.cos(), -angle.sin(), angle.sin(), angle.cos())


def _scale(count: int, settings: Augment, generator: Generator) -> Tensor:
    """Factors (N, 1, 1)."""
    some = chosen(count, settings.scale_probability, generator)
    return torch.where(some, uniform(generator, (count,), *settings.scale), 1.0).view(-1, 1, 1)


def _shears(count: int, settings: Augment, generator: Generator) -> tuple[Tensor, Tensor]:
    """Along rows, and along columns."""
    some = chosen(count, settings.shear_probability, generator)
    slopes = torch.tan(uniform(generator, (2, count), -settings.shear, settings.shear)) * some
    one, nothing = torch.ones(count), torch.zeros(count)
    return _matrices(one, nothing, slopes[0], one), _matrices(one, slopes[1], nothing, one)


def _shift(count: int, size: torch.Size, settings: Augment, generator: Generator) -> Tensor:
    """Rows and columns, (N, 2) pixels."""
    some = chosen(count, settings.translate_probability, generator)
    share = uniform(generator, (count, 2), -settings.translate, settings.translate)
    return share * torch.tensor(size) * some[:, None]


def _mirrored(
    count: int, _: torch.Size, settings: Augment, generator: Generator, *, option: str, axis: int
) -> Placed:
    """Some images mirrored along an axis: rows (0) or columns (1)."""
    forward = torch.eye(2).repeat(count, 1, 1)
    forward[:, axis, axis] -= 2.0 * (uniform(generator, (count,), 0, 1) < getattr(settings, option))
    return _about_centre(forward)


def _turned(count: int, _: torch.Size, settings: Augment, generator: Generator) -> Placed:
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    powers = torch.stack([torch.linalg.matrix_power(quarter, turns) for turns in range(QUARTERS)])
    return _about_centre(powers[quarter_turns(count, settings, generator)])


def _rotated(count: int, _: torch.Size, settings: Augment, generator: Generator) -> Placed:
    return _about_centre(_rotation(count, settings, generator))


def _scaled(count: int, _: torch.Size, settings: Augment, generator: Generator) -> Placed:
    return _about_centre(torch.eye(2) * _scale(count, settings, generator))


def _translated(count: int, size: torch.Size, settings: Augment, generator: Generator) -> Placed:
    return Placed(torch.eye(2).expand(count, 2, 2), _shift(count, size, settings, generator))


def _sheared(count: int, _: torch.Size, settings: Augment, generator: Generator) -> Placed:
    along_x, along_y = _shears(count, settings, generator)
    return _about_centre(along_x @ along_y)


MOVES: dict[str, Callable[[int, torch.Size, Augment, Generator], Placed]] = {
    "horizontal_flip": partial(_mirrored, option="horizontal_flip", axis=1),
    "vertical_flip": partial(_mirrored, option="vertical_flip", axis=0),
    "rotate90": _turned,
    "rotation": _rotated,
    "scale": _scaled,
    "translate": _translated,
    "shear": _sheared,
}
"""What each option draws for so many images of a size, from the options and a generator."""
