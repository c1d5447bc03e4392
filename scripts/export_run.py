# SPDX-License-Identifier: MIT
"""Pack a trained run for use elsewhere."""

from pathlib import Path

from microtome.stages.export import export_run
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    export_run(
        options,
        members=[Path(path).parent for path in snakemake.input.weights],
        stains=[Path(path) for path in snakemake.input.stains],
        bands=[Path(path) for path in snakemake.input.bands],
        tuned=[Path(path) for path in snakemake.input.tuned],
        metrics=[Path(path) for path in snakemake.input.metrics],
        archive=Path(snakemake.output.archive),
    )
