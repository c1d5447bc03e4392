# SPDX-License-Identifier: MIT
"""Apply a trained run, or a packed one, to new images."""

from contextlib import nullcontext
from pathlib import Path

from microtome.stages.apply import Trained, apply_run, unpacked
from microtome.workflow.job import job
from microtome.workflow.resources import count_gpus

found, folder = snakemake.input, Path(snakemake.output.folder)
names = ("archive", "weights", "stains", "bands", "tuned")
archive, members, stains, bands, tuned = ([*map(Path, found.get(name, []))] for name in names)
gpus = count_gpus(snakemake.resources)
files = Trained([path.parent for path in members], stains, bands, tuned)

with (
    job(snakemake.params.state, snakemake.log[0], gpus=gpus) as options,
    unpacked(options, archive[0], folder) if archive else nullcontext(files) as trained,
):
    device, threads = snakemake.config.get("device", "auto"), snakemake.threads
    readers = snakemake.config.get("threads", {}).get("read", 1)
    apply_run(options, trained, folder, device=device, threads=threads, readers=readers)
