# SPDX-License-Identifier: MIT
"""Measure a run on slides."""

from pathlib import Path

from microtome.stages.slides.evaluate import FOLDERS, evaluate_slides
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    folders = {name: [Path(path) for path in snakemake.input[name]] for name in FOLDERS}
    evaluate_slides(options, folders, Path(snakemake.output.metrics), Path(snakemake.output.sections))
