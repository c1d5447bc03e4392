# SPDX-License-Identifier: MIT
"""A small study of mosaics: six classes, labelled in part, softmax maps of some runs on two folds."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, zoom
from scipy.special import softmax

from microtome.figures.inputs import FigureInputs, find_sources
from microtome.io import images, views
from microtome.metrics.families import calibration
from microtome.metrics.families._context import Context
from microtome.provenance.runs import load_runs
from tests.synthetic_study import card, history, metrics, write_run

CLASSES = ("background", "artifact", "meshwork", "nest", "ring", "aspecific")
CLINICS = ("Modena", "New York", "Rochester")
RUNS = {"mednet3": "MED-Net", "deeplab": "DeepLab", "segnet": "SegNet", "fcn": "FCN", "unet": "UNet"}
FOLDS = ("fold-0", "fold-1")
MPP = 2.0
IGNORE = 255
WITHOUT = 1
"""Number of an image without complete labels."""


def full_truth(number: int, shape: tuple[int, int]) -> np.ndarray:
    """Wide patches of the six classes."""
    rng = np.random.default_rng(number)
    fields = gaussian_filter(rng.normal(0, 1, (len(CLASSES), *shape)), (0, shape[0] / 9, shape[0] / 9))
    return fields.argmax(0).astype(np.uint8)


def partial(label: np.ndarray, number: int) -> np.ndarray:
    """The truth with a third left out in blobs."""
    field = gaussian_filter(np.random.default_rng(50 + number).normal(0, 1, label.shape), label.shape[0] / 10)
    return np.where(field > np.quantile(field, 0.62), IGNORE, label).astype(np.uint8)


def picture(label: np.ndarray, number: int) -> np.ndarray:
    """Grey textures under speckle, one grain a class."""
    rng = np.random.default_rng(100 + number)
    grains = [
        gaussian_filter(rng.normal(0, 1, label.shape), 0.5 + 0.5 * index) for index in range(len(CLASSES))
    ]
    grains = [90 + 14 * index + 45 * grain / grain.std() for index, grain in enumerate(grains)]
    grey = np.choose(label, grains) * (1 + 0.15 * rng.normal(0, 1, label.shape))
    return np.clip(grey, 0, 255).astype(np.uint8)


def maps(label: np.ndarray, sharpness: float, seed: int) -> np.ndarray:
    """Softmax maps (6, H, W) of someone who sees the label dimly, and takes meshwork for ring at times."""
    rng, soft = np.random.default_rng(seed), label.shape[0] / 60
    seen = np.stack([gaussian_filter((label == index).astype(float), soft) for index in range(len(CLASSES))])
    coarse = rng.normal(0, 1, (len(CLASSES), *(-(-side // 8) for side in label.shape)))
    noise = zoom(coarse, (1, 8, 8), order=1)[:, : label.shape[0], : label.shape[1]]
    seen[CLASSES.index("ring")] += 0.8 * seen[CLASSES.index("meshwork")]
    return softmax(5 * sharpness * seen + noise * 1.2, axis=0).astype(np.float32)


def scores(sample: str, found: np.ndarray, truth: np.ndarray) -> dict:
    """Counts of pixels and the mean Dice of an image, counted one class after the other."""
    labelled = truth != IGNORE
    values, dices = {}, []
    for number, name in enumerate(CLASSES):
        is_true, is_found = (truth == number) & labelled, (found == number) & labelled
        for other, predicted in enumerate(CLASSES):
            values[(sample, name, f"pixels@{predicted}")] = int((is_true & (found == other)).sum())
        both = is_true.sum() + is_found.sum()
        if is_true.any():
            dices.append(2 * (is_true & is_found).sum() / both)
    return values | {(sample, "all", "mean_dice"): float(np.mean(dices))}


def surety(sample: str, shares: np.ndarray, truth: np.ndarray) -> dict:
    """What the family `calibration` says of the probabilities of an image."""
    seen = Context(truth, shares.astype(np.float32), truth, CLASSES, activation="softmax")
    return {(sample, one.class_name, one.metric): one.value for one in calibration.measure(seen)}


def _history(run: str) -> pd.DataFrame:
    """Losses with their terms: of three levels of MED-Net, of one of the others; fold after fold the same."""
    found = history()
    terms = {"mdsc": found["train_loss"] * 8, "tv": 0.3 - 0.1 * found["train_loss"]}
    if run == "mednet3":
        terms |= {f"level_{k}_{name}": values / (3 - k) for k in range(3) for name, values in terms.items()}
        terms |= {f"level_{k}_loss": terms[f"level_{k}_mdsc"] + terms[f"level_{k}_tv"] for k in range(3)}
    return found.assign(**terms)


def write_mosaics(folder: Path, *, side: int = 96, count: int = 6, dtype: str = "float32") -> FigureInputs:
    """Write images, partial targets, and two folds of each run: one tests an image, one validates on it.

    What the fold made of its validation images is worse than anything it made of test images.
    """
    names = [f"m{number}" for number in range(count)]
    shapes = {name: (side, side - side // 6 * (number % 2)) for number, name in enumerate(names)}
    full = {name: full_truth(number, shapes[name]) for number, name in enumerate(names)}
    truth = {name: partial(full[name], number) for number, name in enumerate(names)}
    for number, name in enumerate(names):
        images.write(folder / f"images/0/{name}.tif", picture(full[name], number), mpp=MPP)
        images.write(folder / f"targets/0/{name}.tif", truth[name], mpp=MPP)
        if number != WITHOUT:
            images.write(folder / f"targets/0/{views.FULL}/{name}.tif", full[name], mpp=MPP)
    places = []
    for level, run in enumerate(RUNS):
        for fold, split in enumerate(FOLDS):
            place, values = folder / f"runs/{split}/{run}/seed-0", {}
            for number, name in enumerate(names):
                part = "test" if number % len(FOLDS) == fold else "val"
                sharpness = 1.2 - 0.16 * level if part == "test" else 0.05
                found = maps(full[name], sharpness, seed=100 * level + number)
                classes = found.argmax(0).astype(np.uint8)
                stored = np.round(255 * found).astype(np.uint8) if dtype == "uint8" else found
                images.write(place / f"predictions/0/{name}.tif", stored, mpp=MPP)
                images.write(place / f"segmentations/0/{name}.tif", classes, mpp=MPP)
                values.setdefault(part, {}).update(scores(name, classes, truth[name]))
                values[part] |= surety(name, stored / (255 if dtype == "uint8" else 1), truth[name])
            rows = [metrics(run, of, split=split, part=part) for part, of in values.items()]
            own = card(run) | {"split": split, "study": "rcm"}
            places.append(write_run(place, own, pd.concat(rows), _history(run)))
    records = load_runs(places, labels=RUNS)
    pictures, targets = (sorted((folder / what / "0").glob("*.tif")) for what in ("images", "targets"))
    groups = {name: CLINICS[number % len(CLINICS)] for number, name in enumerate(names)}
    sources = find_sources(records, pictures, targets)
    files = {"images": [folder / "images/0"], "targets": [folder / "targets/0"]}
    return FigureInputs(runs=records, sources=sources, classes=CLASSES, groups=groups, files=files)
