# SPDX-License-Identifier: MIT
"""Calibrate a batch of cubes."""

from pathlib import Path

from microtome.files import located
from microtome.stages.cubes import calibrate_cubes
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    calibrate_cubes(
        options["cubes"],
        options["samples"],
        located(options["root"], snakemake.input),
        Path(snakemake.output.folder),
    )
