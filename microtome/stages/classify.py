# SPDX-License-Identifier: MIT
"""Pixel classifiers: fitted to training pixels, and asked for the probability of each class in each pixel."""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from threadpoolctl import threadpool_limits

from microtome import classifiers
from microtome.class_maps import IGNORE
from microtome.files import (
    DIGEST,
    digest_of_options,
    finished_file,
    finished_folder,
    sha256_of_file,
    write_json,
)
from microtome.io import images, views
from microtome.io.raster import Raster
from microtome.provenance import environment
from microtome.provenance.cards import CARD_NAME, CLASSIFIER, WEIGHTS_NAME
from microtome.stages.seen import seen_in_training
from microtome.stages.stored_maps import map_file

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]

IDENTITY = ("study", "run", "split", "seed", "scale", "data_source", "stain", "view")
SAID = ("study", "run", "split", "seed", "network")
"""Of the card, what the file of what was fitted says of itself."""
START = "fitted at once, without a start"
ROWS = 256
"""Rows of an image that are classified at a time."""


class ClassifierError(ValueError):
    """Training pixels or a fitted classifier that cannot be used; the message says how, and the remedy."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Training pixels: what a classifier looks at, (n, F) float32, and class numbers, (n,)."""

    values: NDArray[np.float32]
    labels: NDArray[np.intp]


