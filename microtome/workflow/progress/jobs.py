# SPDX-License-Identifier: MIT
"""The jobs of a run of the workflow: planned, at work, failed; and how far a training is, by its log."""

import re
from dataclasses import dataclass
from pathlib import Path

TRAININGS = frozenset({"train", "train_kept"})
"""Rules whose jobs last, and log each epoch."""
EPOCH = re.compile(r"epoch (\d+): train (\S+), validation (\S+),")
"""What a training logs after each epoch (`training.loop`)."""
MESSAGE = re.compile(r"^error: (.*)", re.MULTILINE | re.DOTALL)
"""How the log of a job ends that failed for a reason which its message explains (`workflow.job`)."""
TAIL = 4096
"""Bytes at the end of a log that are looked at."""


@dataclass(frozen=True)
class Planned:
    """A job that is to be done.

    Attributes:
        rule: Its rule.
        study: Its study; empty if it is of none, or of all.
        times: Its benchmark file, which an earlier run may have left; None: it has none.
        epochs: Epochs of a training; 0 of other jobs.
    """

    rule: str
    study: str = ""
    times: Path | None = None
    epochs: int = 0

    @property
    def trains(self) -> bool:
        """Whether its time is that of its epochs, and says nothing of other jobs'."""
        return self.rule in TRAININGS


@dataclass(frozen=True)
class Epoch:
    """An epoch that a training has finished.

    Attributes:
        number: From 1.
        loss: Mean loss of the training windows.
        validation: Loss of the validation windows; NaN if it was not measured after this epoch.
    """

    number: int
    loss: float
    validation: float


@dataclass(frozen=True)
class Running:
    """A job at work, or in the queue of a cluster.

    Attributes:
        job: What it is.
        label: What it is called: the rule's message.
        log: Its log file; None: it has none.
        since: When it began, or was submitted: seconds of a clock.
    """

    job: Planned
    label: str
    log: Path | None
    since: float

    @property
    def has_begun(self) -> bool:
        """Whether it is at work: Snakemake deletes its log before, and the job makes it."""
        return self.log is None or self.log.is_file()

    @property
    def epoch(self) -> Epoch | None:
        """How far a training is; None before the end of its first epoch, and of other jobs."""
        return last_epoch(tail_of(self.log)) if self.job.trains and self.log else None


@dataclass(frozen=True)
class Failed:
    """A job that failed.

    Attributes:
        label: What it is called.
        log: Its log file; None: it has none.
    """

    label: str
    log: Path | None

    @property
    def message(self) -> str:
        """Why, in one line, as far as its log says so."""
        found = MESSAGE.search(tail_of(self.log)) if self.log else None
        return " ".join(found[1].split()) if found else ""


def last_epoch(log: str) -> Epoch | None:
    """The last finished epoch that a training's log tells of.

    Example:
        >>> last_epoch("epoch 1: train 0.6, validation nan, 1.0 s, epoch 2: train 0.4, validation 0.5, 1.1 s")
        Epoch(number=2, loss=0.4, validation=0.5)
        >>> last_epoch("device: cpu") is None
        True
    """
    found = EPOCH.findall(log)
    if not found:
        return None
    number, loss, validation = found[-1]
    return Epoch(int(number), float(loss), float(validation))


def tail_of(file: Path) -> str:
    """The last `TAIL` bytes of a text file; empty if it cannot be read, as it may just be deleted."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - TAIL))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""
