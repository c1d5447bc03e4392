# SPDX-License-Identifier: MIT
"""Calibrate probability maps and average those of several runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from microtome import images, probability_calibration
from microtome.job import finished_folder, write_json
from microtome.stages.folders import find_sample, read_map
from microtome.targets import IGNORE

Options = Mapping[str, Any]


def fit_calibration(options: Options, maps: Sequence[Path], targets: Sequence[Path], path: Path) -> None:
    """Fit the calibration of a run on the samples of its validation part and write it as JSON."""
    histograms = []
    for sample in options["samples"]:
        probability = read_map(find_sample(maps, sample))[0]
        target = images.read(find_sample(targets, sample))
        known = target != IGNORE
        histograms.append(
            probability_calibration.histogram(probability[known], target[known] == 1, bins=options["bins"])
        )
    write_json(path, probability_calibration.fit_histogram(sum(histograms[1:], histograms[0])).to_dict())


def calibrate_batch(options: Options, calibration: Path, source: Path, folder: Path) -> None:
    """Apply a calibration, then the median filter, to every map in a folder."""
    curve = probability_calibration.Calibration.from_dict(json.loads(calibration.read_text()))
    with finished_folder(folder) as partial:
        for path in sorted(source.glob("*.tif")):
            calibrated = probability_calibration.apply(curve, read_map(path))
            if options["median_radius"]:
                calibrated = np.stack(
                    [
                        probability_calibration.median_filter(c, radius=options["median_radius"])
                        for c in calibrated
                    ]
                )
            images.write(partial / path.name, calibrated.astype(np.float32), mpp=images.header(path).mpp)


def average_batch(members: Sequence[Path], folder: Path) -> None:
    """Average the probability maps of several runs."""
    with finished_folder(folder) as partial:
        for path in sorted(members[0].glob("*.tif")):
            maps = [read_map(member / path.name) for member in members]
            images.write(
                partial / path.name, probability_calibration.ensemble(maps), mpp=images.header(path).mpp
            )
