# SPDX-License-Identifier: MIT
"""Measure what each kept epoch finds in the sections of a batch."""

import json
from pathlib import Path

from microtome.stages.slides.predict import predict_kept
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
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
