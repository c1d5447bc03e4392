# SPDX-License-Identifier: MIT
"""Turn a batch of labels into class indices, objects and markers."""

from pathlib import Path

from microtome.files import located
from microtome.stages.targets import rasterize_targets
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    rasterize_targets(
        options["samples"],
        located(options["root"], snakemake.input),
        Path(snakemake.output.folder),
        targets=options["targets"],
        mpp_from=options.get("mpp_from"),
    )
