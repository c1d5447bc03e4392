# SPDX-License-Identifier: MIT
"""What a run is trained on: images with the labels that are learnt, and batches of their windows."""

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from microtome.class_maps import class_counts, inverse_frequency
from microtome.config.augment import Augment
from microtome.config.losses._classes import INVERSE_FREQUENCY
from microtome.config.sampling import Crops, Lists, Window
from microtome.config.training import ON_GPU, Learn
from microtome.devices import device_memory, machine_memory
from microtome.files import DIGEST
from microtome.io import views
from microtome.io.images import open_source
from microtome.io.raster import Raster, StackedSource
from microtome.io.views import find_sample
from microtome.networks.windows import WindowTransform, input_window
from microtome.training.batches import BalancedWindowBatches, BatchSource, ListBatches, PatchBatches
from microtome.training.buffers import Buffers
from microtome.training.crops import CropBatches
from microtome.training.labelled import ALONE, Labelled, Memory, Surroundings
from microtome.training.labelled import Window as PatchWindow
from microtome.training.partial_labels import learn_part, shares_learnt
from microtome.training.patches import FRACTION
from microtome.training.resident import Resident, bytes_of
from microtome.training.window_lists import WindowLists

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
CPU = torch.device("cpu")
MB = 2**20
STRIP = 4096
"""Rows of a target that are read at once to count its classes."""


@dataclass(frozen=True)
class TrainingFiles:
    """What training reads."""

    patches: tuple[Path, ...]  # patch indices (Parquet)
    images: tuple[Path, ...]  # folders of images
    targets: tuple[Path, ...]  # folders of targets

    @classmethod
    def of(cls, inputs: Mapping[str, Iterable[str]]) -> Self:
        """The inputs of a job, by these names.

        Example:
            >>> files = TrainingFiles.of({"patches": ["a.parquet"], "images": ["b"], "targets": ["c"]})
            >>> files.targets[0].name
            'c'
        """
        return cls(*(tuple(map(Path, inputs[name])) for name in ("patches", "images", "targets")))

    def labelled(self, sample: str, outputs: Sequence[str], memory: Memory | None = None) -> Labelled:
        """The image and the target of a sample, one map for each output of the network; held if asked for."""
        maps = [opened(path) for path in self.target_files(sample, outputs)]
        target = maps[0] if len(maps) == 1 else StackedSource(tuple(maps))
        path = find_sample(self.images, sample)
        image = opened(path)
        if image.shape[1:] != target.shape[1:]:
            sizes = [f"{height} x {width} pixels" for _, height, width in (image.shape, target.shape)]
            found = f"an image of {sizes[0]} ({path}) and a target of {sizes[1]}"
            msg = f"sample {sample}: found {found}, expected one size; register the label, or turn its axes"
            raise ValueError(msg)
        found = Labelled(image, target)
        return found if memory is None else found.held(memory)

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


@dataclass(frozen=True, eq=False)
class TrainingImages(Mapping[str, Labelled]):
    """Images with their labels by sample, and where batches of them are made.

    Attributes:
        every: Sample name to image and labels.
        buffers: Where batches lie.
        resident: All of them on the GPU, where batches are cut; None: they are on the host.
    """

    every: Mapping[str, Labelled]
    buffers: Buffers
    resident: Resident | None = None

    def __getitem__(self, sample: str) -> Labelled:
        return self.every[sample]

    def __iter__(self) -> Iterator[str]:
        return iter(self.every)

    def __len__(self) -> int:
        return len(self.every)


