# SPDX-License-Identifier: MIT
"""Calibrate a batch of probability maps."""

from pathlib import Path

from microtome.job import job
from microtome.stages.calibrate import calibrate_batch

with job(snakemake.params.state, snakemake.log[0]) as options:
    source, folder = Path(snakemake.input.maps), Path(snakemake.output.folder)
    calibrate_batch(options, Path(snakemake.input.calibration), source, folder)
