# SPDX-License-Identifier: MIT
"""Calibrate a batch of probability maps."""

from pathlib import Path

from microtome.stages.calibrate import calibrate_maps
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    source, folder = Path(snakemake.input.maps), Path(snakemake.output.folder)
    calibrate_maps(options, Path(snakemake.input.calibration), source, folder)
