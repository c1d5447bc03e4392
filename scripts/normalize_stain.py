# SPDX-License-Identifier: MIT
"""Give a batch of images the stain of the target."""

from pathlib import Path

from microtome.stages.stain import normalize_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    normalize_batch(
        options,
        Path(snakemake.input.target),
        Path(snakemake.input.images),
        Path(snakemake.output.folder),
    )