def read_images(
    options: Options,
    files: TrainingFiles,
    images_mb: float | None,
    processes: int,
    device: torch.device = CPU,
    on_gpu: float | None = None,
) -> TrainingImages:
    """All images with the labels that they are learnt or validated by, in memory as far as they may be.

    Args:
        options: The rule's options.
        files: Where they are.
        images_mb: MB that this process holds in the host's memory, at most; None: no limit.
        processes: All processes together hold half of the machine's memory at most.
        device: Where the network is trained; if it is a GPU, batches lie where it copies from.
        on_gpu: Share of a GPU's memory that images may take; None: `ON_GPU`. If all fit, they lie there, and
            the host holds their labels alone.
    """
    allowed = math.inf if images_mb is None else images_mb * MB
    memory = Memory(min(allowed, machine_memory() / 2 / processes))
    names = dict.fromkeys([*options["parts"]["train"], *options["parts"]["val"]])
    room = (ON_GPU if on_gpu is None else on_gpu) * device_memory(device)
    fits = room > 0 and bytes_of(files.labelled(name, options["outputs"]) for name in names) <= room
    images = {name: files.labelled(name, options["outputs"]).held(memory, pixels=False) for name in names}
    learnt = {name: images[name] for name in options["parts"]["train"]}
    images |= learn_part(learnt, _learn(options), options["classes"])
    resident = _resident(images, device) if fits else None
    if resident is None:  # all labels first: small as they are, they take the longest to decode
        images = {name: replace(one, image=memory.hold(one.image)) for name, one in images.items()}
    logger.info("%.0f MB of images are held in memory", memory.held / MB)
    if memory.by_window:
        logger.info("%d images and targets are read by window, which takes longer", memory.by_window)
    return TrainingImages(images, Buffers(pinned=device.type == "cuda"), resident)


def _resident(images: Mapping[str, Labelled], device: torch.device) -> Resident | None:
    """Images that lie on a GPU; None where other programs leave no room for them."""
    try:
        return Resident.collect(images, device)
    except torch.OutOfMemoryError:
        text = "the memory of the GPU that others leave has no room for the images; they stay on the host"
        logger.warning(text)
        return None


def learnt_labels(options: Options, images: Mapping[str, Labelled]) -> dict[str, Any]:
    """What a card says of labels of which a part is learnt; nothing if all are."""
    if _learn(options).is_all:
        return {}
    return {"labels": shares_learnt({name: images[name] for name in options["parts"]["train"]})}


def _learn(options: Options) -> Learn:
    return Learn.model_validate(options.get("learn", {}))


def counted_loss(options: Options, files: TrainingFiles, images: Mapping[str, Labelled]) -> Options:
    """The options of the loss, with the class weights in numbers if they follow from the training labels."""
    if options["loss"].get("class_weight") != INVERSE_FREQUENCY:
        return options["loss"]
    counts = _learnt_pixels(options, files, images)
    weights = inverse_frequency(counts)
    absent = [name for name, weight in zip(options["classes"], weights, strict=True) if weight == 0]
    if absent:
        logger.warning("no training label holds %s; the class has weight 0", ", ".join(absent))
    return {**options["loss"], "class_weight": weights.tolist()}


def _learnt_pixels(options: Options, files: TrainingFiles, images: Mapping[str, Labelled]) -> np.ndarray:
    """The pixels of each class that training sees: of all labels, or of the windows that lists draw."""
    names, classes = options["parts"]["train"], options["classes"]
    if options["sampler"]["kind"] == "lists":
        index = files.index(names)
        times = WindowLists.collect(index, Lists.model_validate(options["sampler"])).expected(len(index))
        shares = index[[f"{FRACTION}{name}" for name in classes]].to_numpy()
        return (times * index["size"].to_numpy() ** 2.0) @ shares
    return sum(_class_counts(images[name].label, len(classes)) for name in names)


def _class_counts(label: Raster, count: int) -> np.ndarray:
    """The pixels of each class in the first map of a label, read by strips: (count,)."""
    height, width = label.shape[1:]
    strips = ((y, min(STRIP, height - y)) for y in range(0, height, STRIP))
    return sum(class_counts(label.read(y, 0, rows, width, slice(0, 1)), count) for y, rows in strips)


