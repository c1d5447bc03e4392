# SPDX-License-Identifier: MIT
"""Choose the bands of a split."""

from pathlib import Path

from microtome.stages.cubes import select_bands
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    select_bands(
        options,
        [Path(path) for path in snakemake.input.scores],
        options["samples"],
        Path(snakemake.output.bands),
    )
