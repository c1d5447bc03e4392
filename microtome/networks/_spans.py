# SPDX-License-Identifier: MIT
"""What a decoder has to compute for a part of its output: areas of its maps, from its end to its start.

A span is a pair, the first position and the one behind the last.
"""

from typing import NamedTuple

import torch

Span = tuple[int, int]


def widened(span: Span, by: int, size: int) -> Span:
    """A span with so many positions more on either side, as far as the map has them.

    Example:
        >>> widened((1, 5), 2, 16)
        (0, 7)
    """
    return max(span[0] - by, 0), min(span[1] + by, size)


def below(span: Span, size: int) -> Span:
    """The positions of a map of `size` of which bilinear up-sampling by 2 makes a span.

    Pixel i of the result lies between pixels (i - 1) // 2 and (i + 1) // 2 of the map.

    Example:
        >>> below((4, 8), 16), below((0, 32), 16)
        ((1, 5), (0, 16))
    """
    return max((span[0] - 1) // 2, 0), min(span[1] // 2 + 1, size)


class Area(NamedTuple):
    """A rectangle of a map.

    Attributes:
        rows: Span of its rows.
        columns: Span of its columns.
    """

    rows: Span
    columns: Span

    @classmethod
    def whole(cls, maps: torch.Tensor) -> "Area":
        """All of maps (..., H, W)."""
        return cls((0, maps.shape[-2]), (0, maps.shape[-1]))

    def widened(self, by: int, size: tuple[int, int]) -> "Area":
        """See `widened`; `size` is that of the map."""
        return Area(*(widened(span, by, side) for span, side in zip(self, size, strict=True)))

    def below(self, size: tuple[int, int]) -> "Area":
        """See `below`."""
        return Area(*(below(span, side) for span, side in zip(self, size, strict=True)))

    @property
    def doubled(self) -> "Area":
        """The same area where each pixel is four."""
        return Area(*((2 * first, 2 * stop) for first, stop in self))

    def cut(self, maps: torch.Tensor, of: "Area") -> torch.Tensor:
        """This area out of maps (..., rows, columns) of an area that it lies in."""
        (top, bottom), (left, right) = self
        y, x = of.rows[0], of.columns[0]
        return maps[..., top - y : bottom - y, left - x : right - x]
