# SPDX-License-Identifier: MIT
"""Write the report of a scale."""

from pathlib import Path

from microtome.stages.report import write_report
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    published, catalogue = Path(snakemake.input.published), Path(snakemake.input.catalogue)
    page = Path(snakemake.output.page)
    write_report(options, page, published=published, catalogue=catalogue, threads=snakemake.threads)
