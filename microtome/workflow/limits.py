# SPDX-License-Identifier: MIT
"""Training jobs that ask for more than this machine, or any partition of a cluster, has: told before any job.

It is said, not refused: a job that gets less memory reads more images by window, and a file of partitions may
be older than its cluster.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from microtome.faults import Fault
from microtome.formats import size
from microtome.machine import machine_memory
from microtome.study.plan import StudyPlan
from microtome.workflow.gpus import devices
from microtome.workflow.memory import LEAST, MB, TrainingMemory, training_memory

FILE = "SNAKEMAKE_SLURM_PARTITIONS"
"""Environment variable with the file of partitions."""
NAMED = 3
"""Runs that a message names."""
SLURM_KEYS = {"max_mem_mb": "memory_mb", "max_gpu": "gpus"}
"""How a file of partitions calls what a `Room` has."""


@dataclass(frozen=True)
class Room:
    """What one job may have.

    Attributes:
        name: `this machine`, or that of a partition.
        memory_mb: MB; infinite where nobody says it.
        gpus: GPUs.
    """

    name: str
    memory_mb: float = math.inf
    gpus: float = math.inf


@dataclass(frozen=True)
class Asked:
    """What a training job asks for.

    Attributes:
        study: Its study.
        run: Its run.
        memory: Of each of its processes.
        images: MB of images that each may hold.
        gpus: GPUs, each of one process.
        needs_gpus: Whether it does nothing without them.
    """

    study: str
    run: str
    memory: TrainingMemory
    images: int
    gpus: int = 1
    needs_gpus: bool = False

    @property
    def mb(self) -> int:
        """MB of all processes."""
        return self.memory.asked(self.images) * self.gpus


def this_machine(allowed: float | None = None) -> Room:
    """What a job may have that runs here, of `allowed` MB at most (`--resources mem_mb=`)."""
    memory, gpus = machine_memory() / MB, len(devices())
    if allowed is not None and allowed < memory:
        return Room("`--resources mem_mb`", allowed, gpus)
    return Room("this machine", memory, gpus)


def partitions(path: Path | None) -> list[Room]:
    """The partitions of a file as the SLURM plugin reads it; none where the file names none, or is none.

    One without `max_gpu` takes no jobs with GPUs; without `max_mem_mb`, jobs with any memory.

    Args:
        path: The file; None: the one that the environment names.
    """
    path = path or Path(os.environ.get(FILE, ""))
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return []  # the plugin says what is wrong with it when jobs are submitted
    listed = found.get("partitions") if isinstance(found, Mapping) else None
    rooms = listed.items() if isinstance(listed, Mapping) else ()
    return [_room(str(name), of or {}) for name, of in rooms if isinstance(of, Mapping | None)]


def _room(name: str, limits: Mapping[str, Any]) -> Room:
    said = {ours: limits[theirs] for theirs, ours in SLURM_KEYS.items() if theirs in limits}
    return Room(name, **({"gpus": 0} | said))


def asked(
    plans: Mapping[str, StudyPlan],
    done: Mapping[str, Iterable[tuple[str, str]]],
    *,
    images: int,
    gpus: int,
    on_cpu: bool,
    needs_gpus: bool,
) -> list[Asked]:
    """The training jobs of some studies, one for each run: that of the split which needs most.

    Args:
        plans: The studies.
        done: Of each study the (split, run) that are trained.
        images: MB of images that each process may hold (`memory.images`).
        gpus: GPUs of a job (`gpus`).
        on_cpu: Whether the CPU trains.
        needs_gpus: Whether networks run on CUDA alone.
    """
    found: dict[tuple[str, str], Asked] = {}
    for name, plan in plans.items():
        jobs = dict.fromkeys((split, run) for split, run, _ in plan.evaluated() if _trains(plan, run))
        for split, run in [job for job in jobs if job not in set(done.get(name, ()))]:
            memory = training_memory(plan, split, run, on_cpu=on_cpu, processes=gpus)
            job = Asked(name, run, memory, images, gpus, needs_gpus)
            found[name, run] = max(job, found.get((name, run), job), key=lambda one: one.mb)
    return list(found.values())


def _trains(plan: StudyPlan, run: str) -> bool:
    return plan.study.runs[run].is_trained


def lacking(jobs: Sequence[Asked], rooms: Sequence[Room]) -> list[Fault]:
    """What no room has that jobs ask for: a fault for all runs of a study that lack the same.

    Example:
        >>> job = Asked("skin", "net", TrainingMemory(fixed=3000, images=24_000), images=32_000)
        >>> print(*lacking([job], [Room("this machine", 16_384, 1)]))
        skin, run net: found 27000 MB of memory for a training job, where this machine has 16384; expected \
`memory: {images: 13384}` in config/config.yaml, so that the other images are read by window (more slowly, \
with the same result), or more memory
    """
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for job in jobs:
        for found, expected in _faults(job, rooms):
            kinds.setdefault((job.study, found, expected), []).append(job.run)
    return [Fault(_where(study, runs), *texts) for (study, *texts), runs in kinds.items()]


def _faults(job: Asked, rooms: Sequence[Room]) -> Iterator[tuple[str, str]]:
    """What a job asks for that no room has, and what to do."""
    if not rooms:
        return
    enough = [room for room in rooms if room.gpus >= job.gpus] if job.needs_gpus else list(rooms)
    if not enough:
        most = max(rooms, key=lambda room: room.gpus)
        yield f"{_gpus(job.gpus)} for a training job, where {_has(rooms, most)} {most.gpus:g}", _fewer(most)
    largest = max(enough or rooms, key=lambda room: room.memory_mb)
    if job.mb > largest.memory_mb:
        found = f"{job.mb} MB of memory for a training job, where {_has(rooms, largest)}"
        yield f"{found} {largest.memory_mb:.0f}", _smaller(job, largest)


def _fewer(room: Room) -> str:
    if room.gpus:
        return f"`gpus: {room.gpus:g}` in config/config.yaml"
    return "`device: cpu` in config/config.yaml, or a machine or partition with GPUs (`max_gpu`)"


def _smaller(job: Asked, room: Room) -> str:
    """What to do about a job for which a room has too little memory."""
    each = int(room.memory_mb / job.gpus)
    if each < LEAST:
        return f"more memory, as each process that trains asks for {LEAST} MB at least"
    left = each - job.memory.fixed
    if left > 0:
        slower = "so that the other images are read by window (more slowly, with the same result)"
        return f"`memory: {{images: {left}}}` in config/config.yaml, {slower}, or more memory"
    smaller = "a smaller training.batch_size, sampler.crop, patches.size or network.width"
    return f"{smaller}, as {size(job.memory.fixed * MB)} of it are not of images; or a GPU, or more memory"


def _has(rooms: Sequence[Room], best: Room) -> str:
    return (
        f"{best.name} has" if len(rooms) == 1 else f"of {len(rooms)} partitions the largest, {best.name}, has"
    )


def _gpus(count: int) -> str:
    return f"{count} GPU{'s' * (count > 1)}"


def _where(study: str, runs: Sequence[str]) -> str:
    more = f" and {len(runs) - NAMED} more" if len(runs) > NAMED else ""
    return f"{study}, run{'s' * (len(runs) > 1)} {', '.join(runs[:NAMED])}{more}"


def message(faults: Sequence[Fault]) -> str:
    """All of them as one text; empty if there are none."""
    if not faults:
        return ""
    lines = [f"  {number}. {fault}" for number, fault in enumerate(faults, 1)]
    return "\n".join(["Training jobs ask for more than there is; all else can run:", *lines])
