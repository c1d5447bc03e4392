# SPDX-License-Identifier: MIT
"""Take the weights of another run."""

from pathlib import Path

from microtome.stages.runs import borrow_weights
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    borrow_weights(options, Path(snakemake.input.card).parent, Path(snakemake.output.card).parent)
