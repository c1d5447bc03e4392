# SPDX-License-Identifier: MIT
"""Find the sections of a batch of slides."""

from pathlib import Path

from microtome.files import located
from microtome.stages.slides.sections import find_sections
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    find_sections(
        options,
        located(options["root"], snakemake.input),
        Path(snakemake.input.images),
        Path(snakemake.input.tissue),
        Path(snakemake.output.folder),
    )
