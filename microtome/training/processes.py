# SPDX-License-Identifier: MIT
"""Processes that train one model together, each on its share of every batch.

Batches and their augmentation are decided by every process alike, for the whole batch. A process computes the
network on its own windows; the outputs of all are gathered, and each process computes the loss of the whole
batch, whose gradient it takes with respect to its own outputs. The sum of the gradients of all processes is
then that of the loss of the whole batch, for any loss: also for one that is no mean over windows (Dice,
Lovász-Softmax, an adaptive weight). Batch normalisation takes its statistics over the whole batch.

A batch with fewer windows than there are processes is computed by each of them in full.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate

import torch
from torch import Tensor, distributed, nn

PATIENCE = timedelta(minutes=30)
"""How long a process waits for another that is alive but does not answer."""


class TeamLostError(RuntimeError):
    """Another process does not answer any more: it ended, and says itself why."""


@dataclass(eq=False)
class Team:
    """The place of this process among those that train together.

    Attributes:
        rank: Its number, from 0; the first one writes files.
        size: Processes; 1 communicates with nobody.
        counts: Windows of each process in the batch at hand; empty if every process has the whole batch.
    """

    rank: int = 0
    size: int = 1
    counts: tuple[int, ...] = ()

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def share(self, windows: int) -> slice:
        """Begin a batch; say which of its windows are this process's.

        Args:
            windows: Of the whole batch.

        Returns:
            A range of windows; all of them if there are fewer windows than processes.

        Example:
            >>> [Team(rank, 3).share(8) for rank in range(3)]
            [slice(0, 3, None), slice(3, 6, None), slice(6, 8, None)]
            >>> Team(2, 3).share(2)
            slice(None, None, None)
        """
        if self.size == 1 or windows < self.size:
            self.counts = ()
            return slice(None)
        least, more = divmod(windows, self.size)
        self.counts = tuple(least + (rank < more) for rank in range(self.size))
        edges = [0, *accumulate(self.counts)]
        return slice(edges[self.rank], edges[self.rank + 1])

    def whole(self, own: Tensor) -> Tensor:
        """The outputs of all processes; those of the others have no gradient.

        Args:
            own: (n, …) of this process's windows; the n of all processes are `counts`.

        Returns:
            (N, …) in the order of the batch.
        """
        if not self.counts:
            return own
        padded = own.new_zeros((max(self.counts), *own.shape[1:]))
        padded[: len(own)] = own.detach()
        rows = [part[:count] for part, count in zip(self.gather(padded), self.counts, strict=True)]
        return torch.cat([*rows[: self.rank], own, *rows[self.rank + 1 :]])

    def gather(self, values: Tensor) -> list[Tensor]:
        """The tensors of all processes, of one shape, by rank."""
        found = [torch.empty_like(values) for _ in range(self.size)]
        with _answered():
            distributed.all_gather(found, values)
        return found

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes."""
        found = values.clone()
        with _answered():
            distributed.all_reduce(found)
        return found

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients of this process's share by those of the whole batch, where there are some."""
        found = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.size == 1 or not found:
            return
        flat = self.total(torch.cat([gradient.reshape(-1) for gradient in found]))
        flat = flat if self.counts else flat / self.size
        for gradient, values in zip(found, flat.split([one.numel() for one in found]), strict=True):
            gradient.copy_(values.view(gradient.shape))

    def agreed(self, value: float, device: torch.device) -> float:
        """The first process's value, so that all decide alike whatever rounding did."""
        if self.size == 1:
            return value
        kind = torch.float32 if device.type == "mps" else torch.float64
        shared = torch.tensor(value, dtype=kind, device=device)
        with _answered():
            distributed.broadcast(shared, 0)
        return float(shared)

    def adopt(self, model: nn.Module) -> None:
        """Give all processes the first one's weights and buffers; in place."""
        if self.size == 1:
            return
        for value in model.state_dict().values():
            shared = value.detach().clone(memory_format=torch.contiguous_format)
            with _answered():
                distributed.broadcast(shared, 0)
            value.copy_(shared)

    def require_same(self, epoch: int, device: torch.device) -> None:
        """Make sure that all processes begin after the same epoch.

        Raises:
            ValueError: They do not: some could read the checkpoint and others not.
        """
        if self.size == 1:
            return
        epochs = [int(one) for one in self.gather(torch.tensor(epoch, device=device))]
        if len(set(epochs)) > 1:
            msg = (
                f"the processes of this training job would go on after epochs {', '.join(map(str, epochs))}: "
                "not all of them could read the checkpoint. Look at the disk, or delete the checkpoint."
            )
            raise ValueError(msg)


SOLO = Team()


@contextmanager
def joined(rank: int, size: int, device: torch.device) -> Iterator[Team]:
    """Meet the other processes that the same launcher started, and part from them at the end.

    Args:
        rank: Number of this process, from 0; also that of its GPU.
        size: Processes.
        device: What computes: NCCL connects GPUs, gloo CPUs.

    Raises:
        TeamLostError: The others do not come.
    """
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(rank)
    with _answered():
        distributed.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    yield Team(rank, size)
    distributed.destroy_process_group()  # not after an error: the others may not answer any more


@contextmanager
def _answered() -> Iterator[None]:
    """Tell what another process's end does to this one from errors of its own.

    Raises:
        TeamLostError: The communication failed.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        msg = f"another process of this training job does not answer ({error})"
        raise TeamLostError(msg) from error
