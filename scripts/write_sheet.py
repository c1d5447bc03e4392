# SPDX-License-Identifier: MIT
"""Write the sample sheet as the workflow understood it."""

from pathlib import Path

from microtome.job import job
from microtome.stages.splits import write_sheet

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_sheet(options["rows"], Path(snakemake.output.sheet))
