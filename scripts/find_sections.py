# SPDX-License-Identifier: MIT
"""Find the sections of a batch of slides."""

from pathlib import Path

from microtome.stages.slides.sections import find_sections
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    find_sections(
        options,
        Path(options["root"]),
        Path(snakemake.input.images),
        Path(snakemake.input.tissue),
        Path(snakemake.output.folder),
    )
