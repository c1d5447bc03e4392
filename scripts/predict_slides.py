# SPDX-License-Identifier: MIT
"""Predict heat-maps of a batch of slides, and the areas in its sections."""

import json
from pathlib import Path

from microtome.stages.slides.predict import predict_slides
from microtome.workflow.job import job
from microtome.workflow.resources import count_gpus

gpus = count_gpus(snakemake.resources)
with job(snakemake.params.state, snakemake.log[0], gpus=gpus) as options:
    predict_slides(
        options,
        Path(snakemake.input.weights),
        *(Path(snakemake.input[name]) for name in ("images", "tissue", "sections")),
        Path(snakemake.output.folder),
        device=snakemake.config.get("device", "auto"),
        threads=snakemake.threads,
        readers=snakemake.config.get("threads", {}).get("read", 1),
        code=json.loads(snakemake.params.state)["code"],
    )