def fit_classifier(
    options: Options,
    folders: Sequence[Path],
    targets: Sequence[Path],
    folder: Path,
    *,
    threads: int = 1,
    code: str = "",
) -> None:
    """Fit a pixel classifier and write `model.safetensors` and `card.json`.

    From each training image the same number of labelled pixels is drawn, so that each counts the same, and
    classes are as frequent as they are there. No other part of the split is looked at.

    Args:
        options: The rule's options (see `workflow.states`).
        folders: Folders of images.
        targets: Folders of class maps.
        folder: Where the run's files go.
        threads: CPU threads; results do not depend on them.
        code: Digest of the code behind the rule (`provenance.code`).

    Raises:
        ClassifierError: A class has no training pixel, or images have different channels.
        FileNotFoundError: A sample has no image or no target.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    names, classes = options["parts"]["train"], options["classes"]
    parts = [
        _drawn(options, views.find_sample(folders, name), views.find_sample(targets, name), name)
        for name in names
    ]
    values, labels = _joined(parts, names), np.concatenate([part.labels for part in parts])
    _require_each(labels, classes)
    with threadpool_limits(threads):
        settings = {"classes": len(classes), "seed": options["seed"]}
        fitted = classifiers.fit(options["classifier"], values, labels, **settings)
    counts = np.bincount(labels, minlength=len(classes))
    card = _card(options, fitted, dict(zip(classes, counts.tolist(), strict=True)), threads)
    card |= {
        "seconds": {"train": time.perf_counter() - clock, "validate": 0.0},
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **seen_in_training(options, folders),
    }
    files = [views.find_sample(among, name) for name in names for among in (folders, targets)]
    digests = {"config": digest_of_options(options), "data": _digest(files), "code": code}
    _write(folder, fitted, card, digests)
    logger.info("%s fitted to %d pixels of %d images", card[CLASSIFIER], len(labels), len(names))


def _drawn(options: Options, image: Path, target: Path, sample: str) -> Drawn:
    """Labelled pixels of one image at random: the same ones whatever the other images are."""
    label = images.read(target)
    places = np.flatnonzero(label != IGNORE)
    seed = [options["seed"], *sample.encode()]
    count = min(options["classifier"]["pixels"], len(places))
    chosen = np.sort(np.random.default_rng(seed).choice(places, count, replace=False))
    source = views.open_raster(image)
    if source.shape[1:] != label.shape:
        sizes = [f"{height} x {width} pixels" for height, width in (source.shape[1:], label.shape)]
        found = f"an image of {sizes[0]} ({image}) and a target of {sizes[1]}"
        msg = f"sample {sample}: found {found}, expected one size; register the label, or turn its axes"
        raise ClassifierError(msg)
    return Drawn(_values_at(options, source, chosen), label.ravel()[chosen].astype(np.intp))


def _values_at(options: Options, source: Raster, chosen: NDArray[np.intp]) -> NDArray[np.float32]:
    """What the classifier looks at of some pixels, numbered row by row in ascending order: (n, F)."""
    width, parts = source.shape[2], []
    for top, described in _described(options, source):
        first, last = np.searchsorted(chosen, [top * width, top * width + described.shape[1]])
        parts.append(described[:, chosen[first:last] - top * width].T)
    return np.concatenate(parts)


def _described(options: Options, source: Raster) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """What the classifier looks at, by bands of rows: the first row, and (F, rows × width)."""
    for top, rows, pixels, above in _bands(source, options["classifier"]["neighbourhood"] // 2):
        found = classifiers.describe(options["classifier"], pixels)[:, above : above + rows]
        yield top, found.reshape(len(found), -1)


def _bands(source: Raster, margin: int) -> Iterator[tuple[int, int, NDArray, int]]:
    """Bands of an image with `margin` rows around: first row, rows, pixels, and the rows of pixels above."""
    _, height, width = source.shape
    for top in range(0, height, ROWS):
        rows = min(ROWS, height - top)
        first, last = max(top - margin, 0), min(top + rows + margin, height)
        yield top, rows, source.read(first, 0, last - first, width), top - first


def _joined(parts: Sequence[Drawn], names: Sequence[str]) -> NDArray[np.float32]:
    """The values of all images, which have to have as many channels."""
    counts = [part.values.shape[1] for part in parts]
    for name, count in zip(names, counts, strict=True):
        if count != counts[0]:
            found = f"sample {name}: found {count} values a pixel, expected {counts[0]} as in {names[0]}"
            msg = f"{found}; a study takes images of as many channels"
            raise ClassifierError(msg)
    return np.concatenate([part.values for part in parts])


def _require_each(labels: NDArray[np.intp], classes: Sequence[str]) -> None:
    missing = [name for number, name in enumerate(classes) if not (labels == number).any()]
    if missing:
        found = f"found no pixel of {', '.join(missing)} among {len(labels)} training pixels"
        msg = (
            f"{found}, expected some of each class; raise classifier.pixels, or train on an image that has it"
        )
        raise ClassifierError(msg)


def _card(
    options: Options, fitted: Mapping[str, NDArray], pixels: Mapping[str, int], threads: int
) -> dict[str, Any]:
    """What a reader must know of the fitted classifier."""
    settings = dict(options["classifier"])
    name = settings.pop("name")
    return {
        **{key: options[key] for key in IDENTITY if key in options},
        CLASSIFIER: name,
        "outputs": [],
        "activation": "softmax",
        "network": {
            "name": name,
            "options": settings,
            "parameters": classifiers.parameter_count(fitted),
            "weights": START,
        },
        "samples": {part: len(names) for part, names in options["parts"].items()},
        "pixels": dict(pixels),
        "device": "cpu",
        "threads": threads,
        "git_commit": environment.git_state(),
        "versions": environment.versions(),
    }


def _digest(files: Sequence[Path]) -> str:
    """A hash of what was fitted to."""
    return digest_of_options([sha256_of_file(file) for file in files])


def _write(
    folder: Path, fitted: Mapping[str, NDArray], card: dict[str, Any], digests: Mapping[str, str]
) -> None:
    """Write what was fitted, then the card, which knows its digest."""
    text = json.dumps({key: card[key] for key in SAID} | {"digests": dict(digests)})
    with finished_file(folder / WEIGHTS_NAME) as partial:
        arrays = {name: np.ascontiguousarray(array) for name, array in fitted.items()}
        save_file(arrays, partial, metadata={"microtome": text})
    weights = sha256_of_file(folder / WEIGHTS_NAME)[:DIGEST]
    write_json(folder / CARD_NAME, card | {"digests": {**digests, "weights": weights}})


def classify_batch(options: Options, weights: Path, source: Path, folder: Path) -> None:
    """Write the probability maps that a fitted classifier makes of every image in a folder.

    An image is read and its map written by bands of rows, so memory depends on its width alone.

    Args:
        options: The rule's options (see `workflow.states`).
        weights: `model.safetensors` of `fit_classifier`.
        source: Folder of images.
        folder: Gets one map (K, H, W) an image, of the classes, which sum to 1; float32, or bytes
            (`predict.store`).

    Raises:
        ClassifierError: The file is damaged, or an image has other channels than those of training.
    """
    fitted = _load(weights)
    with finished_folder(folder) as draft:
        for sample, path in views.samples(source).items():
            with views.of_sample(sample):
                _classify(options, fitted, path, views.place(draft, sample))


def _load(weights: Path) -> dict[str, NDArray]:
    try:
        return load_file(weights)
    except SafetensorError as error:
        msg = f"{weights} cannot be read as safetensors ({error}); fit the run again"
        raise ClassifierError(msg) from error


def _classify(options: Options, fitted: Mapping[str, NDArray], path: Path, place: Path) -> None:
    """Write the map of one image."""
    header, source = images.header(path), views.open_raster(path)
    margin = options["classifier"]["neighbourhood"] // 2
    with map_file(place, source.shape[1:], options, mpp=header.mpp) as put:
        for top, rows, pixels, above in _bands(source, margin):
            found = classifiers.predict(options["classifier"], fitted, pixels)
            put(top, found[:, above : above + rows])
