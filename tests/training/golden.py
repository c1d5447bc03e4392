# SPDX-License-Identifier: MIT
"""Short trainings of every sampler, loss and way of choosing, and what they ended with once and for all.

`python -m tests.training.golden` writes the file that `test_golden.py` compares with. It is made anew only if
a change of the weights is meant. Networks compute in float64, so that what differs from one processor to the
next stays far below what the test allows.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from microtome import losses
from microtome.class_maps import IGNORE
from microtome.config.augment import Augment
from microtome.config.sampling import Input, Lists
from microtome.config.training import Supervision, Training
from microtome.io.raster import ArraySource, StackedSource
from microtome.networks.windows import WindowTransform, input_window
from microtome.training.batches import BalancedWindowBatches, ListBatches, PatchBatches
from microtome.training.crops import CropBatches
from microtome.training.labelled import Labelled, Surroundings
from microtome.training.loop import Fit, Trainer, fit
from microtome.training.patches import FRACTION
from microtome.training.selection import Criterion
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import BinaryTask, SoftmaxTask, WindowTask
from microtome.training.window_lists import WindowLists
from tests.synthetic_study import membrane_image, membrane_label
from tests.training.problems import CPU, KEY, Levels

FILE = Path(__file__).with_suffix(".npz")
SIZE, NAMES = 24, ("s0", "s1", "s2")
CLASSES = ("ground", "cell")
WARPED = Augment(
    horizontal_flip=0.5,
    vertical_flip=0.5,
    rotate90=0.5,
    rotation=20,
    elastic_alpha=3.0,
    gamma=0.2,
    contrast=0.2,
    brightness=0.1,
    gaussian_noise=0.05,
)
TURNED = Augment(horizontal_flip=0.5, vertical_flip=0.5, rotate90=0.5, blur_sigma=1.0)
ADAM, SGD = {"name": "adam", "lr": 0.01}, {"name": "sgd", "lr": 0.05, "momentum": 0.9}
SIGMOID = ("bce", "bce_dice", "dicebce", "dice", "iou", "tversky", "focal")
SOFTMAX = (
    "cross_entropy",
    "softmax_focal",
    "ce_dice",
    "weighted_cross_entropy",
    "lovasz",
    "compound",
    "mdsc_tv",
    "softmax_dice",
)


class Precise(nn.Module):
    """A network that computes in float64."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner.double()

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images.double())


class PreciseLevels(Levels):
    """The same of several levels."""

    def levels(self, images: Tensor) -> list[Tensor]:
        return super().levels(images.double())


