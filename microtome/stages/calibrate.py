# SPDX-License-Identifier: MIT
"""Calibrate the probability maps of a run; apart from prediction, as it needs no torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.class_maps import IGNORE
from microtome.files import finished_folder, write_json
from microtome.inference import calibration, temperature
from microtome.inference.temperature import Part, Temperature
from microtome.io import images, views
from microtome.metrics.families.calibration import class_probabilities
from microtome.provenance.cards import read_json

Options = Mapping[str, Any]
Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From the maps (K, H, W) of an image to calibrated ones."""
POSITIVE = 1
"""The class whose probability the maps hold."""
READ = 2**20
"""Pixels that are read at once."""


def fit_calibration(options: Options, maps: Sequence[Path], targets: Sequence[Path], path: Path) -> None:
    """Fit the calibration of a run on the samples of its validation part and write it as JSON.

    Maps of probabilities and targets are looked for in these batch folders; where `pooled` names several
    runs, the folders of `maps` are theirs, run by run, and all their maps count.

    Raises:
        ValueError: There is no sample, or the labels hold one class only.
    """
    if not options["samples"]:
        msg = "the validation part has no sample to fit the calibration on; put one or more into it (`split`)"
        raise ValueError(msg)
    each = len(maps) // max(len(options.get("pooled", ())), 1)
    runs = [maps[start : start + each] for start in range(0, len(maps), each)]
    if options["kind"] == "temperature":
        write_json(path, _fit_temperature(options, runs, targets).to_dict())
        return
    histograms = [_histogram(options, sample, of, targets) for of in runs for sample in options["samples"]]
    write_json(path, calibration.fit_histogram(sum(histograms[1:], histograms[0])).to_dict())


def _fit_temperature(
    options: Options, runs: Sequence[Sequence[Path]], targets: Sequence[Path]
) -> Temperature:
    """The temperature of all labelled pixels of the samples, in the maps of all runs."""
    pairs = [
        (views.find_sample(of, sample), views.find_sample(targets, sample))
        for of, sample in product(runs, options["samples"])
    ]

    def read() -> Iterator[Part]:
        for place, target in pairs:
            with views.of_sample(target.stem):
                yield from _parts(options, place, target)

    steps = [1 / views.WHITE for place, _ in pairs if views.open_raster(place).dtype == np.uint8]
    return temperature.fit(read, floor=max([temperature.FLOOR, *(step / 2 for step in steps)]))


def _parts(options: Options, place: Path, target: Path) -> Iterator[Part]:
    """Probabilities and true classes of the labelled pixels of an image, by bands of rows."""
    source, labels = views.open_map(place), views.open_raster(target)
    _, rows, columns = labels.shape
    height = max(READ // columns, 1)
    for top in range(0, rows, height):
        window = top, 0, min(height, rows - top), columns
        truth = labels.read(*window)[0]
        shares = class_probabilities(source.read(*window), len(options["classes"]), options["activation"])
        if (truth != IGNORE).any():
            yield shares[:, truth != IGNORE].astype(np.float64), truth[truth != IGNORE]


def _histogram(
    options: Options, sample: str, maps: Sequence[Path], targets: Sequence[Path]
) -> calibration.Histogram:
    """How often pixels of each predicted value are positive, in one sample."""
    probability = views.read_map(views.find_sample(maps, sample))[0]
    target = images.read(views.find_sample(targets, sample))
    valid = target != IGNORE
    with views.of_sample(sample):
        return calibration.histogram(probability, target == POSITIVE, bins=options["bins"], valid=valid)


def calibrate_maps(options: Options, fitted: Path, source: Path, folder: Path) -> None:
    """Apply a calibration (JSON of `fit_calibration`), then the median filter, to every map in a folder."""
    change = _change(options, read_json(fitted))
    with finished_folder(folder) as partial:
        for path in views.samples(source).values():
            with views.of_sample(path.stem):
                values = change(views.read_map(path))
            if options["median_radius"]:
                values = calibration.median_filter(values, radius=options["median_radius"])
            names = images.channel_names(path) or None
            images.write(partial / path.name, values, mpp=images.header(path).mpp, channels=names)


def _change(options: Options, fitted: Mapping[str, Any]) -> Change:
    """What a calibration, as it was written, makes of the maps of an image."""
    if "activation" in options:
        found = Temperature.from_dict(fitted)
        return lambda maps: temperature.apply(found, maps, activation=options["activation"])
    curve = calibration.Calibration.from_dict(fitted)
    return lambda maps: calibration.apply(curve, maps)
