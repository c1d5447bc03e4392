# SPDX-License-Identifier: MIT
"""Make a table of a study."""

import json
from pathlib import Path

from microtome.stages.products import by_name, make
from microtome.tables.parts.save import save_table
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    make(
        "tables",
        options,
        by_name(snakemake.input),
        stem=Path(snakemake.output.sidecar).with_suffix(""),
        save=save_table,
        script="scripts/tabulate.py",
        code=json.loads(snakemake.params.state)["code"],
    )
