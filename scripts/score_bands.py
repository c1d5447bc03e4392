# SPDX-License-Identifier: MIT
"""Score the bands of a batch of cubes."""

from pathlib import Path

from microtome.stages.cubes import score_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    score_batch(options, Path(snakemake.input.cubes), Path(snakemake.output.scores))
