# SPDX-License-Identifier: MIT
"""Measure a run."""

from pathlib import Path

from microtome.stages.evaluate import EvaluatedFiles, evaluate_run
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    files = ([Path(path) for path in snakemake.input[name]] for name in ("maps", "segmentations", "targets"))
    evaluate_run(options, EvaluatedFiles(*files), Path(snakemake.output.metrics))
