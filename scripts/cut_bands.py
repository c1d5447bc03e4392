# SPDX-License-Identifier: MIT
"""Write the chosen bands of calibrated cubes."""

from pathlib import Path

from microtome.stages.cubes import cut_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]):
    cut_batch(Path(snakemake.input.cubes), Path(snakemake.input.bands), Path(snakemake.output.folder))
