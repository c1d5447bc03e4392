# SPDX-License-Identifier: MIT
"""Segment a batch of probability maps."""

from pathlib import Path

from microtome.stages.segment import segment_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    tuned = [Path(path) for path in snakemake.input.get("tuned", [])]
    folder = Path(snakemake.output.folder)
    segment_batch(options, Path(snakemake.input.maps), folder, tuned=tuned[0] if tuned else None)
