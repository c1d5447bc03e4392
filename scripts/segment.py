# SPDX-License-Identifier: MIT
"""Segment a batch of probability maps."""

from pathlib import Path

from microtome.stages.segment import segment_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    segment_batch(options, Path(snakemake.input.maps), Path(snakemake.output.folder))
