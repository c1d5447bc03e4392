# SPDX-License-Identifier: MIT
"""Checkpoints by time: a thread writes what the last epoch left, while training goes on.

After each epoch training hands over a copy of its state, which stays as it is. The newest is written once so
many seconds have passed since the last write, also in the middle of an epoch; in the last minute of a
walltime, after each epoch; when training ends, however it does; and when SIGUSR1 comes. SIGTERM, which SLURM
sends before it kills, ends training in that way.
"""

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from enum import Enum, auto
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from microtome.training import checkpoint as checkpoints
from microtome.training.checkpoint import Checkpoint
from microtome.training.kept import KeptWeights
from microtome.training.selection import Criterion
from microtome.training.signals import SIGNALLED, handled, heard, may_be_handled

SECONDS = 60.0
"""Between two checkpoints, where the workflow does not say."""
LAST_MINUTE = 60.0
"""Seconds before the end of a walltime from which on each epoch is written."""


class _Order(Enum):
    WAIT = auto()
    WRITE = auto()
    END = auto()


@dataclass(frozen=True)
class Timing:
    """When checkpoints are written.

    Attributes:
        every: Seconds between two of them; 0: after each epoch, before the next one begins.
        walltime: Seconds that the job may take; None: no end is known.
        began: When the job did, in seconds as `time.time` counts them: it may read images for long before the
            first epoch.
    """

    every: float = 0.0
    walltime: float | None = None
    began: float = field(default_factory=time.time, repr=False, compare=False)

    @classmethod
    def of_job(cls, config: Mapping[str, Any], resources: Any) -> Self:
        """Of a job that begins: the workflow's `checkpoint_every`, and its resource `runtime`, in minutes.

        Example:
            >>> Timing.of_job({"checkpoint_every": 30}, {"runtime": 2})
            Timing(every=30, walltime=120)
            >>> Timing.of_job({}, {})
            Timing(every=60.0, walltime=None)
        """
        minutes = resources.get("runtime", None)
        return cls(config.get("checkpoint_every", SECONDS), 60 * minutes if minutes else None)


AFTER_EACH_EPOCH = Timing()


@dataclass(frozen=True)
class _Offer:
    """A state to be written, with the weights of epochs that it keeps and that are not on the disk yet."""

    state: Checkpoint
    names: Sequence[int]
    fresh: Mapping[int, Mapping[str, Tensor]]
    taken: torch.cuda.Event | None


