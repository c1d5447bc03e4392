# SPDX-License-Identifier: MIT
"""Calibrate the probability maps of a run; apart from prediction, as it needs no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome.class_maps import IGNORE
from microtome.files import finished_folder, write_json
from microtome.inference import calibration
from microtome.io import images, views
from microtome.provenance.cards import read_json

Options = Mapping[str, Any]
POSITIVE = 1
"""The class whose probability the maps hold."""


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
    histograms = [_histogram(options, sample, of, targets) for of in runs for sample in options["samples"]]
    write_json(path, calibration.fit_histogram(sum(histograms[1:], histograms[0])).to_dict())


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
    curve = calibration.Calibration.from_dict(read_json(fitted))
    with finished_folder(folder) as partial:
        for path in views.samples(source).values():
            with views.of_sample(path.stem):
                values = calibration.apply(curve, views.read_map(path))
            if options["median_radius"]:
                values = calibration.median_filter(values, radius=options["median_radius"])
            names = images.channel_names(path) or None
            images.write(partial / path.name, values, mpp=images.header(path).mpp, channels=names)
