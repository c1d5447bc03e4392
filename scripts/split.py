# SPDX-License-Identifier: MIT
"""Write a split with its hash."""

from pathlib import Path

from microtome.job import job
from microtome.stages.splits import write_split

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_split(options["rows"], options["digest"], Path(snakemake.output.table))
