# SPDX-License-Identifier: MIT
"""Make a table of a study."""

import json
from pathlib import Path

from microtome.stages.products import by_name, instead, make
from microtome.tables.parts.save import save_failed, save_table
from microtome.workflow.job import job

stem = Path(snakemake.output.sidecar).with_suffix("")
leave = instead(stem, save_failed, log=snakemake.log[0]) if snakemake.params.fails_alone else None
with job(snakemake.params.state, snakemake.log[0], instead=leave) as options:
    make(
        "tables",
        options,
        by_name(snakemake.input),
        stem=stem,
        save=save_table,
        script="scripts/tabulate.py",
        code=json.loads(snakemake.params.state)["code"],
    )
