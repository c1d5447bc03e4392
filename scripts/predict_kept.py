# SPDX-License-Identifier: MIT
"""Measure what each kept epoch finds in the sections of a batch."""

import json
from pathlib import Path

from microtome.stages.slides.predict import predict_kept
from microtome.workflow.job import job
from microtome.workflow.resources import count_gpus

gpus = count_gpus(snakemake.resources)
with job(snakemake.params.state, snakemake.log[0], gpus=gpus) as options:
    predict_kept(
        options,
        Path(snakemake.input.kept),
        *(Path(snakemake.input[name]) for name in ("images", "tissue", "sections")),
        Path(snakemake.output.folder),
        device=snakemake.config.get("device", "auto"),
        threads=snakemake.threads,
        readers=snakemake.config.get("threads", {}).get("read", 1),
        code=json.loads(snakemake.params.state)["code"],
    )
