# SPDX-License-Identifier: MIT
"""Batches and augmentations whose results are recorded in `recorded/augmented.npz`."""

from dataclasses import dataclass

import numpy as np

from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.networks.windows import WindowTransform
from microtome.training.tasks import BinaryTask, SoftmaxTask, Task, WindowTask

COUNT, SIDE, NET_WINDOW = 3, 13, 9
TURNS = {"horizontal_flip": 0.5, "vertical_flip": 0.5, "rotate90": 0.75}
AFFINE = {"rotation": 40.0, "scale": (0.8, 1.3), "translate": 0.1, "shear": 0.2}
ELASTIC = {"elastic_alpha": 60.0, "elastic_sigma": 3.0, "elastic_probability": 0.5}
INTENSITY = {
    "blur_sigma": 1.5,
    "stain": 0.2,
    "contrast": 0.3,
    "brightness": 0.3,
    "intensity_shift": 0.1,
    "gamma": 0.4,
    "speckle": 0.2,
    "gaussian_noise": 0.1,
}
LISTED = (
    *("intensity_shift", "rotation", "gamma", "horizontal_flip"),
    *("scale", "speckle", "stain", "blur_sigma"),
)
FLOOR = {"border": "zero", "target_rounding": "floor"}


@dataclass(frozen=True)
class Case:
    """A batch and what becomes of it.

    Attributes:
        augment: Options of the augmentation.
        task: `binary`, `softmax` or `windows`.
        input: Options of the input.
        masks: Whether labels are 0 and 1, in two maps; else classes, some of them not labelled.
        draws: Seeds of fixed copies.
        margin: Of the windows.
        bits: Of the pixels.
        seed: Of the augmentation.
    """

    augment: dict
    task: str = "softmax"
    input: dict | None = None
    masks: bool = False
    draws: tuple = ()
    margin: int = 0
    bits: int = 8
    seed: int | None = 5

    @property
    def made(self) -> Task:
        """The task."""
        settings, chosen = Input(**(self.input or {})), Augment(**self.augment)
        if self.task == "windows":
            transform = WindowTransform(foveate=True, nonuniform=True, start=1.0, strength=0.3)
            return WindowTask(settings, chosen, transform, NET_WINDOW)
        return {"binary": BinaryTask, "softmax": SoftmaxTask}[self.task](settings, chosen)

    @property
    def images(self) -> np.ndarray:
        """(N, 3, side, side) uint8 or uint16, as they are stored."""
        side = SIDE + 2 * self.margin
        generator = np.random.default_rng(1)
        return generator.integers(0, 2**self.bits, (COUNT, 3, side, side), dtype=f"uint{self.bits}")

    @property
    def labels(self) -> np.ndarray:
        """(N, maps, side, side) uint8, or (N, 1, 1, 1) of windows."""
        side = 1 if self.task == "windows" else SIDE + 2 * self.margin
        chosen, maps = ([0, 1], 2) if self.masks else ([0, 1, 2, 255], 1)
        return np.random.default_rng(2).choice(np.uint8(chosen), (COUNT, maps, side, side))


CASES = {
    "as they are": Case({}, seed=None),
    "turns": Case(TURNS),
    "turns of masks": Case(TURNS, "binary", masks=True),
    "affine": Case(AFFINE),
    "affine, zero, floor": Case(AFFINE | FLOOR, "binary", masks=True),
    "affine, round": Case(AFFINE | {"target_rounding": "round"}, "binary", masks=True),
    "affine, not labelled": Case(AFFINE | {"target_fill": "ignore"}, margin=4),
    "deformed": Case(TURNS | {"rotation": 20.0} | ELASTIC),
    **{name: Case({name: strength}) for name, strength in INTENSITY.items()},
    "intensities": Case(INTENSITY, input={"mean": 0.3, "std": 0.2}),
    "all": Case(TURNS | AFFINE | ELASTIC | INTENSITY, margin=2),
    "wider than 0..1": Case({"gamma": 0.4, "brightness": 0.3}, input={"scale": 200.0}),
    "16 bits": Case(TURNS | AFFINE | {"contrast": 0.2}, input={"scale": 65535.0}, bits=16),
    "listed": Case(
        {name: (TURNS | AFFINE | INTENSITY)[name] for name in LISTED}
        | {"order": LISTED, "intensity_clip": "bright"},
        margin=3,
    ),
    "noise before geometry": Case(
        {"speckle": 0.2, "blur_sigma": 4.0, "rotation": 30.0, "order": ("speckle", "blur_sigma", "rotation")},
        margin=3,
    ),
    "intensities listed": Case(
        {name: INTENSITY[name] for name in ("speckle", "gamma")} | {"order": ("speckle", "gamma")}, margin=3
    ),
    "copies as published": Case(
        {"horizontal_flip": 0.5, "rotation": 25.0, "translate": 0.2} | FLOOR,
        "binary",
        masks=True,
        draws=(None, 11, 12),
    ),
    "copies": Case(TURNS | AFFINE | ELASTIC | INTENSITY, draws=(7, None, 8), margin=2),
    "copies, wider": Case(INTENSITY, input={"scale": 150.0}, draws=(7, 9, 8)),
    "zoomed masks": Case(TURNS | FLOOR, "binary", {"zoom": 0.75}, masks=True),
    "zoomed classes": Case(TURNS, "softmax", {"zoom": 1.6}),
    "windows": Case(TURNS | {"rotation": 30.0, "contrast": 0.2}, "windows", {"mean": 0.4}),
}
