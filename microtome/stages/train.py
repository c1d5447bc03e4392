# SPDX-License-Identifier: MIT
"""Train one run: from patch indices and images to weights, history and card."""

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from microtome import losses, networks
from microtome.class_maps import class_counts, inverse_frequency
from microtome.config.entries import model as options_of
from microtome.config.losses import activation_of
from microtome.config.losses._classes import INVERSE_FREQUENCY
from microtome.config.sampling import Augment, Input, Lists, Window
from microtome.config.training import Supervision, Training
from microtome.devices import choose_device, machine_memory, repeatable, require_devices
from microtome.files import (
    DIGEST,
    digest_of_options,
    require_writable,
)
from microtome.io import views
from microtome.io.images import open_source
from microtome.io.raster import Raster, StackedSource
from microtome.io.views import find_sample
from microtome.networks.windows import WindowTransform, input_window
from microtome.stages.seen import seen_in_training
from microtome.stages.trained import card_of, is_done, write_run
from microtome.training.batches import (
    BalancedWindowBatches,
    BatchSource,
    Labelled,
    ListBatches,
    Memory,
    PatchBatches,
)
from microtome.training.batches import Window as PatchWindow
from microtome.training.kept import KeptWeights
from microtome.training.launch import Request, launch, serve
from microtome.training.loop import Trainer, fit
from microtome.training.patches import FRACTION
from microtome.training.processes import SOLO, Team, joined
from microtome.training.selection import criterion_of
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import BinaryTask, SoftmaxTask, Task, WindowTask
from microtome.training.window_lists import WindowLists

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
MB = 2**20
STRIP = 4096
"""Rows of a target that are read at once to count its classes."""
MODULE = "microtome.stages.train"
"""This module, as each process of a training job on several GPUs runs it."""


@dataclass(frozen=True)
class TrainingFiles:
    """What training reads."""

    patches: tuple[Path, ...]  # patch indices (Parquet)
    images: tuple[Path, ...]  # folders of images
    targets: tuple[Path, ...]  # folders of targets

    def labelled(self, sample: str, outputs: Sequence[str], memory: Memory) -> Labelled:
        """The image and the target of a sample, one map for each output of the network."""
        maps = [memory.hold(opened(path)) for path in self.target_files(sample, outputs)]
        target = maps[0] if len(maps) == 1 else StackedSource(tuple(maps))
        path = find_sample(self.images, sample)
        image = memory.hold(opened(path))
        if image.shape[1:] != target.shape[1:]:
            sizes = [f"{height} x {width} pixels" for _, height, width in (image.shape, target.shape)]
            found = f"an image of {sizes[0]} ({path}) and a target of {sizes[1]}"
            msg = f"sample {sample}: found {found}, expected one size; register the label, or turn its axes"
            raise ValueError(msg)
        return Labelled(image, target)

    def target_files(self, sample: str, outputs: Sequence[str]) -> list[Path]:
        """The target of each output: the class map for the mask, the folder of the kind for markers."""
        mask = find_sample(self.targets, sample)
        return [mask if name == "mask" else mask.parent / f"{name}s" / mask.name for name in outputs]

    def index(self, samples: Iterable[str]) -> pd.DataFrame:
        """The windows of some samples, a row each, with the shares of classes and regions in them."""
        frame = pd.concat([pd.read_parquet(path) for path in self.patches], ignore_index=True)
        return frame[frame["sample"].isin(list(samples))].reset_index(drop=True)


def places(index: pd.DataFrame) -> list[PatchWindow]:
    """Sample, y, x and size of each window of an index."""
    columns = (index[name].tolist() for name in ("sample", "y", "x", "size"))
    return list(zip(*columns, strict=True))


