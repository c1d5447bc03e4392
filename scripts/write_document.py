# SPDX-License-Identifier: MIT
"""Write the tables and figures of a study as one LaTeX document."""

from pathlib import Path

from microtome.stages.paper import write_document
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_document(options, Path(snakemake.output.tex))
