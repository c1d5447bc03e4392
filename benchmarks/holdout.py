# SPDX-License-Identifier: MIT
"""What a held-out share says of images that nobody learnt, by window and by source.

`python -m benchmarks.holdout FOLDER`, where FOLDER is MoNuSeg 2018 as images and labels in PNG. A small
network learns the middle of 24 of the 30 images, with augmented copies as the study `nuclei` makes them at
scale paper, and validates on a quarter of windows and copies (as published) or of images. The six other
images, with as many copies, are what nobody learnt.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from microtome import losses, networks
from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.config.training import Training
from microtome.datasets.monuseg2018 import discover, hold_out
from microtome.devices import repeatable
from microtome.io import images
from microtome.io.raster import ArraySource
from microtome.training.batches import PatchBatches
from microtome.training.labelled import Labelled
from microtome.training.loop import fit, validate
from microtome.training.tasks import BinaryTask
from microtome.training.trainer import Trainer

SIDE = 128
"""Of the square in the middle of each image, pixels."""
COPIES, HELD = 19, 0.25
AUGMENT = {
    "horizontal_flip": 0.5,
    "rotation": 25,
    "translate": 0.2,
    "border": "zero",
    "target_rounding": "floor",
}
NETWORK = {"encoder": "resnet18", "width": 8, "out_channels": 1}
SETTINGS = Training.model_validate({"epochs": 8, "batch_size": 8, "optimizer": {"lr": 0.002}})
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Judged:
    """The loss (binary cross entropy) of the epoch that validation chose, on two kinds of images.

    Attributes:
        held: Mean over the windows that validated.
        unseen: Mean over those of the images that nobody learnt.
    """

    held: float
    unseen: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.holdout", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args(arguments)
    learnt, unseen = read(options.folder)
    print("| held out by | seed | loss, held out | loss, other images | ratio |\n|---|---:|---:|---:|---:|")
    for seed in options.seeds:
        for by_sample in (False, True):
            found = judge(learnt, unseen, by_sample=by_sample, seed=seed)
            numbers = f"{found.held:.3f} | {found.unseen:.3f} | {found.unseen / found.held:.2f}"
            print(f"| {'source' if by_sample else 'window'} | {seed} | {numbers} |", flush=True)
    return 0


def read(folder: Path) -> tuple[dict[str, Labelled], dict[str, Labelled]]:
    """Squares in the middle of the images that are learnt, and of those that are not, with masks."""
    parts: tuple[dict[str, Labelled], dict[str, Labelled]] = {}, {}
    for row in hold_out(discover(folder)):
        image, label = (_middle(folder / name) for name in (row.image, row.label))
        mask = (label > 0).astype(np.uint8)
        parts[row.part == "test"][row.sample] = Labelled(ArraySource(image), ArraySource(mask))
    return parts


def judge(
    learnt: Mapping[str, Labelled], unseen: Mapping[str, Labelled], *, by_sample: bool, seed: int
) -> Judged:
    """Train once, and measure the weights of the best epoch."""
    with repeatable(torch.get_num_threads()):
        torch.manual_seed(seed)
        task = BinaryTask(Input(), Augment.model_validate(AUGMENT))
        model, loss = networks.build("usenet", **NETWORK), losses.build("bce")
        trainer = Trainer(model, loss, task, SETTINGS, torch.device("cpu"), seed)
        split = {"seed": seed, "by_sample": by_sample}
        train, held = (
            _batches(learnt, share=share, shuffle=first, **split)
            for first, share in ((True, (0.0, 1 - HELD)), (False, (1 - HELD, 1.0)))
        )
        result = fit(trainer, train, held)
        model.load_state_dict(result.weights)
        others = validate(trainer, _batches(unseen, seed=seed, shuffle=False))
    return Judged(result.history[result.best_epoch - 1]["val_loss"], others)


def _batches(squares: Mapping[str, Labelled], **options: object) -> PatchBatches:
    windows = [(sample, 0, 0, SIDE) for sample in squares]
    return PatchBatches(squares, windows, SETTINGS.batch_size, copies=COPIES, **options)


def _middle(path: Path) -> np.ndarray:
    """Of an image, (C, H, W)."""
    image = images.as_channels_first(images.read(path))
    top, left = ((size - SIDE) // 2 for size in image.shape[1:])
    return image[:, top : top + SIDE, left : left + SIDE].copy()


if __name__ == "__main__":
    raise SystemExit(main())
