# SPDX-License-Identifier: MIT
"""Write a split with its hash."""

from pathlib import Path

from microtome.stages.sheets import write_sheet
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_sheet(options["rows"], Path(snakemake.output.table), hash=options["digest"])
