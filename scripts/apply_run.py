# SPDX-License-Identifier: MIT
"""Apply a trained run to new images."""

from pathlib import Path

from microtome.stages.apply import Trained, apply_run
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    apply_run(
        options,
        Trained(
            [Path(path).parent for path in snakemake.input.weights],
            [Path(path) for path in snakemake.input.stains],
        ),
        Path(snakemake.output.folder),
        device=snakemake.config.get("device", "auto"),
        threads=snakemake.threads,
    )