class Volume(nn.Module):
    """A convolution along the channels too, as networks of cubes have."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv3d(1, 3, 3, padding=1), nn.Conv2d(9, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        found = functional.relu(self.first(images[:, None]))
        return self.last(found.flatten(1, 2))


def images(
    names: tuple[str, ...] = NAMES, *, ignored: bool = False, maps: int = 1, channels: int = 1
) -> dict[str, Labelled]:
    """Image and label of some samples; `ignored`, a third of the pixels says nothing, of one sample all."""
    found = {}
    for number, name in enumerate(names):
        label = membrane_label(SIZE, seed=number)
        image = np.stack([membrane_image(label, seed=number + 9 * channel) for channel in range(channels)])
        target = label.astype(np.uint8)
        if ignored:
            target = np.where(np.random.default_rng(number).random(label.shape) < 0.3, IGNORE, target)
            target = np.full_like(target, IGNORE) if number == 1 else target
        layers = [target, *(np.roll(target, 3, axis) for axis in range(maps - 1))]
        label_source = StackedSource(tuple(map(ArraySource, layers))) if maps > 1 else ArraySource(target)
        found[name] = Labelled(ArraySource(image[0] if channels == 1 else image), label_source)
    return found


def windows(names: tuple[str, ...] = NAMES, side: int = 12) -> list[tuple[str, int, int, int]]:
    places = range(0, SIZE - side + 1, side)
    return [(name, y, x, side) for name in names for y in places for x in places]


def network(outputs: int = 1, channels: int = 1) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.1)]
    return Precise(nn.Sequential(*layers, nn.Conv2d(4, outputs, 3, padding=1)))


def sources(found: dict[str, Labelled], **options: object) -> tuple[PatchBatches, PatchBatches]:
    """Training and validation batches of the same images."""
    train = PatchBatches(found, windows(tuple(found)), 5, seed=1, **options)
    return train, PatchBatches(found, windows(tuple(found)), 5, shuffle=False)


def trainer(
    model: nn.Module, loss: nn.Module, task: object, criterion: Criterion | None = None, **settings: object
) -> Trainer:
    options = {"epochs": 3, "batch_size": 5, "optimizer": ADAM} | settings
    base = Trainer(model, loss, task, Training(**options), CPU, 0)
    return base if criterion is None else replace(base, criterion=criterion)


def by_mask(loss: str = "bce", augment: Augment = WARPED, **settings: object) -> Trainer:
    return trainer(network(), losses.build(loss), BinaryTask(Input(), augment), **settings)


def by_class(loss: str, augment: Augment = WARPED, **settings: object) -> Trainer:
    return trainer(network(2), losses.build(loss), SoftmaxTask(Input(), augment), **settings)


def of_lists() -> Fit:
    """Windows drawn from lists, cropped, with surroundings."""
    index = pd.DataFrame({f"{FRACTION}cell": np.linspace(0, 1, 12)})
    rare = {"fraction": "cell", "at_least": 0.4, "draw": 9}
    options = Lists.model_validate({"lists": {"rare": rare, "rest": {"fraction": "cell", "below": 0.5}}})
    lists, found = WindowLists.collect(index, options), images()
    around = Surroundings(4, mirrors_labels=False)
    train = ListBatches(found, windows(), lists, 5, 9, 1, 1, around)
    return fit(by_class("softmax_focal"), train, sources(found)[1])


def of_crops() -> Fit:
    """Squares of whole images, rich in cells, with surroundings and a learning rate by step."""
    found = images()
    train = CropBatches(found, 9, 5, 14, 0.5, 1, around=Surroundings(4, mirrors_labels=False))
    return fit(by_mask("bce_dice", schedule={"name": "one_cycle"}), train, sources(found)[1])


def of_pixels(*, transform: WindowTransform, per_epoch: int | None = 40) -> Fit:
    """Windows around pixels, as they are or foveated and sampled non-uniformly."""
    found, side = images(), input_window(9, transform)
    train = BalancedWindowBatches(found, side, per_epoch, 8, 1)
    validation = BalancedWindowBatches(found, side, 20, 8, fixed=True)
    torch.manual_seed(0)
    model = Precise(nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(147, 2)))
    task = WindowTask(Input(), TURNED, transform, 9)
    chosen = trainer(model, losses.build("cross_entropy"), task, optimizer=SGD, epochs=2)
    return fit(chosen, train, validation)


def of_levels(loss: str) -> Fit:
    """All levels of a network, with labels that are left out."""
    model = PreciseLevels(2).double()
    supervision = Supervision(levels="all", weights=(1, 2, 3), targets="majority")
    built = LevelLosses(losses.build(loss), model.reductions, supervision)
    found = images(ignored=True)
    return fit(trainer(model, built, SoftmaxTask(Input(), WARPED)), *sources(found))


def resumed(folder: Path) -> Fit:
    """Two epochs, and the others by another process, as it were."""
    checkpoint, options = folder / "checkpoint.safetensors", {"schedule": {"name": "cosine"}, "epochs": 4}
    train, validation = sources(images())
    stop = _Stopping(train, 2)
    try:
        fit(by_mask(**options), stop, validation, checkpoint=checkpoint, key=KEY)
    except KeyboardInterrupt:
        return fit(by_mask(**options), train, validation, checkpoint=checkpoint, key=KEY)
    msg = "the training was not stopped"
    raise AssertionError(msg)


class _Stopping:
    """Batches that are interrupted when an epoch begins."""

    def __init__(self, batches: PatchBatches, at: int) -> None:
        self.batches, self.at = batches, at

    def __len__(self) -> int:
        return len(self.batches)

    def __getattr__(self, name: str) -> object:
        return getattr(self.batches, name)

    def _begun(self, number: int) -> int:
        if number == self.at:
            raise KeyboardInterrupt
        return number

    def epoch(self, number: int) -> object:
        return self.batches.epoch(self._begun(number))

    def drawn(self, number: int) -> object:
        return self.batches.drawn(self._begun(number))


def cases() -> dict[str, Callable[[Path], Fit]]:
    """Trainings by name, each called with a folder of its own."""
    by_iou, last = Criterion("iou", "cell", CLASSES, keep=2), Criterion("last", None, CLASSES)
    clip = {"optimizer": SGD | {"weight_decay": 0.01}, "grad_clip": 0.5}
    decayed = {"optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 0.1}, "validate_every": 2}
    early = {"optimizer": SGD | {"lr": 0.2}, "epochs": 12, "patience": 2}
    holdout = {"copies": 2, "share": (0.0, 0.7)}
    found: dict[str, Callable[[Path], Fit]] = {
        "patches": lambda _: fit(by_mask(), *sources(images(), crop=9, repeats=2)),
        "margin": lambda _: fit(
            by_mask("dice", replaced(target_fill="ignore")),
            *sources(images(), around=Surroundings(5, mirrors_labels=False)),
        ),
        "copies": lambda _: fit(by_mask("dicebce"), *sources(images(), **holdout)),
        "zoom": lambda _: fit(
            trainer(network(), losses.build("bce"), BinaryTask(Input(zoom=0.75), WARPED)), *sources(images())
        ),
        "zoomed classes": lambda _: fit(
            trainer(network(2), losses.build("ce_dice"), SoftmaxTask(Input(zoom=1.25), WARPED)),
            *sources(images(ignored=True)),
        ),
        "two maps": lambda _: fit(
            trainer(
                seeded(lambda: nn.Conv2d(1, 2, 3, padding=1)),
                losses.build("bce_dice"),
                BinaryTask(Input(), WARPED),
            ),
            *sources(images(ignored=True, maps=2)),
        ),
        "volume": lambda _: fit(
            trainer(seeded(Volume), losses.build("focal"), BinaryTask(Input(), TURNED)),
            *sources(images(channels=3)),
        ),
        "lists": lambda _: of_lists(),
        "crops": lambda _: of_crops(),
        "pixels": lambda _: of_pixels(transform=WindowTransform()),
        "every pixel": lambda _: of_pixels(transform=WindowTransform(foveate=True), per_epoch=None),
        "foveated": lambda _: of_pixels(transform=WindowTransform(foveate=True, nonuniform=True)),
        "by a metric": lambda folder: fit(
            by_mask(criterion=by_iou), *sources(images(ignored=True)), checkpoint=folder / "c", key=KEY
        ),
        "last": lambda _: fit(by_class("lovasz", criterion=last), *sources(images())),
        "clipped": lambda _: fit(by_mask(**clip), *sources(images())),
        "decayed": lambda _: fit(by_mask(**decayed), *sources(images())),
        "stopped early": lambda _: fit(by_mask(**early), *sources(images())),
        "resumed": resumed,
    }
    for name in SIGMOID:
        found[f"ignored {name}"] = lambda _, name=name: fit(by_mask(name), *sources(images(ignored=True)))
    for name in SOFTMAX:
        found[f"ignored {name}"] = lambda _, name=name: fit(by_class(name), *sources(images(ignored=True)))
    for name in ("softmax_focal", "mdsc_tv"):
        found[f"levels {name}"] = lambda _, name=name: of_levels(name)
    return found


def replaced(**changes: object) -> Augment:
    """The usual augmentation with other options."""
    return Augment(**WARPED.model_dump() | changes)


def seeded(kind: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return Precise(kind())


def told(done: Fit) -> dict[str, np.ndarray]:
    """Weights in one vector, the losses of all epochs, and the best of these."""
    weights = [value.double().reshape(-1) for _, value in sorted(done.weights.items())]
    rows = [[row["train_loss"], row["val_loss"], row["learning_rate"]] for row in done.history]
    best = np.array([done.best_epoch, len(done.history)])
    return {"weights": torch.cat(weights).numpy(), "history": np.array(rows), "best": best}


def main(folder: Path, file: Path = FILE) -> None:
    """Train all cases and write what they ended with."""
    torch.set_num_threads(1)
    found = {}
    for name, case in cases().items():
        (folder / name).mkdir(parents=True)
        found |= {f"{name}/{key}": values for key, values in told(case(folder / name)).items()}
    np.savez_compressed(file, **found)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        main(Path(made))
