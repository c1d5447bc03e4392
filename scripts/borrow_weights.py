# SPDX-License-Identifier: MIT
"""Take the weights of another run."""

from pathlib import Path

from microtome.job import job
from microtome.stages.borrow import borrow_weights

with job(snakemake.params.state, snakemake.log[0]) as options:
    borrow_weights(options, Path(snakemake.input.card).parent, Path(snakemake.output.card).parent)