def batches(
    options: Options,
    files: TrainingFiles,
    every: TrainingImages,
    part: str,
    model: torch.nn.Module,
    readers: int = 1,
) -> BatchSource | None:
    """The batches of a part; validation is drawn in a fixed way, and is None where nothing is kept for it."""
    size, sampler, seed = options["training"]["batch_size"], options["sampler"], options["seed"]
    holdout, training = sampler.get("holdout", 0), part == "train"
    names = [*options["parts"]["train"], *options["parts"]["val"]] if holdout else options["parts"][part]
    if not names and not training:
        return None
    images = {name: every[name] for name in names}
    made = {"buffers": every.buffers, "resident": every.resident}
    if sampler["kind"] == "balanced_windows":
        window = input_window(model.window, window_transform(options))
        count = sampler["per_epoch" if training else "validation"]
        return BalancedWindowBatches(images, window, count, size, seed, fixed=not training, **made)
    if sampler["kind"] == "crops" and training:
        return _crops(options, images, readers, made)
    index = files.index(names)
    windows = places(index)
    if not windows:
        found = f"the patch index holds no window of the {part} samples {', '.join(names)}"
        msg = f"{found}; have they labels, and as many as patches.labelled asks for?"
        raise ValueError(msg)
    if sampler["kind"] in ("lists", "crops") and not training:
        return PatchBatches(images, windows, size, seed=seed, shuffle=False, readers=readers, **made)
    if sampler["kind"] == "lists":
        options_of_lists = Lists.model_validate(sampler)
        lists = WindowLists.collect(index, options_of_lists)
        crop = options_of_lists.crop
        around = _surroundings(options, _side(index, crop))
        return ListBatches(images, windows, lists, size, crop, seed, readers, around, **made)
    crop = sampler["crop"] if training or sampler.get("validate_crops") else None
    repeats = sampler["repeats"] if training else 1
    share = (0.0, 1 - holdout) if training else (1 - holdout if holdout else 0.0, 1.0)
    copies = sampler["copies"] if training or holdout else None
    around = _surroundings(options, _side(index, crop)) if training or copies else ALONE
    drawn = {"shuffle": training, "copies": copies, "share": share, "readers": readers, "around": around}
    drawn["by_sample"] = sampler.get("split_by") == "source"
    return PatchBatches(images, windows, size, crop, repeats, seed, **drawn, **made)


def _crops(
    options: Options, images: Mapping[str, Labelled], readers: int, made: Mapping[str, Any]
) -> CropBatches:
    """Crops of whole images, which training draws."""
    sampler, size = Crops.model_validate(options["sampler"]), options["training"]["batch_size"]
    chosen = {"per_epoch": sampler.per_epoch, "rich": sampler.rich, "seed": options["seed"]}
    around = _surroundings(options, sampler.size)
    return CropBatches(images, sampler.size, size, **chosen, readers=readers, around=around, **made)


def _side(index: pd.DataFrame, crop: int | None) -> int:
    """The side of the windows of an index, or of squares of `crop` pixels in them."""
    size = int(index["size"].max())
    return min(crop or size, size)


def _surroundings(options: Options, side: int) -> Surroundings:
    """What augmentation may look at beyond windows of a side."""
    augment = Augment.model_validate(options["augment"])
    return Surroundings(augment.reach(side), mirrors_labels=augment.target_fill == "border")


def window_transform(options: Options) -> WindowTransform:
    """What is done to the raw windows of a network of windows."""
    window = Window.model_validate(options["window"])
    return WindowTransform(foveate=window.foveate, nonuniform=window.nonuniform)


def data_digest(options: Options, files: TrainingFiles) -> str:
    """A hash of the images, targets and windows that are trained and validated on."""
    digest = hashlib.sha256()
    for part in ("train", "val"):
        names = options["parts"][part]
        for name in names:
            for path in (find_sample(files.images, name), *files.target_files(name, options["outputs"])):
                for block in views.content(path):
                    digest.update(block)
        index = files.index(names)
        told = index.to_dict("list") if options["sampler"]["kind"] == "lists" else places(index)
        digest.update(json.dumps(told).encode())
    return digest.hexdigest()[:DIGEST]
