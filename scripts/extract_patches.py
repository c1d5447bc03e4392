# SPDX-License-Identifier: MIT
"""Index the windows of a batch of targets."""

from pathlib import Path

from microtome.stages.patches import extract_patches
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    extract_patches(
        Path(snakemake.input.targets),
        Path(snakemake.output.index),
        classes=options["classes"],
        size=options["size"],
        stride=options["stride"],
        regions=options.get("regions", ()),
        labelled=options["labelled"],
    )
