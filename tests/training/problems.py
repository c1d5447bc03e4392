# SPDX-License-Identifier: MIT
"""A problem that is learned in milliseconds: bright cells on dark ground, a network of two convolutions."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from microtome import losses
from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.config.training import Training
from microtome.io.images import ArraySource
from microtome.training.batches import PatchBatches
from microtome.training.labelled import Labelled
from microtome.training.loop import Trainer, fit
from microtome.training.tasks import BinaryTask
from tests.synthetic_study import membrane_image, membrane_label

SIZE = 24
CPU = torch.device("cpu")
FLIPS = Augment(horizontal_flip=0.5, vertical_flip=0.5)
KEY = "the run"


class StoppedError(Exception):
    """What a test raises in the middle of an epoch."""


def samples(count=4, size=SIZE, ignore=()):
    """Sample name to image and label; the labels of those in `ignore` say nothing."""
    found = {}
    for number in range(count):
        label = membrane_label(size, seed=number)
        image = membrane_image(label, seed=number)
        target = np.full_like(label, 255) if number in ignore else label
        found[f"s{number}"] = Labelled(ArraySource(image), ArraySource(target))
    return found


def windows(names, side=12, size=SIZE):
    return [(name, y, x, side) for name in names for y in range(0, size, side) for x in range(0, size, side)]


def patches(images, *, batch_size=5, shuffle=True, seed=0, **options):
    return PatchBatches(images, windows(images), batch_size, seed=seed, shuffle=shuffle, **options)


def network(seed=0):
    """With everything that has a state: batch normalisation, dropout, weights in channels-last order."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Conv2d(5, 1, 3, padding=1),
    )


class Levels(nn.Module):
    """A network of three levels, without anything that depends on the batch."""

    reductions = (4, 2, 1)

    def __init__(self, outputs):
        super().__init__()
        torch.manual_seed(0)
        self.convolutions = nn.ModuleList(nn.Conv2d(1, outputs, 3, padding=1) for _ in self.reductions)

    def levels(self, images):
        pairs = zip(self.convolutions, self.reductions, strict=True)
        return [convolution(functional.avg_pool2d(images, side)) for convolution, side in pairs]

    def forward(self, images):
        return self.levels(images)[-1]


def trainer(*, model=None, loss="bce", seed=0, augmentation=FLIPS, **settings):
    options = {"epochs": 4, "batch_size": 5, "optimizer": {"name": "adam", "lr": 0.02}} | settings
    model = network() if model is None else model
    return Trainer(
        model, losses.build(loss), BinaryTask(Input(), augmentation), Training(**options), CPU, seed
    )


def prepared(task, batch, *, seed):
    """A batch as training prepares it."""
    return task.prepare(batch, task.draw(batch, seed=seed))


def parts():
    """Training and validation batches."""
    images = samples()
    train = {name: images[name] for name in ("s0", "s1", "s2")}
    return patches(train, seed=1), patches({"s3": images["s3"]}, shuffle=False)


@dataclass(frozen=True)
class Interrupted:
    """Batches that fail in the middle of an epoch."""

    batches: PatchBatches
    at: int
    kill: bool = False

    def __len__(self):
        return len(self.batches)

    def drawn(self, number):
        for position, drawn in enumerate(self.batches.drawn(number)):
            if number == self.at and position == len(self) // 2:
                if self.kill:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise StoppedError
            yield drawn

    def read(self, drawn):
        return self.batches.read(drawn)


def killed(checkpoint: Path, moment: str):
    """Train until the process kills itself: in a step of the third epoch, or while writing its checkpoint."""
    torch.set_num_threads(1)
    train, validation = parts()
    if moment == "save":
        saves = iter(range(2))
        os.fsync = lambda _: next(saves, None) is None and os.kill(os.getpid(), signal.SIGKILL)
    else:
        train = Interrupted(train, at=2, kill=True)
    fit(trainer(), train, validation, checkpoint=checkpoint, key=KEY)


if __name__ == "__main__":
    killed(Path(sys.argv[1]), sys.argv[2])
