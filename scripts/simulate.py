# SPDX-License-Identifier: MIT
"""Simulate a phantom study."""

from pathlib import Path

from microtome.job import job
from microtome.stages.simulate import simulate

with job(snakemake.params.state, snakemake.log[0]) as options:
    simulate(options, Path(snakemake.output.folder))
