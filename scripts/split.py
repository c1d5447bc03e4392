# SPDX-License-Identifier: MIT
"""Write a split with its hash."""

from pathlib import Path

from microtome.stages.images import write_split
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_split(options["rows"], options["digest"], Path(snakemake.output.table))
