# SPDX-License-Identifier: MIT
"""Write the chosen bands of raw cubes."""

from pathlib import Path

from microtome.files import located
from microtome.stages.cubes import cut_raw_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    cut_raw_batch(
        options["cubes"],
        options["samples"],
        located(options["root"], snakemake.input),
        Path(snakemake.input.bands),
        Path(snakemake.output.folder),
    )
