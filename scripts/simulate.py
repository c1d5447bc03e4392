# SPDX-License-Identifier: MIT
"""Simulate a phantom study."""

from pathlib import Path

from microtome.stages.images import simulate
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    simulate(options, Path(snakemake.output.folder))
