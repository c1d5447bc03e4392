# SPDX-License-Identifier: MIT
"""Batches on their way to the model: read by threads, moved two ahead of what a device computes, prepared."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch

from microtome.training.batches import Batch, BatchSource, Drawn, epoch_seed
from microtome.training.draws import Draws
from microtome.training.late import OnHost, to_host
from microtome.training.reading import in_order
from microtome.training.step_errors import explained
from microtome.training.tasks import Prepared
from microtome.training.trainer import Trainer

AHEAD = 2
"""Batches that are moved to a device ahead of the one that it computes on."""
NOWHERE = torch.device("meta")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Step:
    """A batch, ready for the model, and its place in the run.

    Attributes:
        batch: What its windows are; its pixels lie nowhere, and their memory is used again.
        prepared: What the model and the loss take.
        where: Epoch and step, for messages.
        labelled: Whether a pixel is labelled, on its way from the device; None: it is known that one is.
    """

    batch: Batch
    prepared: Prepared
    where: str
    labelled: OnHost | None = None


@dataclass(frozen=True)
class _Loaded:
    """A batch on the host, with all that is random in its preparation."""

    batch: Batch
    draws: Draws | None
    where: str


def steps(trainer: Trainer, batches: BatchSource, *, epoch: int | None = None) -> Iterator[Step]:
    """The batches of a training epoch, or of validation, that have a labelled pixel.

    For a device, threads read them (drawing what is random, on the CPU) while it computes, and this one moves
    them two ahead and launches their preparation: whether they have a labelled pixel is read when later work
    is under way. A CPU has nothing to spare: each batch is made when it is asked for.

    Args:
        trainer: Task, seed and device.
        batches: Where they come from.
        epoch: From 0; None: the batches of validation, which are not augmented.
    """
    ahead = reads_ahead(trainer.device)
    loaded = in_order(_calls(trainer, batches, epoch), threads=trainer.readers if ahead else 0)
    prepared = (_prepared(trainer, one) for one in loaded)
    for step in _pulled(prepared, AHEAD if ahead else 0):
        if step.labelled is None or step.labelled.read()[0]:
            yield step


def reads_ahead(device: torch.device) -> bool:
    """Whether batches are read by threads while a device computes: on all but CPUs."""
    return device.type != "cpu"


def _calls(trainer: Trainer, batches: BatchSource, epoch: int | None) -> Iterator[Callable[[], _Loaded]]:
    """What reads each batch, in order."""
    name = "validation" if epoch is None else f"epoch {epoch + 1}"
    pins = trainer.device.type == "cuda"
    for number, drawn in enumerate(batches.drawn(epoch or 0)):
        seed = None if epoch is None else epoch_seed(trainer.seed, epoch, number)
        where = f"{name}, step {number + 1}"

        def load(drawn: Drawn = drawn, seed: int | None = seed, where: str = where) -> _Loaded:
            batch = batches.read(drawn)
            draws = trainer.task.draw(batch, seed=seed)
            if pins:
                return _Loaded(batch.pinned(), draws and draws.pinned(), where)
            return _Loaded(batch, draws, where)

        yield load


def _prepared(trainer: Trainer, loaded: _Loaded) -> Step:
    """Move a batch, and prepare it there; nothing is waited for."""
    batch, device = loaded.batch, trainer.device
    with explained(loaded.where, batch, device):
        draws = loaded.draws and loaded.draws.on(device)
        prepared = trainer.task.prepare(batch.on(device), draws)
        some = None if prepared.valid is None else to_host(prepared.valid.any().reshape(1))
    return Step(batch.on(NOWHERE), prepared, loaded.where, some)


def _pulled(items: Iterator[Item], count: int) -> Iterator[Item]:
    """The same items, each yielded once so many later ones were made."""
    waiting: deque[Item] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting
