# SPDX-License-Identifier: MIT
"""Choose the epoch, threshold and least area of a run."""

from pathlib import Path

from microtome.stages.slides.select import select_epoch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    candidates, sections = (
        [Path(path) for path in snakemake.input[name]] for name in ("candidates", "sections")
    )
    folder = Path(snakemake.output.selection).parent
    select_epoch(options, Path(snakemake.input.kept), candidates, sections, folder)
