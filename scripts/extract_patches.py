# SPDX-License-Identifier: MIT
"""Index the windows of a batch of targets."""

from pathlib import Path

from microtome.job import job
from microtome.stages.patches import extract_patches

with job(snakemake.params.state, snakemake.log[0]) as options:
    extract_patches(
        Path(snakemake.input.targets),
        Path(snakemake.output.index),
        classes=options["classes"],
        size=options["size"],
        stride=options["stride"],
    )
