# SPDX-License-Identifier: MIT
"""Set the document of a study with the TeX of the system."""

from pathlib import Path

from microtome.stages.paper import typeset
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]):
    typeset(Path(snakemake.input.tex), Path(snakemake.output.pdf))
