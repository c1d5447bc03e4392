# SPDX-License-Identifier: MIT
"""Decode a batch of images and write them as OME-TIFF."""

from pathlib import Path

from microtome.files import located
from microtome.stages.images import import_images
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    import_images(
        options["samples"],
        located(options["root"], snakemake.input),
        Path(snakemake.output.folder),
        rendered=next(map(Path, snakemake.input.pictures), None),
        dtype=options.get("dtype"),
        mpp_from=options.get("mpp_from"),
        downsample=options.get("downsample", 1),
    )
