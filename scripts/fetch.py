# SPDX-License-Identifier: MIT
"""Fetch a public data set: from the mirror folder if there is one, else from its address."""

from pathlib import Path

from microtome.files import located
from microtome.stages.images import fetch_dataset
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    folder = Path(snakemake.config.get("resources", "resources"), options["name"])
    fetch_dataset(options, located(folder, snakemake.output), snakemake.config)
