# SPDX-License-Identifier: MIT
"""Bringing finished bands from the device to the caller."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray


class Collected:
    """A sink that puts the bands together."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.result = size, np.empty((0, 0, 0), np.float32)

    def __call__(self, first: int, band: NDArray[np.float32]) -> None:
        """Put a band (K, rows, W) at its first image row."""
        if first == 0:
            self.result = np.empty((len(band), *self.size), np.float32)
        self.result[:, first : first + band.shape[1]] = band


def delivered(
    bands: Iterator[tuple[int, torch.Tensor]], *, keep: bool
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Bring bands to the host and check them; from CUDA, each while the device computes the next one.

    Args:
        bands: First image row and values, which change when the iteration goes on.
        keep: Whether the arrays must stay valid afterwards.

    Yields:
        First image row and values.

    Raises:
        ValueError: A value is not finite.
    """
    waiting = None
    for first, band in bands:
        if band.device.type != "cuda":
            host = band.cpu()
            yield _checked(first, host.clone() if keep else host)
            continue
        host = torch.empty(band.shape, dtype=band.dtype, pin_memory=True)
        host.copy_(band, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        if waiting is not None:
            yield _arrived(*waiting)
        waiting = (first, host, event)
    if waiting is not None:
        yield _arrived(*waiting)


def _arrived(first: int, band: torch.Tensor, event: torch.cuda.Event) -> tuple[int, NDArray[np.float32]]:
    event.synchronize()
    return _checked(first, band)


def _checked(first: int, band: torch.Tensor) -> tuple[int, NDArray[np.float32]]:
    if not torch.isfinite(band.sum()):
        msg = (
            f"the prediction is NaN or infinite somewhere in image rows {first} to "
            f"{first + band.shape[1] - 1}; check the weights and the input's normalisation, or use fp32"
        )
        raise ValueError(msg)
    return first, band.numpy()
