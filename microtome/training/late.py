# SPDX-License-Identifier: MIT
"""Numbers of a step that the host reads when the next one is under way, so that no device waits for it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from microtome.training.batches import Batch
from microtome.training.step_errors import check_finite


@dataclass(frozen=True)
class OnHost:
    """Numbers on their way from a device.

    Attributes:
        values: (n,) on the CPU, complete once `arrived` is.
        arrived: None where nothing is under way.
    """

    values: Tensor
    arrived: torch.cuda.Event | None = None

    def read(self) -> list[float]:
        """The numbers, as soon as they are there."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.values.tolist()


def to_host(values: Tensor) -> OnHost:
    """Begin to copy numbers to the host; from CUDA without waiting for what computes them.

    Args:
        values: (n,).

    Example:
        >>> to_host(torch.tensor([0.5, 2.0])).read()
        [0.5, 2.0]
    """
    if values.device.type != "cuda":
        return OnHost(values.detach().cpu())
    copied = values.detach().to("cpu", non_blocking=True)  # to memory that is pinned, which PyTorch sees to
    arrived = torch.cuda.Event(blocking=True)
    arrived.record()
    return OnHost(copied, arrived)


@dataclass(frozen=True)
class _Launched:
    """What a step that is under way logs: names, and the numbers of the loss and of these."""

    batch: Batch
    where: str
    names: tuple[str, ...]
    numbers: OnHost


class LateMeans:
    """Means over windows of what steps log; the numbers of a step are read once the next one is launched.

    Example:
        >>> batch = Batch(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4), ("a", "b"))
        >>> means = LateMeans()
        >>> for loss in (1.0, 2.0):
        ...     means.add(torch.tensor(loss), {"alpha": 3.0}, batch, "step")
        >>> means.finish()
        (1.5, {'alpha': 3.0})
    """

    def __init__(self) -> None:
        self._waiting: _Launched | None = None
        self._loss, self._others = _Mean(), defaultdict[str, _Mean](_Mean)

    def add(self, loss: Tensor, logged: Mapping[str, Tensor | float], batch: Batch, where: str) -> None:
        """Note what a launched step logs, and read what the step before it logged.

        Args:
            loss: Scalar.
            logged: Other numbers by name, scalars.
            batch: What the step is on.
            where: Epoch and step, for messages.

        Raises:
            TrainingDivergedError: The loss of the step before is no number; names that step.
        """
        wide = torch.float32 if loss.device.type == "mps" else torch.float64
        numbers = [torch.as_tensor(one, dtype=wide, device=loss.device) for one in (loss, *logged.values())]
        launched = _Launched(batch, where, tuple(logged), to_host(torch.stack(numbers)))
        self._read()
        self._waiting = launched

    def finish(self) -> tuple[float, dict[str, float]]:
        """Read what is under way; the mean of the loss, then of what else was logged.

        Raises:
            TrainingDivergedError: See `add`.
            ValueError: No step was added.
        """
        self._read()
        if not self._loss.windows:
            msg = "no batch has a labelled pixel; check the targets and data.ignore"
            raise ValueError(msg)
        return self._loss.value, {name: mean.value for name, mean in self._others.items()}

    def _read(self) -> None:
        """Add the numbers of the step that waits, if one does."""
        launched, self._waiting = self._waiting, None
        if launched is None:
            return
        loss, *others = launched.numbers.read()
        check_finite(loss, launched.where, launched.batch)
        windows = len(launched.batch.samples)
        self._loss.add(loss, windows)
        for name, value in zip(launched.names, others, strict=True):
            self._others[name].add(value, windows)


class _Mean:
    """Mean of the values of batches, weighted by their windows."""

    def __init__(self) -> None:
        self.total, self.windows = 0.0, 0

    def add(self, value: float, windows: int) -> None:
        """Add the value of a batch."""
        self.total, self.windows = self.total + value * windows, self.windows + windows

    @property
    def value(self) -> float:
        """The mean."""
        return self.total / self.windows
