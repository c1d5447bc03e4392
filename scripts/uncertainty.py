# SPDX-License-Identifier: MIT
"""Write where the members of an ensemble doubt, for a batch of images."""

from pathlib import Path

from microtome.stages.runs import write_uncertainty
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    write_uncertainty(
        [Path(path) for path in snakemake.input.maps],
        Path(snakemake.output.folder),
        activation=options["activation"],
    )
