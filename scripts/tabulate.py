# SPDX-License-Identifier: MIT
"""Make a table of a study."""

import json
from pathlib import Path

from microtome.stages.folders import by_stain
from microtome.stages.tables import make_table
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    make_table(
        options,
        runs=[Path(card).parent for card in snakemake.input.cards],
        splits=[Path(path) for path in snakemake.input.splits],
        targets=[Path(path) for path in snakemake.input.targets],
        stains=by_stain(snakemake.input.stains),
        objects=[Path(path) for path in snakemake.input.objects],
        published=Path(snakemake.input.published),
        inputs=[Path(path) for path in snakemake.input],
        code=json.loads(snakemake.params.state)["code"],
        stem=Path(snakemake.output.sidecar).with_suffix(""),
    )
