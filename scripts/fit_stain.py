# SPDX-License-Identifier: MIT
"""Fit the stain that all images are to have."""

from pathlib import Path

from microtome.stages.stain import fit_stain
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    fit_stain(options, Path(snakemake.input.images), Path(snakemake.output.profile))
