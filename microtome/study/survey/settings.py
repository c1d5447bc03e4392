# SPDX-License-Identifier: MIT
"""Window, batch, network and length of training for images and for the machine at hand."""

from collections.abc import Sequence
from dataclasses import dataclass

from microtome.formats import size
from microtome.study.survey.pictures import Picture

MULTIPLE = 32
"""Of the side of windows, as networks halve it up to five times."""
WINDOWS = {True: 512, False: 256}
"""Largest side of a window, pixels, with and without a GPU."""
DEMO_SIDE = 512
"""Pixels of an image's side, about, that networks of the scale `demo` see."""
DEMO_CROP = 96
"""Side of what they learn from, of these pixels."""
DEMO_WINDOWS = 48
"""Windows of an epoch there, about."""
GB = 2**30
LARGE_GPU = 10 * GB
MANY_CORES = 16
LITTLE_MEMORY = 6 * GB
ONE_JOB = 4 * 10**8
"""Pixels of images that one job of preprocessing takes, about."""
MOST_OF_JOB = 128
"""Images of a job, however small: what is lost with it if it fails."""


@dataclass(frozen=True)
class Machine:
    """What networks are trained on.

    Attributes:
        cores: Threads that may be used.
        memory: Bytes.
        gpu: Name of the GPU; empty for none.
        gpu_memory: Its bytes.
    """

    cores: int
    memory: int
    gpu: str = ""
    gpu_memory: int = 0

    def __str__(self) -> str:
        """In words."""
        plural = "s" * (self.cores > 1)
        here = f"{self.cores} core{plural}, {size(self.memory)} of memory"
        return f"{here}, {self.gpu} ({size(self.gpu_memory)})" if self.gpu else f"{here}, no GPU"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What of a study follows from sizes and machine.

    Attributes:
        window: Side of a window, pixels.
        width: Channels of the network's first stage.
        epochs: Of training.
        batch: Windows of a step.
        job: Images of a job of preprocessing.
        demo_zoom: Factor by which images are made smaller for networks at the scale `demo`.
        demo_window: Side of a window there, pixels.
        demo_crop: Side of the square in it that is learnt from.
        demo_repeats: Times that each window is drawn in an epoch.
    """

    window: int
    width: int
    epochs: int
    batch: int
    job: int
    demo_zoom: float
    demo_window: int
    demo_crop: int
    demo_repeats: int


def choose(pictures: Sequence[Picture], machine: Machine, *, shown: int) -> Settings:
    """Choose settings for images.

    Args:
        pictures: The images.
        machine: What networks are trained on.
        shown: Images of the scale `demo`.

    Example:
        >>> from pathlib import Path
        >>> one = Picture(path=Path("a.png"), sample="a", height=1000, width=1000, channels=3, dtype="uint8",
        ...     format="PNG")
        >>> found = choose([one] * 20, Machine(2, 8 * GB), shown=20)
        >>> found.window, found.width, found.demo_zoom, found.demo_window
        (256, 16, 0.5, 480)
    """
    least = min(min(one.height, one.width) for one in pictures)
    longest = max(max(one.height, one.width) for one in pictures)
    has_gpu = bool(machine.gpu)
    window = _whole(least, WINDOWS[has_gpu])
    halvings = max(0, min(3, (-(-longest // DEMO_SIDE) - 1).bit_length()))
    zoom = 0.5**halvings
    demo_window = _whole(least, max(longest // 2, WINDOWS[False]))
    across = -(-longest // demo_window)
    pixels = sum(one.height * one.width for one in pictures) / len(pictures)
    return Settings(
        window=window,
        width=(64 if machine.gpu_memory >= LARGE_GPU else 32) if has_gpu else _narrow(machine),
        epochs=200 if has_gpu else 60,
        batch=16 if machine.gpu_memory >= LARGE_GPU else 4 if machine.memory >= LITTLE_MEMORY else 2,
        job=int(max(1, min(MOST_OF_JOB, ONE_JOB // pixels))),
        demo_zoom=zoom,
        demo_window=demo_window,
        demo_crop=min(demo_window, round(DEMO_CROP / zoom)),
        demo_repeats=max(1, round(DEMO_WINDOWS / (shown * across**2))),
    )


def _narrow(machine: Machine) -> int:
    return 32 if machine.cores >= MANY_CORES else 16


def _whole(side: int, most: int) -> int:
    """The largest multiple of `MULTIPLE` that neither a side nor a limit is below; the side, if it is small.

    Example:
        >>> _whole(1000, 256), _whole(200, 256), _whole(20, 256)
        (256, 192, 20)
    """
    return max(min(side, most) // MULTIPLE * MULTIPLE, min(side, MULTIPLE))
