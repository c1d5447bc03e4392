# SPDX-License-Identifier: MIT
"""The device that computes."""

import logging

import torch

logger = logging.getLogger(__name__)


def choose_device(name: str) -> torch.device:
    """Find the device of that name.

    Args:
        name: `auto` takes CUDA, then MPS, then the CPU, and says which in the log.

    Raises:
        ValueError: The device asked for is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(key for key in ("cuda", "mps", "cpu") if available[key])
    if not available.get(name, False):
        there = ", ".join(key for key, value in available.items() if value)
        msg = f"device '{name}' is not available here (available: {there}); set `device: auto`, or run `snakemake doctor`"
        raise ValueError(msg)
    logger.info("device: %s", name)
    return torch.device(name)
