# SPDX-License-Identifier: MIT
"""Train one run: from patch indices and images to weights, history and card."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import torch

from microtome import losses, networks
from microtome.config.augment import Augment
from microtome.config.entries import model as options_of
from microtome.config.losses import activation_of
from microtome.config.sampling import Input
from microtome.config.training import Supervision, Training
from microtome.devices import choose_device, keep_freed_memory, repeatable, require_devices
from microtome.files import digest_of_options, require_writable
from microtome.stages.seen import seen_in_training
from microtome.stages.trained import card_of, is_done, write_run
from microtome.stages.training_data import (
    TrainingFiles,
    batches,
    counted_loss,
    data_digest,
    learnt_labels,
    read_images,
    window_transform,
)
from microtome.training.kept import KeptWeights
from microtome.training.launch import Request, launch, serve
from microtome.training.loop import fit
from microtome.training.processes import SOLO, Team, joined
from microtome.training.saving import AFTER_EACH_EPOCH, Timing
from microtome.training.selection import criterion_of
from microtome.training.steps import reads_ahead
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import BinaryTask, SoftmaxTask, Task, WindowTask
from microtome.training.trainer import Trainer

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
MODULE = "microtome.stages.train"
"""This module, as each process of a training job on several GPUs runs it."""


def train_run(
    options: Options,
    files: TrainingFiles,
    folder: Path,
    *,
    checkpoint: Path,
    device: str,
    threads: int,
    code: str = "",
    processes: int = 1,
    images_mb: float | None = None,
    readers: int = 1,
    on_gpu: float | None = None,
    timing: Timing = AFTER_EACH_EPOCH,
) -> None:
    """Train a run and write `model.safetensors`, `history.tsv` and `card.json`, or in place of the first and
    the last the folder `kept`, if `training.select.keep` is a number.

    A checkpoint is resumed if it is of the same options, images, targets, windows and code, with any number
    of processes.

    Args:
        options: The rule's options (see `workflow.states`).
        files: What training reads.
        folder: Where the run's files go.
        checkpoint: Written from time to time, resumed from, deleted at the end.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch, of all processes together; on GPUs, as many read batches.
        code: Digest of the code behind the rule (`provenance.code`); a checkpoint of other code is not
            resumed.
        processes: Above 1, so many processes share each batch, each with a GPU of its own, or all on the CPU
            if `device` is `cpu`. Results differ from those of one process only by rounding.
        images_mb: MB of images that each process holds in memory, at most; the others are read by window,
            with the same result. None: no limit. All
            processes together hold half of the machine's memory at most.
        readers: Threads that read windows, of all processes together; results do not depend on it.
        on_gpu: Share of a GPU's memory that images may take, see `read_images`; None: the default.
        timing: When the checkpoint is written; results do not depend on it.

    Raises:
        ValueError: The data or the settings do not fit, the loss became NaN, or the memory does not suffice;
            of several processes, any error that one of them foresees; or there are too few GPUs.
        FileNotFoundError: A sample has no image or no target.
        OSError: The folder cannot be written to, or its disk is full.
        RuntimeError: One of several processes failed in a way that nobody foresaw.
    """
    digests = {"config": digest_of_options(options), "data": data_digest(options, files), "code": code}
    if is_done(folder, digests):
        logger.info("an earlier process of this job has finished it; there is nothing left to do")
        checkpoint.unlink(missing_ok=True)
        return
    require_writable(folder)  # rather now than after the first epoch
    settings = {"device": device, "digests": digests, "images_mb": images_mb, "on_gpu": on_gpu}
    if processes <= 1:
        settings |= {"checkpoint": checkpoint, "timing": timing, "readers": readers}
        with repeatable(threads, deterministic=_is_deterministic(options)):
            _train_in(SOLO, options, files, folder, **settings)
        return
    _require_shares(options, processes)
    require_devices(choose_device(device), device, processes)
    share = max(1, threads // processes)
    request = {
        "options": options,
        "files": [list(map(str, paths)) for paths in astuple(files)],
        "folder": str(folder),
        "settings": settings
        | {
            "checkpoint": str(checkpoint),
            "timing": asdict(timing),
            "readers": max(1, readers // processes),
        },
        "threads": share,
    }
    launch(MODULE, request, processes=processes, threads=share)


def _train_one(request: Request, rank: int, size: int) -> None:
    """Be one of the processes of `train_run`."""
    settings = request["settings"]
    settings |= {"checkpoint": Path(settings["checkpoint"]), "timing": Timing(**settings["timing"])}
    options = request["options"]
    files = TrainingFiles(*(tuple(map(Path, paths)) for paths in request["files"]))
    with (
        repeatable(request["threads"], deterministic=_is_deterministic(options)),
        joined(rank, size, choose_device(settings["device"])) as team,
    ):
        _train_in(team, options, files, Path(request["folder"]), **settings)


def _train_in(
    team: Team,
    options: Options,
    files: TrainingFiles,
    folder: Path,
    *,
    checkpoint: Path,
    device: str,
    digests: dict[str, str],
    images_mb: float | None,
    readers: int,
    on_gpu: float | None,
    timing: Timing,
) -> None:
    """Train in a team, see `train_run`; the first process loads the weights and writes the files."""
    threads = torch.get_num_threads()
    keep_freed_memory()
    torch.manual_seed(options["seed"])
    model = networks.build(**options["network"])
    weights = networks.initialize(model, options["network"]) if team.is_first else ""
    where = choose_device(device)
    images = read_images(options, files, images_mb, team.size, where, on_gpu)
    loss = counted_loss(options, files, images)
    settings = Training.model_validate(options["training"])
    trainer = Trainer(
        model,
        _loss(options, loss, model),
        _task(options, model),
        settings,
        where,
        options["seed"],
        team,
        criterion_of(settings, _told_apart(options)),
        max(readers, threads),
    )
    inside = 1 if reads_ahead(where) else readers  # threads that share the windows of one batch
    sources = [batches(options, files, images, part, model, inside) for part in ("train", "val")]
    result = fit(trainer, *sources, checkpoint=checkpoint, key="-".join(digests.values()), timing=timing)
    if not team.is_first:
        return
    card = card_of(result, trainer, {**options, "loss": loss}, weights) | {
        "threads": threads * team.size,
        "digests": digests,
    }
    card |= seen_in_training(options, files.images) | learnt_labels(options, images)
    card |= {"processes": team.size} if team.size > 1 else {}
    write_run(result, folder, card, trainer.criterion, KeptWeights.beside(checkpoint))
    checkpoint.unlink(missing_ok=True)
    KeptWeights.beside(checkpoint).leave_only(())


def _loss(options: Options, loss: Options, model: torch.nn.Module) -> torch.nn.Module:
    """The loss of the result, or of all levels of the network."""
    settings = Supervision.model_validate(options.get("supervision", {}))
    built = losses.build(**loss)
    return built if settings.levels == "final" else LevelLosses(built, model.reductions, settings)


def _is_deterministic(options: Options) -> bool:
    return Training.model_validate(options["training"]).deterministic


def _told_apart(options: Options) -> list[str]:
    """The classes that the network tells apart: all of them, or the second from the first."""
    return options["classes"] if options["activation"] == "softmax" else options["classes"][:2]


def _require_shares(options: Options, processes: int) -> None:
    """Make sure that a batch has a window for each process."""
    windows = options["training"]["batch_size"]
    if windows < processes:
        msg = (
            f"training.batch_size is {windows}, expected at least {processes} windows, one for each GPU of "
            "the training job; raise it, or lower `gpus` in config/config.yaml"
        )
        raise ValueError(msg)


def _task(options: Options, model: torch.nn.Module) -> Task:
    """The task that belongs to the sampler and the loss."""
    settings = Input.model_validate(options["input"])
    augmentation = Augment.model_validate(options["augment"])
    if options["sampler"]["kind"] == "balanced_windows":
        return WindowTask(settings, augmentation, window_transform(options), model.window)
    loss = options_of("microtome.config.losses", options["loss"]["name"])(**options["loss"])
    kind = {"softmax": SoftmaxTask, "sigmoid": BinaryTask}[activation_of(loss)]
    return kind(settings, augmentation)


if __name__ == "__main__":
    serve(_train_one)
