# SPDX-License-Identifier: MIT
"""Measure a run on new images that have labels."""

import sys
from pathlib import Path

from microtome.stages.evaluate import evaluate_applied
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    table = evaluate_applied(
        options,
        Path(snakemake.input.applied),
        [Path(path) for path in snakemake.input.images],
        [Path(path) for path in snakemake.input.labels],
        Path(snakemake.output.folder),
    )
    columns = ["class", "metric", "mean", "sd", "n"]
    sys.stdout.write(f"\n{table[columns].to_string(index=False, float_format='%.4f')}\n\n")
