# SPDX-License-Identifier: MIT
"""Turn the annotations of a batch of slides into targets."""

from pathlib import Path

from microtome.files import located
from microtome.stages.slides.targets import annotate_slides
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    images, folder = Path(snakemake.input.images), Path(snakemake.output.folder)
    annotate_slides(options, located(options["root"], snakemake.input), images, folder)
