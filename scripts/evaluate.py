# SPDX-License-Identifier: MIT
"""Measure a run."""

from pathlib import Path

from microtome.stages.evaluate import FOLDERS, evaluate_run
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    folders = {name: [Path(path) for path in snakemake.input[name]] for name in FOLDERS}
    evaluate_run(options, folders, Path(snakemake.output.metrics))
