# SPDX-License-Identifier: MIT
"""Measure the objects of a batch and write them for QuPath and as a table."""

from pathlib import Path

from microtome.stages.objects import export_objects
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    export_objects(
        options,
        Path(snakemake.input.segmentations),
        Path(snakemake.input.images),
        Path(snakemake.output.folder),
    )
