# SPDX-License-Identifier: MIT
"""Draw a figure of a study."""

import json
from functools import partial
from pathlib import Path

from microtome.figures.inputs import gather
from microtome.figures.save import save_failed, save_figure
from microtome.stages.products import by_name, instead, make
from microtome.workflow.job import job

stem = Path(snakemake.output.sidecar).with_suffix("")
leave = instead(stem, save_failed, log=snakemake.log[0]) if snakemake.params.fails_alone else None
with job(snakemake.params.state, snakemake.log[0], instead=leave) as options:
    make(
        "figures",
        options,
        by_name(snakemake.input),
        stem=stem,
        gather=gather,
        save=partial(save_figure, kind=options["kind"], labels=options["labels"]),
        script="scripts/draw.py",
        code=json.loads(snakemake.params.state)["code"],
    )
