# SPDX-License-Identifier: MIT
"""Give the slices of a batch their neighbours as further channels."""

from pathlib import Path

from microtome.stages.stacks import stack_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    stack_batch(options, [*map(Path, snakemake.input.images)], Path(snakemake.output.folder))
