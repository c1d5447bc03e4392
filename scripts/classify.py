# SPDX-License-Identifier: MIT
"""Classify the pixels of a batch of images."""

from pathlib import Path

from microtome.stages.classify import classify_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    weights, images = (Path(snakemake.input[name]) for name in ("weights", "images"))
    classify_batch(options, weights, images, Path(snakemake.output.folder))
