# SPDX-License-Identifier: MIT
"""Index the windows of a batch of slides that hold tissue."""

from pathlib import Path

from microtome.stages.slides.targets import index_tissue
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    targets, tissue = Path(snakemake.input.targets), Path(snakemake.input.tissue)
    index_tissue(options, targets, tissue, Path(snakemake.output.index))
