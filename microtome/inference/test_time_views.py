# SPDX-License-Identifier: MIT
"""Test-time augmentation: the eight flips and quarter turns of the square."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

AXES = (-2, -1)


@dataclass(frozen=True)
class View:
    """A flip of the columns (or none) followed by quarter turns.

    Attributes:
        flip: Whether the columns are reversed first.
        turns: Quarter turns, 0 to 3.
    """

    flip: bool
    turns: int

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Transform images (..., H, W)."""
        images = images.flip(-1) if self.flip else images
        return torch.rot90(images, self.turns, AXES) if self.turns else images

    def undo(self, maps: torch.Tensor) -> torch.Tensor:
        """Bring maps (..., H, W) of a transformed image back to the original's orientation."""
        maps = torch.rot90(maps, -self.turns, AXES) if self.turns else maps
        return maps.flip(-1) if self.flip else maps


VIEWS = {
    "identity": View(flip=False, turns=0),
    "rot90": View(flip=False, turns=1),
    "rot180": View(flip=False, turns=2),
    "rot270": View(flip=False, turns=3),
    "flip": View(flip=True, turns=0),
    "flip_rot90": View(flip=True, turns=1),
    "flip_rot180": View(flip=True, turns=2),
    "flip_rot270": View(flip=True, turns=3),
}
FLIPS = ("identity", "flip", "rot180", "flip_rot180")
"""Names of the views that keep rows rows: none, either or both axes reversed."""
DIHEDRAL = tuple(VIEWS)
"""Names of all eight views."""


def find_views(names: Sequence[str]) -> tuple[View, ...]:
    """Look views up by name; no name means the identity alone.

    Raises:
        ValueError: A name is unknown or given twice.

    Example:
        >>> find_views(["rot90"])
        (View(flip=False, turns=1),)
    """
    unknown = [name for name in names if name not in VIEWS]
    if isinstance(names, str) or unknown or len(set(names)) != len(names):
        msg = f"tta={names!r}: expected a list of different names out of {', '.join(VIEWS)}"
        raise ValueError(msg)
    return tuple(VIEWS[name] for name in names or ("identity",))
