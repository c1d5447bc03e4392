# SPDX-License-Identifier: MIT
"""The memory that a training job asks for: by the images it will hold, its network, and its batches."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from microtome.config.run import Run
from microtome.config.sampling import learnt_side
from microtome.config.training import HELD_IMAGE
from microtome.study import modalities
from microtome.study.headers import image_bytes
from microtome.study.plan import StudyPlan
from microtome.study.sample import resolve
from microtome.workflow.resources import BASE_MB

LEAST = 4000
"""MB that each process asks for in any case."""
LIBRARIES_MB = 2000
"""What a process takes that has loaded everything, CUDA included, and holds nothing."""
MOST_HEADERS = 32
"""Images whose headers are looked at; the others are taken to be like these on average."""
MB = 2**20
UNKNOWN = 64 * MB
"""Bytes that an image counts whose header is not there yet."""
FLOAT32 = 4
STATES, STATES_ON_GPU = 11, 5
"""Numbers of each weight in host memory: itself, a copy with the optimizer's two moments for the checkpoint
that is being written, and the best epoch; where the CPU trains, its gradient, the two moments, and a copy of
all three for the next checkpoint, too."""
BACKWARD = 1.5
"""What the backward pass takes beside what the forward pass left for it, in shares of that, with that."""
BATCHES = 4
"""Batches that are read, moved or prepared at a time."""


@dataclass(frozen=True)
class TrainingMemory:
    """MB of one process that trains a run.

    Attributes:
        fixed: Libraries, network, batches and, where the CPU trains, what the backward pass needs.
        images: All images and targets of training and validation, as they are held.
    """

    fixed: int
    images: int

    def asked(self, images: int) -> int:
        """What the process asks for if `images` MB are for images at most.

        Example:
            >>> TrainingMemory(fixed=3000, images=20_000).asked(8000), TrainingMemory(3000, 20).asked(8000)
            (11000, 4000)
        """
        return max(LEAST, self.fixed + min(images, self.images))


def training_memory(
    plan: StudyPlan, split: str, run: str, *, on_cpu: bool = False, processes: int = 1
) -> TrainingMemory:
    """What one of the processes that train a run takes.

    Args:
        plan: The study.
        split: The split that it is trained on.
        run: The run.
        on_cpu: Whether the CPU trains, in whose memory then lies what the backward pass needs.
        processes: They share each batch.
    """
    fixed = fixed_mb(plan, run, on_cpu=on_cpu, processes=processes)
    return TrainingMemory(fixed, -(-held_bytes(plan, split, run) // MB))


def training_mb(
    plan: StudyPlan, split: str, run: str, *, images: int, on_cpu: bool = False, processes: int = 1
) -> int:
    """MB for one process that trains a run, of which `images` MB are for images at most."""
    return training_memory(plan, split, run, on_cpu=on_cpu, processes=processes).asked(images)


@cache
def fixed_mb(plan: StudyPlan, run: str, *, on_cpu: bool, processes: int) -> int:
    """MB of a process that trains a run, without images; a network that says no cost counts nothing."""
    settings = plan.study.runs[run]
    cost, batch = settings.network.cost, -(-settings.training.batch_size // processes)
    pixels = batch * _window_side(plan, settings) ** 2
    values = _read_channels(plan, settings) * BATCHES * pixels
    if cost is not None:
        values += cost.parameters * (STATES if on_cpu else STATES_ON_GPU)
    if cost is not None and on_cpu:
        values += BACKWARD * cost.values * pixels * settings.input.zoom**2
    return max(BASE_MB, LIBRARIES_MB + math.ceil(values * FLOAT32 / MB))


def _window_side(plan: StudyPlan, settings: Run) -> int:
    """Pixels of a side of what is read for the network at a time."""
    if settings.network.WINDOWS:
        return getattr(settings.network, "side", 0)
    side = learnt_side(settings.sampler, plan.study.patches.size)
    return side + 2 * settings.augment.reach(side)


def _read_channels(plan: StudyPlan, settings: Run) -> float:
    """Numbers of each pixel of a batch: image and targets, in the type that the network takes."""
    channels = getattr(settings.network, "in_channels", plan.study.data.channels)
    return channels + len(settings.outputs)


@cache
def held_bytes(plan: StudyPlan, split: str, run: str) -> int:
    """Bytes of the images and targets that training a run holds, by at most `MOST_HEADERS` headers.

    An image whose header is not there yet counts as `UNKNOWN`; a job never holds more than it asks for.
    """
    names = [name for part in ("train", "val") for name in plan.learnt(split, part)]
    looked_at = names[:: -(-len(names) // MOST_HEADERS) or 1]
    total = sum(_sample_bytes(plan, run, name) for name in looked_at)
    return total * len(names) // max(len(looked_at), 1)


def _sample_bytes(plan: StudyPlan, run: str, name: str) -> int:
    """Bytes of one image with its targets, as it is held; what is larger than is held counts for nothing."""
    settings = plan.study.runs[run]
    found = _size(plan, name)
    if found is None:
        return UNKNOWN
    pixels, image = found
    own = (of(plan.study, settings) for of in modalities.ask("pixel_bytes"))
    image = next((pixels * each for each in own if each), image)
    if settings.sampler.kind == "balanced_windows":  # images are mirrored, and pixels listed by class
        return 2 * (image if image <= HELD_IMAGE else 0) + 7 * pixels
    maps = pixels * max(1, len(settings.outputs))
    return sum(size for size in (image, maps) if size <= HELD_IMAGE)


def _size(plan: StudyPlan, name: str) -> tuple[int, int] | None:
    """Pixels and bytes of a sample's image; None where they are not known yet."""
    data, reader = plan.study.data, modalities.reader(dict(plan.study))
    if plan.data_kind == "phantom":
        pixels = _phantom_pixels(plan)
    else:
        (sample,) = resolve([plan.samples[name]], Path(plan.root))
        if reader is None:
            return image_bytes(sample, data)
        pixels = reader.pixels_seen(plan.study, sample)
    return None if pixels is None else (pixels, pixels * data.channels)


def _phantom_pixels(plan: StudyPlan) -> int | None:
    """Pixels of an image that a phantom gives, at most, as networks see it."""
    data, reader = plan.study.data, modalities.reader(dict(plan.study))
    if reader is not None and hasattr(reader, "phantom_pixels"):
        return reader.phantom_pixels(plan.study)
    side = getattr(data.phantom, "size", None)
    return None if side is None else (side // data.downsample) ** 2
