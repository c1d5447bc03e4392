# SPDX-License-Identifier: MIT
"""Call the sections of a batch of slides."""

from pathlib import Path

from microtome.stages.slides.calls import call_sections
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    call_sections(
        options,
        Path(snakemake.input.selection),
        Path(snakemake.input.maps),
        Path(snakemake.input.sections),
        Path(snakemake.output.folder),
    )
