# SPDX-License-Identifier: MIT
"""From pixels as they are stored to the values that a network takes, on the host or where the pixels lie."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scaling:
    """(pixels / scale - mean) / std in float32, pixel by pixel.

    Attributes:
        scale: Divides the pixels, such as 255.
        mean: Is taken away then.
        std: Divides the rest.

    Example:
        >>> Scaling(255, 0.5, 0.5)(np.uint8([[[0, 255]]])).tolist()
        [[[-1.0, 1.0]]]
    """

    scale: float
    mean: float
    std: float

    def __call__(self, pixels: NDArray) -> NDArray[np.float32]:
        """The values of an array of any shape and type; it stays as it is."""
        values = pixels.astype(np.float32)
        values /= self.scale
        values -= self.mean
        values /= self.std
        return values

    def of_tensor(self, pixels: torch.Tensor) -> torch.Tensor:
        """The values of a tensor, where it lies.

        On a CPU they are those of an array bit for bit; a GPU multiplies by a reciprocal where it divides.

        Example:
            >>> Scaling(255, 0.5, 0.5).of_tensor(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
            [-1.0, 1.0]
        """
        values = pixels.to(torch.float32, copy=True)
        return values.div_(self.scale).sub_(self.mean).div_(self.std)
