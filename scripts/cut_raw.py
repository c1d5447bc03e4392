# SPDX-License-Identifier: MIT
"""Write the chosen bands of raw cubes."""

from pathlib import Path

from microtome.job import job
from microtome.stages.cubes import cut_raw_batch

with job(snakemake.params.state, snakemake.log[0]) as options:
    cut_raw_batch(
        options["cubes"],
        options["samples"],
        Path(options["root"]),
        Path(snakemake.input.bands),
        Path(snakemake.output.folder),
    )
