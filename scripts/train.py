# SPDX-License-Identifier: MIT
"""Train one run; resumes from its checkpoint after a kill."""

import json
from pathlib import Path

from microtome.config.training import IMAGES_MB
from microtome.stages.train import Timing, TrainingFiles, train_run
from microtome.workflow.job import job
from microtome.workflow.resources import count_gpus, held_mb

gpus = count_gpus(snakemake.resources)
processes = gpus or snakemake.config.get("gpus", 1)
images = snakemake.config.get("memory", {}).get("images", IMAGES_MB)
with job(snakemake.params.state, snakemake.log[0], gpus=gpus) as options:
    folder = Path(snakemake.output.history).parent
    train_run(
        options,
        TrainingFiles.of(snakemake.input),
        folder,
        checkpoint=folder / "checkpoint.safetensors",
        device=snakemake.config.get("device", "auto"),
        threads=snakemake.threads,
        readers=snakemake.config.get("threads", {}).get("read", 1),
        on_gpu=snakemake.config.get("memory", {}).get("on_gpu"),
        processes=processes,
        images_mb=held_mb(snakemake.resources.get("mem_mb"), processes, most=images),
        timing=Timing.of_job(snakemake.config, snakemake.resources),
        code=json.loads(snakemake.params.state)["code"],
    )