class CheckpointWriter:
    """Writes the newest state that it is offered, one at a time; a context, at whose end nothing is left.

    An epoch's weights are written before the checkpoint that names them, and removed after one that does
    not, see `training.kept`.

    Args:
        path: Of the checkpoint.
        criterion: Which epochs' weights are kept.
        timing: When it is written.

    Attributes:
        is_ending: Whether what is left is being written, or has been.
    """

    def __init__(self, path: Path, criterion: Criterion, timing: Timing = AFTER_EACH_EPOCH) -> None:
        self._path, self._criterion, self._every = path, criterion, timing.every
        self._kept = KeptWeights.beside(path)
        past = time.time() - timing.began
        self._ends = None if timing.walltime is None else time.monotonic() + timing.walltime - past
        self._fresh: dict[int, Mapping[str, Tensor]] = {}
        self._written: set[int] = set()
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self._newest: _Offer | None = None
        self._exchange = threading.Lock()
        self._error: BaseException | None = None
        self._signals = ExitStack()
        self.is_ending = False
        self._thread = threading.Thread(target=self._serve, name="checkpoint", daemon=True)

    def __enter__(self) -> Self:
        """Begin; from now on signals have a checkpoint written."""
        self._signals.enter_context(_told(self))
        if self._every:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left.

        Raises:
            OSError: The disk is full or cannot be written; the file that was there stays.
        """
        self.is_ending = True
        with self._signals:
            if self._every:
                self._orders.put(_Order.END)
                self._thread.join()
        self._raise()

    def offer(self, state: Checkpoint, weights: Mapping[str, Tensor]) -> None:
        """Hand over the state after an epoch; nothing in it may be changed any more.

        Args:
            state: What is written.
            weights: Those of the epoch, for the case that it is kept.

        Raises:
            OSError: The disk is full or cannot be written, now or at an earlier offer.
        """
        self._raise()
        names = self._criterion.kept(state.history)
        known = self._fresh | {state.epoch: weights}
        self._fresh = {name: known[name] for name in names if name in known and name not in self._written}
        offer = _Offer(state, names, dict(self._fresh), _mark(state))
        if not self._every:
            self._write(offer)
            return
        self._exchanged(offer)  # however long a write takes, one state waits
        self._orders.put(_Order.WAIT)

    def flush(self) -> None:
        """Have the newest state written soon, whatever the thread that trains does."""
        if self._every:
            self._orders.put(_Order.WRITE)

    def _serve(self) -> None:
        """Be the thread that writes."""
        last = time.monotonic()
        while True:
            try:
                order = self._orders.get(timeout=None if self._newest is None else self._patience(last))
            except queue.Empty:
                order = _Order.WRITE
            if order is _Order.WAIT:
                continue
            if not self._try(self._exchanged(None)) or order is _Order.END:
                return
            last = time.monotonic()

    def _exchanged(self, offer: _Offer | None) -> _Offer | None:
        """Have another state wait, or none; the one that did."""
        with self._exchange:
            before, self._newest = self._newest, offer
        return before

    def _patience(self, last: float) -> float:
        """Seconds until a state is to be written."""
        now, due = time.monotonic(), last + self._every
        if self._ends is not None and now < self._ends:
            due = min(due, self._ends - LAST_MINUTE)
        return max(0.0, due - now)

    def _try(self, offer: _Offer | None) -> bool:
        """Write, if there is something; keep the error for the thread that trains."""
        try:
            if offer is not None:
                self._write(offer)
        except BaseException as error:  # noqa: BLE001 (it is raised where training goes on)
            self._error = error
        return self._error is None

    def _write(self, offer: _Offer) -> None:
        state, names = offer.state, offer.names
        for epoch, weights in offer.fresh.items():
            if epoch not in self._written:
                self._kept.write(epoch, fetched(weights, offer.taken), state.key)
                self._written.add(epoch)
        parts = {field.name: getattr(state, field.name) for field in fields(state)}
        state = replace(state, **fetched(parts, offer.taken))
        checkpoints.save(self._path, replace(state, kept=self._kept.digests(names)))
        self._kept.leave_only(names)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


@contextmanager
def _told(writer: CheckpointWriter) -> Iterator[None]:
    """Have SIGUSR1 write a checkpoint, and SIGTERM end the process once one is written.

    A process may get SIGTERM several times (from SLURM and from `torchrun`), and must not end while it
    writes. Python lets signals be handled in the main thread alone; elsewhere nothing changes.
    """
    if not may_be_handled():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        if not writer.is_ending:
            raise SystemExit(SIGNALLED + number)  # blocks are left in order, and what is offered is written

    def go_on(number: int, frame: FrameType | None) -> None:
        """The thread that hears signals has it written."""

    with heard(writer.flush), handled({signal.SIGTERM: end, signal.SIGUSR1: go_on}):
        yield


def copied(values: Any) -> Any:
    """The same mappings and sequences, with a copy of each tensor, where it lies.

    Example:
        >>> before = {"a": [torch.zeros(1)], "b": 2}
        >>> after = copied(before)
        >>> after["a"][0] is before["a"][0], after["b"]
        (False, 2)
    """
    return _each(values, lambda value: value.detach().clone())


def fetched(values: Any, taken: torch.cuda.Event | None) -> Any:
    """The same with each tensor on the CPU; from CUDA over a stream of its own, beside what computes.

    Args:
        values: Mappings and sequences of tensors and others.
        taken: When they were there; None where they are on no GPU.
    """
    if taken is None:
        return _each(values, lambda value: value.cpu())
    stream = torch.cuda.Stream(taken.device)
    stream.wait_event(taken)
    with torch.cuda.stream(stream):
        found = _each(values, lambda value: value.to("cpu", non_blocking=True))
    stream.synchronize()
    return found


def _each(values: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(values, Tensor):
        return change(values)
    if isinstance(values, Mapping):
        return {name: _each(value, change) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(_each(value, change) for value in values)
    return values


def _mark(state: Checkpoint) -> torch.cuda.Event | None:
    """The moment at which the tensors of a state are complete, where they are on a GPU."""
    if not any(value.device.type == "cuda" for value in state.model.values()):
        return None
    taken = torch.cuda.Event()
    taken.record()
    return taken
