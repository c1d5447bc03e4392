# SPDX-License-Identifier: MIT
"""Measure what another tool made of the evaluated images."""

from pathlib import Path

from microtome.stages.score import score_external
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    files = ([Path(path) for path in snakemake.input[name]] for name in ("predictions", "targets"))
    score_external(options, *files, Path(snakemake.output.metrics))
