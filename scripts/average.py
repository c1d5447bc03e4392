# SPDX-License-Identifier: MIT
"""Average a batch of probability maps over the members of an ensemble."""

from pathlib import Path

from microtome.stages.runs import average_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]):
    average_batch([Path(path) for path in snakemake.input.maps], Path(snakemake.output.folder))
