# SPDX-License-Identifier: MIT
"""Choose options of segmentation on held-out images."""

from pathlib import Path

from microtome.stages.tune import tune
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    maps, targets = ([Path(path) for path in snakemake.input[name]] for name in ("maps", "targets"))
    chosen, table = Path(snakemake.output.chosen), Path(snakemake.output.table)
    tune(options, maps, targets, chosen=chosen, table=table)
