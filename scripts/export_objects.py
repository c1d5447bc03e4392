# SPDX-License-Identifier: MIT
"""Measure the objects of a batch and write them for QuPath and as a table."""

from pathlib import Path

from microtome.job import job
from microtome.stages.objects import export_objects

with job(snakemake.params.state, snakemake.log[0]) as options:
    export_objects(
        options,
        Path(snakemake.input.segmentations),
        Path(snakemake.input.images),
        Path(snakemake.output.folder),
    )
