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


def delivered(bands: Iterator[tuple[int, torch.Tensor]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Bring bands to the host, each while the device computes the next one, and check them."""
    waiting = None
    for first, band in bands:
        if not band.shape[1]:
            continue
        arriving = (first, *_to_host(band))
        if waiting is not None:
            yield _arrived(*waiting)
        waiting = arriving
    if waiting is not None:
        yield _arrived(*waiting)


def _to_host(band: torch.Tensor) -> tuple[torch.Tensor, torch.cuda.Event | None]:
    if band.device.type != "cuda":
        return band.cpu(), None
    host = torch.empty(band.shape, dtype=band.dtype, pin_memory=True)
    host.copy_(band, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return host, event


def _arrived(
    first: int, band: torch.Tensor, event: torch.cuda.Event | None
) -> tuple[int, NDArray[np.float32]]:
    if event is not None:
        event.synchronize()
    values = band.numpy()
    if not torch.isfinite(band.sum()):
        msg = (
            f"the prediction is NaN or infinite somewhere in image rows {first} to "
            f"{first + values.shape[1] - 1}; check the weights and the input's normalisation, or use fp32"
        )
        raise ValueError(msg)
    return first, values
