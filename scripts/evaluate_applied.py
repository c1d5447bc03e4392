# SPDX-License-Identifier: MIT
"""Measure a run on new images that have labels."""

from pathlib import Path

from microtome.stages.evaluate import evaluate_applied
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    evaluate_applied(options, Path(snakemake.input.applied), Path(snakemake.output.folder))
