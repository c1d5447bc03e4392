# SPDX-License-Identifier: MIT
"""Flips and quarter turns of a batch: pixels change places, whatever their type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from microtome.training.geometry import quarter_turns
from microtome.training.intensity import uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from microtome.config.augment import Augment

CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda batch: batch.transpose(2, 3),
    "rows": lambda batch: batch.flip(2),
    "columns": lambda batch: batch.flip(3),
}
"""What flips and quarter turns are made of, in this order; the last two are reversed."""


def drawn_turns(count: int, settings: Augment, generator: Generator) -> dict[str, Tensor]:
    """Draw a horizontal flip, then a vertical one, then a quarter turn, each as far as the settings ask.

    Returns:
        Names of `CHANGES` that may be needed, in their order: for which images, (N,) bool.

    Example:
        >>> from microtome.config.augment import Augment
        >>> drawn_turns(1, Augment(vertical_flip=1), Generator())
        {'rows': tensor([True])}
    """
    never = torch.zeros(count, dtype=torch.bool)
    columns, rows = (
        uniform(generator, (count,), 0, 1) < chance if chance else never
        for chance in (settings.horizontal_flip, settings.vertical_flip)
    )
    if not settings.rotate90:
        possible = {"rows": (rows, settings.vertical_flip), "columns": (columns, settings.horizontal_flip)}
        return {name: chosen for name, (chosen, chance) in possible.items() if chance}
    quarters = quarter_turns(count, settings, generator)
    transposed = quarters % 2 == 1
    # transposed before it is flipped, an image has the flips of the other axis
    rows, columns = torch.where(transposed, columns, rows), torch.where(transposed, rows, columns)
    return {
        "transposed": transposed,
        "rows": rows ^ (quarters == 1) ^ (quarters == 2),
        "columns": columns ^ (quarters == 2) ^ (quarters == 3),
    }


def turned(batch: Tensor, turns: Mapping[str, Tensor]) -> Tensor:
    """Turn the images of a batch that were drawn.

    Args:
        batch: (N, C, H, W) of any type; square, if images may be transposed.
        turns: What `drawn_turns` drew, on the device of the batch.

    Returns:
        A new tensor; the batch itself if nothing may be turned.

    Example:
        >>> turned(torch.tensor([[[[1, 2]]]]), {"columns": torch.tensor([True])}).tolist()
        [[[[2, 1]]]]
    """
    found = _bits(batch)
    for name, chosen in turns.items():
        changed = CHANGES[name](found)
        found = torch.where(chosen.view(-1, 1, 1, 1), changed, found)
    return found.contiguous().view(batch.dtype) if turns else batch


def _bits(batch: Tensor) -> Tensor:
    """The same memory as a type that PyTorch can choose from; it can do little with uint16."""
    return batch.view(torch.int16) if batch.dtype == torch.uint16 else batch
