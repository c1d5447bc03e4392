# SPDX-License-Identifier: MIT
"""Fetch a public data set: from the mirror folder if there is one, else from its address."""

from pathlib import Path

from microtome.stages.images import fetch_dataset
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    fetch_dataset(options, Path(snakemake.config.get("resources", "resources")), snakemake.config)
