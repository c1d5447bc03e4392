# SPDX-License-Identifier: MIT
"""Memory of a training whose images do not fit: Hyper-net's 368 cubes of full size, as sparse files.

The network is small. On a GPU what it keeps for the backward pass lies there; here it would hide what is
measured, the memory of the host. Batches and images are of full size.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from microtome.stages.training_data import TrainingFiles

CUBES, QUICK_CUBES = {"train": 298, "val": 70}, {"train": 12, "val": 4}
"""Scenes of 85 and 20 patients at 3.5 each, as published."""
SIDE, BANDS, WINDOW, BATCH = 1024, 16, 256, 8
IMAGES_MB, QUICK_MB = 4000, 200
"""What may be held of 24 GB (1 GB)."""
PEAK, ASKED = 6000, 7000
"""MB: what training may take, and what its job asks for with `memory: {images: 4000}`."""
CLASSES = ("normal", "melanoma")
BLOCK = 4096
"""Bytes of a hole, at least."""


def sparse_copy(source: Path, target: Path) -> None:
    """Copy a file, with holes where it holds zeros."""
    content = memoryview(source.read_bytes())
    zeros = bytes(BLOCK)
    with target.open("wb") as file:
        for start in range(0, len(content), BLOCK):
            block = content[start : start + BLOCK]
            if block != zeros[: len(block)]:
                file.seek(start)
                file.write(block)
        file.truncate(len(content))


def stand_in(
    folder: Path, counts: dict[str, int], *, side: int = SIDE, window: int = WINDOW
) -> TrainingFiles:
    """Images of selected bands, targets and an index of one window each, in a folder that takes no room.

    Each image has a corner that float16 does not hold, so that it is kept as float32 as real ones are.
    """
    import numpy as np
    import pandas as pd

    from microtome.io import images
    from microtome.stages.training_data import TrainingFiles

    names = [f"{part}-{number:03d}" for part, count in counts.items() for number in range(count)]
    bands, target = np.zeros((BANDS, side, side), np.float32), np.zeros((side, side), np.uint8)
    bands[:, 0, :8], target[:, side // 2 :] = 0.1, 1
    for kind, array in (("images", bands), ("targets", target)):
        plain = {"compression": "none", "tile": None} if kind == "images" else {}
        images.write(folder / kind / f"{names[0]}.tif", array, **plain)
        for name in names[1:]:
            sparse_copy(folder / kind / f"{names[0]}.tif", folder / kind / f"{name}.tif")
    room = side - window + 1
    places = [(37 * number % room, 101 * number % room) for number in range(len(names))]
    index = pd.DataFrame({"sample": names, "y": [y for y, _ in places], "x": [x for _, x in places]})
    index.assign(size=window, level=0).to_parquet(folder / "index.parquet", index=False)
    return TrainingFiles((folder / "index.parquet",), (folder / "images",), (folder / "targets",))


def options(counts: dict[str, int], *, batch: int = BATCH) -> dict[str, Any]:
    """What a run of one epoch depends on."""
    from microtome.config.sampling import PatchSampler

    names = {part: [f"{part}-{number:03d}" for number in range(count)] for part, count in counts.items()}
    said = {"study": "melanoma", "scale": "full", "split": "main", "run": "cnn2d_hyper", "seed": 0}
    return said | {
        "parts": names,
        "classes": list(CLASSES),
        "outputs": ["mask"],
        "data_source": "phantom",
        "activation": "softmax",
        "network": {"name": "cnn2d", "kernel": 3, "width": 1, "in_channels": BANDS},
        "loss": {"name": "cross_entropy"},
        "input": {"scale": 1, "mean": 0, "std": 1},
        "sampler": PatchSampler().model_dump(),
        "window": {},
        "augment": {},
        "training": {"epochs": 1, "batch_size": batch},
    }


def train(
    folder: Path, files: TrainingFiles, counts: dict[str, int], images_mb: float | None, *, threads: int = 1
) -> Path:
    """Train one epoch in a folder."""
    from microtome.stages.train import train_run

    run = folder / "run"
    place = {"checkpoint": run / "checkpoint.safetensors", "device": "cpu", "threads": threads}
    train_run(options(counts), files, run, **place, images_mb=images_mb)
    return run


def prepared(quick: bool) -> Prepared:
    counts, folder = QUICK_CUBES if quick else CUBES, Path(tempfile.mkdtemp())
    files = stand_in(folder, counts)

    def run() -> None:
        try:
            held = QUICK_MB if quick else IMAGES_MB
            train(folder, files, counts, held, threads=os.cpu_count() or 1)
        finally:
            shutil.rmtree(folder)

    return Prepared(run)


CASE = Case(
    name="training_memory",
    title=f"training on {sum(CUBES.values())} cubes of {BANDS} bands of {SIDE}², {IMAGES_MB} MB of them held",
    variants={"train": prepared},
    comparisons=[
        Comparison(f"peak memory within {PEAK} MB", "train", PEAK, 1.0, metric="peak_mb"),
        Comparison(f"peak memory within what the job asks for, {ASKED} MB", "train", ASKED, 1.0, "peak_mb"),
    ],
    note="one epoch of a window a cube, batches of 8; memory beyond that of Python and PyTorch (0.4 GB)",
)
