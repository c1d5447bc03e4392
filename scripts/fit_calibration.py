# SPDX-License-Identifier: MIT
"""Fit the calibration of a run on its validation part."""

from pathlib import Path

from microtome.stages.calibrate import fit_calibration
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    maps, targets = ([Path(path) for path in snakemake.input[name]] for name in ("maps", "targets"))
    fit_calibration(options, maps, targets, Path(snakemake.output.calibration))
