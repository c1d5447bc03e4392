# SPDX-License-Identifier: MIT
"""Find the tissue of a batch of slides."""

from pathlib import Path

from microtome.stages.slides.tissue import find_tissue
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    find_tissue(options, Path(snakemake.input.images), Path(snakemake.output.folder))
