# SPDX-License-Identifier: MIT
"""Write the report of a scale."""

from pathlib import Path

from microtome.job import job
from microtome.stages.report import write_report

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_report(options, Path(snakemake.output.page))
