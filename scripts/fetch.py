# SPDX-License-Identifier: MIT
"""Fetch a public data set: from the mirror folder if there is one, else from its address."""

from pathlib import Path

from microtome.job import job
from microtome.stages.fetch import fetch_dataset

with job(snakemake.params.state, snakemake.log[0]) as options:
    fetch_dataset(options, Path(snakemake.config.get("resources", "resources")), snakemake.config)
