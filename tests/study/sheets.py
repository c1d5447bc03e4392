# SPDX-License-Identifier: MIT
"""A sample sheet that has to be without faults."""

from pathlib import Path

from microtome.config.study import Data
from microtome.faults import raise_faults
from microtome.study.sample import Sample
from microtome.study.sheet import inspect_sheet


def read_sheet(path: Path, data: Data) -> list[Sample]:
    samples, faults = inspect_sheet(path, data)
    raise_faults(faults)
    return samples
