# SPDX-License-Identifier: MIT
"""Write the card of an ensemble."""

from pathlib import Path

from microtome.stages.runs import write_card
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_card(options, [Path(path) for path in snakemake.input.cards], Path(snakemake.output.card))
