# SPDX-License-Identifier: MIT
"""Average a batch of probability maps over the members of an ensemble."""

from pathlib import Path

from microtome.job import job
from microtome.stages.ensemble import average_batch

with job(snakemake.params.state, snakemake.log[0]):
    average_batch([Path(path) for path in snakemake.input.maps], Path(snakemake.output.folder))
