# SPDX-License-Identifier: MIT
"""Calibrate a batch of cubes."""

from pathlib import Path

from microtome.job import job
from microtome.stages.cubes import calibrate_batch

with job(snakemake.params.state, snakemake.log[0]) as options:
    calibrate_batch(
        options["cubes"],
        options["samples"],
        Path(options["root"]),
        Path(snakemake.output.folder),
    )
