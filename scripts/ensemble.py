# SPDX-License-Identifier: MIT
"""Write the card of an ensemble."""

from pathlib import Path

from microtome.job import job
from microtome.stages.ensemble import write_card

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_card(options, [Path(path) for path in snakemake.input.cards], Path(snakemake.output.card))
