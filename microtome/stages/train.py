# SPDX-License-Identifier: MIT
"""Train one run: from patch indices and images to weights, history and card."""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file

from microtome import environment, losses, networks
from microtome.augment import Augmentation
from microtome.config.sampling import Augment, Input, Window
from microtome.config.training import Training
from microtome.devices import choose_device
from microtome.images import open_source
from microtome.job import finished_file, write_json
from microtome.stages.folders import find_sample
from microtome.training.batches import BalancedWindowBatches, BatchSource, Labelled, PatchBatches, in_memory
from microtome.training.loop import Fit, Trainer, fit
from microtome.training.tasks import BinaryTask, Task, WindowTask
from microtome.windows import WindowTransform, input_window

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]


@dataclass(frozen=True)
class TrainingFiles:
    """What training reads.

    Attributes:
        patches: Patch indices (Parquet).
        images: Folders of images.
        targets: Folders of targets.
    """

    patches: tuple[Path, ...]
    images: tuple[Path, ...]
    targets: tuple[Path, ...]

    def labelled(self, sample: str) -> Labelled:
        """The image and the target of a sample."""
        image, target = (find_sample(folders, sample) for folders in (self.images, self.targets))
        return Labelled(in_memory(open_source(image)), in_memory(open_source(target)))

    def index(self, samples: Iterable[str]) -> list[tuple[str, int, int, int]]:
        """The windows of some samples."""
        frame = pd.concat([pd.read_parquet(path) for path in self.patches], ignore_index=True)
        wanted = frame[frame["sample"].isin(list(samples))]
        return [
            (str(s), int(y), int(x), int(size))
            for s, y, x, size in wanted[["sample", "y", "x", "size"]].itertuples(index=False)
        ]


def train_run(
    options: Options, files: TrainingFiles, folder: Path, *, checkpoint: Path, device: str, threads: int
) -> None:
    """Train a run and write `model.safetensors`, `history.tsv` and `card.json`.

    Args:
        options: The rule's options (see `plan.StudyPlan.train`).
        files: What training reads.
        folder: Where the run's files go.
        checkpoint: Written after each epoch, resumed from, deleted at the end.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.manual_seed(options["seed"])
    model = networks.build(**options["network"])
    trainer = Trainer(
        model,
        losses.build(**options["loss"]),
        _task(options, model),
        Training(**options["training"]),
        choose_device(device),
        options["seed"],
    )
    started = datetime.now(UTC)
    sources = [_batches(options, files, part, model) for part in ("train", "val")]
    result = fit(trainer, *sources, checkpoint=checkpoint, key=_digest(options))
    _write(result, options, folder, _card(result, trainer, options, files, started, threads))
    checkpoint.unlink(missing_ok=True)


def _task(options: Options, model: torch.nn.Module) -> Task:
    """The task that belongs to the sampler."""
    settings, augmentation = (
        Input(**options["input"]),
        Augmentation(**Augment(**options["augment"]).model_dump()),
    )
    if options["sampler"]["kind"] == "balanced_windows":
        return WindowTask(settings, augmentation, _transform(options), model.window)
    return BinaryTask(settings, augmentation)


def _transform(options: Options) -> WindowTransform:
    window = Window(**options["window"])
    return WindowTransform(foveate=window.foveate, nonuniform=window.nonuniform)


def _batches(options: Options, files: TrainingFiles, part: str, model: torch.nn.Module) -> BatchSource:
    """The batches of a part; validation is drawn in a fixed way."""
    names, training = options["parts"][part], part == "train"
    images = {name: files.labelled(name) for name in names}
    size, sampler, seed = options["training"]["batch_size"], options["sampler"], options["seed"]
    if sampler["kind"] == "balanced_windows":
        window = input_window(model.window, _transform(options))
        count = sampler["per_epoch" if training else "validation"]
        return BalancedWindowBatches(images, window, count, size, seed, fixed=not training)
    windows, repeats = files.index(names), sampler["repeats"] if training else 1
    if not windows:
        msg = f"the patch index holds no window of the {part} samples {', '.join(names)}; have they labels?"
        raise ValueError(msg)
    crop = sampler["crop"] if training else None
    return PatchBatches(images, windows, size, crop, repeats, seed, shuffle=training)


def _card(
    result: Fit, trainer: Trainer, options: Options, files: TrainingFiles, started: datetime, threads: int
) -> dict[str, Any]:
    """What a reader must know of a trained run."""
    network = dict(options["network"])
    best = result.history[result.best_epoch - 1]
    return {
        **{key: options[key] for key in ("study", "run", "label", "split", "seed", "scale", "data_source")},
        "network": {
            "name": network.pop("name"),
            "options": network,
            "parameters": networks.parameter_count(trainer.model),
            "weights": "random initialisation",
        },
        "loss": options["loss"],
        "training": {key: options[key] for key in ("training", "sampler", "augment", "input", "window")},
        "samples": {part: len(names) for part, names in options["parts"].items()},
        "epochs_run": len(result.history),
        "best_epoch": result.best_epoch,
        "best_val_loss": best["val_loss"],
        "seconds": {
            "train": sum(row["train_seconds"] for row in result.history),
            "validate": sum(row["val_seconds"] for row in result.history),
        },
        "device": str(trainer.device),
        "threads": threads,
        "precision": "bf16" if trainer.autocast._enabled else "fp32",
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "resumed": result.resumed,
        "digests": {"config": _digest(options), "data": _data_digest(options, files)},
        "git_commit": environment.git_state(Path.cwd()),
        "versions": environment.versions(),
    }


def _write(result: Fit, options: Options, folder: Path, card: dict[str, Any]) -> None:
    """Write weights, history and card, the card last."""
    with finished_file(folder / "model.safetensors") as partial:
        meta = {"study": options["study"], "run": options["run"], "config": card["digests"]["config"]}
        save_file(
            {name: value.contiguous() for name, value in result.weights.items()}, partial, metadata=meta
        )
    history = pd.DataFrame(result.history)
    history["seconds"] = history["train_seconds"] + history["val_seconds"]
    with finished_file(folder / "history.tsv") as partial:
        history.to_csv(partial, sep="\t", index=False)
    card["digests"]["weights"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:16]
    write_json(folder / "card.json", card)


def _digest(options: Options) -> str:
    """A hash of the run's options."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:16]


def _data_digest(options: Options, files: TrainingFiles) -> str:
    """A hash of the images and targets that were trained and validated on."""
    digest = hashlib.sha256()
    for part in ("train", "val"):
        for name in options["parts"][part]:
            for folders in (files.images, files.targets):
                digest.update(find_sample(folders, name).read_bytes())
    return digest.hexdigest()[:16]
