# SPDX-License-Identifier: MIT
"""Write a reference to each slide of a batch."""

from pathlib import Path

from microtome.files import located
from microtome.stages.slides.references import reference_slides
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    reference_slides(
        options["samples"],
        located(options["root"], snakemake.input),
        Path(snakemake.output.folder),
        slides=options["slides"],
        mpp_from=options["mpp_from"],
        mpp=options.get("mpp"),
    )
