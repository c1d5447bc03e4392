# SPDX-License-Identifier: MIT
"""What can go wrong in a training step, said so that a reader can act on it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from microtome.training.batches import Batch

HOST_MEMORY = "can't allocate memory"
"""What PyTorch's CPU allocator says."""
COMPILERS = ("torch._dynamo.", "torch._inductor.")
"""Modules of errors of `torch.compile`, which are not imported where nothing is compiled."""
SINGLE_VALUE = "more than 1 value per channel"
"""What batch normalisation says if there is only one."""


class TrainingDivergedError(ValueError):
    """The loss is no number."""


class BatchError(ValueError):
    """A batch that is too large for the memory, or too small for the network."""


class CompileError(ValueError):
    """A network that cannot be compiled on this machine."""


def check_finite(value: float, where: str, batch: Batch) -> None:
    """Refuse a loss that is no number; `where` names epoch and step.

    Raises:
        TrainingDivergedError: It is NaN or infinite.
    """
    if not math.isfinite(value):
        names = ", ".join(sorted(set(batch.samples)))
        found = f"the loss is {value} in {where}, in a batch of the samples {names}"
        msg = f"{found}. Look at these images, or lower training.optimizer.lr, or set training.grad_clip."
        raise TrainingDivergedError(msg)


@contextmanager
def explained(where: str, batch: Batch, device: torch.device) -> Iterator[None]:
    """Say what to do about a batch that cannot be computed on; `where` names epoch and step.

    Raises:
        BatchError: There was not enough memory, or only one value per channel for batch normalisation.
        CompileError: The network is to be compiled, and cannot be.
    """
    found = f"{len(batch.samples)} window(s) of {'×'.join(map(str, batch.images.shape[1:]))} ({where})"
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if type(error).__module__.startswith(COMPILERS):
            raise _not_compiled(error) from error
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and HOST_MEMORY not in str(error):
            raise
        remedy = "Lower training.batch_size or sampler.crop, or make the network narrower."
        msg = f"not enough memory on the {device.type} for {found}. {remedy}"
        raise BatchError(msg) from error
    except ValueError as error:
        if SINGLE_VALUE not in str(error):
            raise
        msg = (
            f"batch normalisation needs more than one value per channel, and has one for {found}. Enlarge "
            "sampler.crop, or choose training.batch_size so that the last batch has more than one window."
        )
        raise BatchError(msg) from error


def _not_compiled(error: Exception) -> CompileError:
    """What to do about an error of `torch.compile`."""
    reason = next(iter(str(error).splitlines()), "")
    remedy = "Install a C++ compiler (g++), which GPUs need for it, too, or set it to false."
    return CompileError(f"training.compile: the network cannot be compiled here ({reason}). {remedy}")
