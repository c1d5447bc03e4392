# SPDX-License-Identifier: MIT
"""Fit the pixel classifier of a run."""

import json
from pathlib import Path

from microtome.stages.classify import fit_classifier
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    images, targets = ([Path(path) for path in snakemake.input[name]] for name in ("images", "targets"))
    fit_classifier(
        options,
        images,
        targets,
        Path(snakemake.output.card).parent,
        threads=snakemake.threads,
        code=json.loads(snakemake.params.state)["code"],
    )
