# SPDX-License-Identifier: MIT
"""Predict a batch of images."""

import json
from pathlib import Path

from microtome.stages.predict import predict_batch
from microtome.workflow.job import job
from microtome.workflow.resources import count_gpus

gpus = count_gpus(snakemake.resources)
with job(snakemake.params.state, snakemake.log[0], gpus=gpus) as options:
    predict_batch(
        options,
        Path(snakemake.input.weights),
        Path(snakemake.input.images),
        Path(snakemake.output.folder),
        device=snakemake.config.get("device", "auto"),
        threads=snakemake.threads,
        code=json.loads(snakemake.params.state)["code"],
    )
