# SPDX-License-Identifier: MIT
"""Predict a batch of images."""

import json
from pathlib import Path

from microtome.stages.predict import predict_batch
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    predict_batch(
        options,
        Path(snakemake.input.weights),
        Path(snakemake.input.images),
        Path(snakemake.output.folder),
        device=snakemake.config.get("device", "auto"),
        threads=snakemake.threads,
        code=json.loads(snakemake.params.state)["code"],
    )