def opened(path: Path) -> Raster:
    """An image to be read by windows; no decoded tile is kept, as windows of many images come in turn."""
    return open_source(path, cache_bytes=0)


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
) -> None:
    """Train a run and write `model.safetensors`, `history.tsv` and `card.json`, or in place of the first and
    the last the folder `kept`, if `training.select.keep` is a number.

    A checkpoint is resumed if it is of the same options, images, targets, windows and code, with any number
    of processes.

    Args:
        options: The rule's options (see `workflow.states`).
        files: What training reads.
        folder: Where the run's files go.
        checkpoint: Written after each epoch, resumed from, deleted at the end.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch, of all processes together.
        code: Digest of the code behind the rule (`provenance.code`); a checkpoint of other code is not
            resumed.
        processes: Above 1, so many processes share each batch, each with a GPU of its own, or all on the CPU
            if `device` is `cpu`. Results differ from those of one process only by rounding.
        images_mb: MB of images that each process holds in memory, at most; the others are read by window,
            with the same result. None: no limit. All
            processes together hold half of the machine's memory at most.
        readers: Threads that read windows, of all processes together; results do not depend on it.

    Raises:
        ValueError: The data or the settings do not fit, the loss became NaN, or the memory does not suffice;
            of several processes, any error that one of them foresees; or there are too few GPUs.
        FileNotFoundError: A sample has no image or no target.
        OSError: The folder cannot be written to, or its disk is full.
        RuntimeError: One of several processes failed in a way that nobody foresaw.
    """
    digests = {"config": digest_of_options(options), "data": _data_digest(options, files), "code": code}
    if is_done(folder, digests):
        logger.info("an earlier process of this job has finished it; there is nothing left to do")
        checkpoint.unlink(missing_ok=True)
        return
    require_writable(folder)  # rather now than after the first epoch
    if processes <= 1:
        with repeatable(threads):
            settings = {"device": device, "digests": digests, "images_mb": images_mb, "readers": readers}
            _train_in(SOLO, options, files, folder, checkpoint=checkpoint, **settings)
        return
    _require_shares(options, processes)
    require_devices(choose_device(device), device, processes)
    share = max(1, threads // processes)
    request = {
        "options": options,
        "files": [list(map(str, paths)) for paths in astuple(files)],
        "folder": str(folder),
        "settings": {
            "checkpoint": str(checkpoint),
            "device": device,
            "digests": digests,
            "images_mb": images_mb,
            "readers": max(1, readers // processes),
        },
        "threads": share,
    }
    launch(MODULE, request, processes=processes, threads=share)


def _train_one(request: Request, rank: int, size: int) -> None:
    """Be one of the processes of `train_run`."""
    settings = request["settings"] | {"checkpoint": Path(request["settings"]["checkpoint"])}
    files = TrainingFiles(*(tuple(map(Path, paths)) for paths in request["files"]))
    with (
        repeatable(request["threads"]),
        joined(rank, size, choose_device(settings["device"])) as team,
    ):
        _train_in(team, request["options"], files, Path(request["folder"]), **settings)


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
) -> None:
    """Train in a team, see `train_run`; the first process loads the weights and writes the files."""
    threads = torch.get_num_threads() * team.size
    torch.manual_seed(options["seed"])
    model = networks.build(**options["network"])
    weights = networks.initialize(model, options["network"]) if team.is_first else ""
    loss = _counted(options, files)
    settings = Training.model_validate(options["training"])
    trainer = Trainer(
        model,
        _loss(options, loss, model),
        _task(options, model),
        settings,
        choose_device(device),
        options["seed"],
        team,
        criterion_of(settings, _told_apart(options)),
    )
    images = _images(options, files, images_mb, team.size)
    sources = [_batches(options, files, images, part, model, readers) for part in ("train", "val")]
    result = fit(trainer, *sources, checkpoint=checkpoint, key="-".join(digests.values()))
    if not team.is_first:
        return
    card = card_of(result, trainer, {**options, "loss": loss}, weights) | {
        "threads": threads,
        "digests": digests,
    }
    card |= seen_in_training(options, files.images)
    card |= {"processes": team.size} if team.size > 1 else {}
    write_run(result, folder, card, trainer.criterion, KeptWeights.beside(checkpoint))
    checkpoint.unlink(missing_ok=True)
    KeptWeights.beside(checkpoint).leave_only(())


def _loss(options: Options, loss: Options, model: torch.nn.Module) -> torch.nn.Module:
    """The loss of the result, or of all levels of the network."""
    settings = Supervision.model_validate(options.get("supervision", {}))
    built = losses.build(**loss)
    return built if settings.levels == "final" else LevelLosses(built, model.reductions, settings)


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
        return WindowTask(settings, augmentation, _transform(options), model.window)
    loss = options_of("microtome.config.losses", options["loss"]["name"])(**options["loss"])
    kind = {"softmax": SoftmaxTask, "sigmoid": BinaryTask}[activation_of(loss)]
    return kind(settings, augmentation)


def _counted(options: Options, files: TrainingFiles) -> Options:
    """The options of the loss, with the class weights in numbers if they follow from the training labels."""
    if options["loss"].get("class_weight") != INVERSE_FREQUENCY:
        return options["loss"]
    counts = _learnt(options, files)
    weights = inverse_frequency(counts)
    absent = [name for name, weight in zip(options["classes"], weights, strict=True) if weight == 0]
    if absent:
        logger.warning("no training label holds %s; the class has weight 0", ", ".join(absent))
    return {**options["loss"], "class_weight": weights.tolist()}


def _learnt(options: Options, files: TrainingFiles) -> np.ndarray:
    """The pixels of each class that training sees: of all targets, or of the windows that lists draw."""
    names, classes = options["parts"]["train"], options["classes"]
    if options["sampler"]["kind"] == "lists":
        index = files.index(names)
        times = WindowLists.collect(index, Lists.model_validate(options["sampler"])).expected(len(index))
        shares = index[[f"{FRACTION}{name}" for name in classes]].to_numpy()
        return (times * index["size"].to_numpy() ** 2.0) @ shares
    learnt = (files.target_files(name, options["outputs"])[0] for name in names)
    return sum(_class_counts(path, len(classes)) for path in learnt)


def _class_counts(target: Path, count: int) -> np.ndarray:
    """The pixels of each class in a target, read by strips: (count,)."""
    source = opened(target)
    height, width = source.shape[1:]
    strips = ((y, min(STRIP, height - y)) for y in range(0, height, STRIP))
    return sum(class_counts(source.read(y, 0, rows, width), count) for y, rows in strips)


def _transform(options: Options) -> WindowTransform:
    window = Window.model_validate(options["window"])
    return WindowTransform(foveate=window.foveate, nonuniform=window.nonuniform)


def _images(
    options: Options, files: TrainingFiles, images_mb: float | None, processes: int
) -> dict[str, Labelled]:
    """All images with their targets, held in memory as far as they may be."""
    allowed = math.inf if images_mb is None else images_mb * MB
    memory = Memory(min(allowed, machine_memory() / 2 / processes))
    names = dict.fromkeys([*options["parts"]["train"], *options["parts"]["val"]])
    images = {name: files.labelled(name, options["outputs"], memory) for name in names}
    logger.info("%.0f MB of images are held in memory", memory.held / MB)
    if memory.by_window:
        logger.info("%d images and targets are read by window, which takes longer", memory.by_window)
    return images


def _batches(
    options: Options,
    files: TrainingFiles,
    every: Mapping[str, Labelled],
    part: str,
    model: torch.nn.Module,
    readers: int = 1,
) -> BatchSource:
    """The batches of a part; validation is drawn in a fixed way."""
    size, sampler, seed = options["training"]["batch_size"], options["sampler"], options["seed"]
    holdout, training = sampler.get("holdout", 0), part == "train"
    names = [*options["parts"]["train"], *options["parts"]["val"]] if holdout else options["parts"][part]
    images = {name: every[name] for name in names}
    if sampler["kind"] == "balanced_windows":
        window = input_window(model.window, _transform(options))
        count = sampler["per_epoch" if training else "validation"]
        return BalancedWindowBatches(images, window, count, size, seed, fixed=not training)
    index = files.index(names)
    windows = places(index)
    if not windows:
        msg = f"the patch index holds no window of the {part} samples {', '.join(names)}; have they labels?"
        raise ValueError(msg)
    if sampler["kind"] == "lists":
        if not training:
            return PatchBatches(images, windows, size, seed=seed, shuffle=False, readers=readers)
        options_of_lists = Lists.model_validate(sampler)
        lists = WindowLists.collect(index, options_of_lists)
        return ListBatches(images, windows, lists, size, options_of_lists.crop, seed, readers)
    crop = sampler["crop"] if training else None
    repeats = sampler["repeats"] if training else 1
    share = (0.0, 1 - holdout) if training else (1 - holdout if holdout else 0.0, 1.0)
    copies = sampler["copies"] if training or holdout else None
    drawn = {"shuffle": training, "copies": copies, "share": share, "readers": readers}
    return PatchBatches(images, windows, size, crop, repeats, seed, **drawn)


def _data_digest(options: Options, files: TrainingFiles) -> str:
    """A hash of the images, targets and windows that are trained and validated on."""
    digest = hashlib.sha256()
    for part in ("train", "val"):
        names = options["parts"][part]
        for name in names:
            for path in (find_sample(files.images, name), *files.target_files(name, options["outputs"])):
                digest.update(views.content(path))
        index = files.index(names)
        told = index.to_dict("list") if options["sampler"]["kind"] == "lists" else places(index)
        digest.update(json.dumps(told).encode())
    return digest.hexdigest()[:DIGEST]


if __name__ == "__main__":
    serve(_train_one)
