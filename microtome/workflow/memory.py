# SPDX-License-Identifier: MIT
"""The memory that a training job asks for, by the sizes of the images that it will hold."""

from functools import cache
from pathlib import Path

from microtome.config.training import HELD_IMAGE
from microtome.study import modalities
from microtome.study.headers import image_bytes
from microtome.study.plan import StudyPlan
from microtome.study.sample import resolve
from microtome.workflow.resources import BASE_MB

LEAST = 4000
"""MB that each process asks for in any case."""
MOST_HEADERS = 32
"""Images whose headers are looked at; the others are taken to be like these on average."""
MB = 2**20
UNKNOWN = 64 * MB
"""Bytes that an image counts whose header is not there yet."""


def training_mb(plan: StudyPlan, split: str, run: str, *, images: int) -> int:
    """MB for one process that trains a run, of which `images` MB are for images at most."""
    held = min(images, -(-held_bytes(plan, split, run) // MB))
    return max(LEAST, BASE_MB + held)


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
    data = plan.study.data
    if plan.data_kind != "phantom":
        (sample,) = resolve([plan.samples[name]], Path(plan.root))
        reader = modalities.reader(dict(plan.study))
        if reader is None:
            return image_bytes(sample, data)
        pixels = reader.pixels_seen(plan.study, sample)
        return None if pixels is None else (pixels, pixels * data.channels)
    side = getattr(data.phantom, "size", None)
    pixels = None if side is None else (side // data.downsample) ** 2
    return None if pixels is None else (pixels, pixels * data.channels)
