# SPDX-License-Identifier: MIT
"""Take the threshold and least area of another run."""

from pathlib import Path

from microtome.stages.slides.borrow import borrow_selection
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    borrow_selection(options, Path(snakemake.input.selection), Path(snakemake.output.selection))
