# SPDX-License-Identifier: MIT
"""Describe the results of a scale as an RO-Crate."""

from pathlib import Path

from microtome.stages.crate import write_crate
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_crate(
        options,
        Path(snakemake.output.metadata),
        page=Path(snakemake.input.page),
        workflow=Path(snakemake.output.workflow),
        published=Path(snakemake.input.published),
        catalogue=Path(snakemake.input.catalogue),
    )
