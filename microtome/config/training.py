# SPDX-License-Identifier: MIT
"""Training: labels that are learnt, optimizer, schedule, stopping, precision."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from microtome.config.section import OfClass, Section, option, refuse, with_class

HELD_IMAGE = 512 * 2**20
"""Bytes; larger images are never held in memory while a network is trained."""
ON_GPU = 0.25
"""Share of a GPU's memory that images may take, unless the workflow says otherwise."""
IMAGES_MB = 32_000
"""MB of images that each process of a training job holds at most, where nobody says otherwise."""


class Optimizer(Section):
    """The optimizer and its constants."""

    name: Literal["adam", "adamw", "sgd"] = option("adam", "Adam, AdamW or stochastic gradient descent")
    lr: PositiveFloat = option(1e-3, "learning rate at the start; of the schedule one_cycle the highest")
    weight_decay: NonNegativeFloat = option(0.0, "L2 penalty (adam, sgd) or decoupled decay (adamw)")
    momentum: NonNegativeFloat = option(0.9, "SGD only; 0: plain stochastic gradient descent")
    nesterov: bool = option(
        False,
        "SGD with momentum only: Nesterov's, which looks a step ahead",
        exclude_if=lambda value: not value,
    )

    @model_validator(mode="after")
    def _looks_ahead_by_momentum(self) -> Self:
        """Nesterov's momentum is one of stochastic gradient descent, and above 0."""
        if self.nesterov and (self.name != "sgd" or not self.momentum):
            refuse("nesterov false, or name sgd with a momentum above 0")
        return self


class Schedule(Section):
    """The learning rate over epochs, or over single steps: lr times a factor."""

    name: Literal["constant", "step", "exponential", "cosine", "poly", "one_cycle"] = option(
        "constant",
        "constant, drops, exponential, cosine or polynomial decay; one_cycle: a cosine up to `lr`, then one "
        "down, changed with each step (Smith and Topin 2019, doi:10.1117/12.2520589)",
    )
    every: PositiveInt = option(30, "step: epochs between two drops")
    factor: PositiveFloat = option(0.1, "step: factor of a drop; exponential: factor after the last epoch")
    power: PositiveFloat = option(
        0.9, "poly: exponent of the share of the training that is left (Chen et al. 2018, arXiv:1606.00915)"
    )
    rise: Annotated[float, Field(gt=0, lt=1)] = option(
        0.3, "one_cycle: share of the training in which the rate rises, from lr / 25; it ends at lr / 250,000"
    )
    unit: Literal["epoch", "step"] = option(
        "epoch", "after what the rate changes: an epoch, or each step of the optimizer (one_cycle always)"
    )
    warmup: NonNegativeInt = option(0, "epochs of linear warm-up; not of one_cycle, which rises by itself")

    @model_validator(mode="after")
    def _rises_once(self) -> Self:
        """A cycle has a rise of its own."""
        if self.name == "one_cycle" and self.warmup:
            refuse("warmup 0 beside one_cycle, whose rate rises for the share `rise` of the training")
        return self

    @property
    def is_by_step(self) -> bool:
        """Whether the rate changes with each step."""
        return self.unit == "step" or self.name == "one_cycle"


class _Select(OfClass):
    """The best epochs by a metric of a class, counted over all pixels that validate, or the last ones.

    One word says it for most: `best`, the epoch of the least validation loss; `last`, the last epoch; `ema`,
    the averaged weights after the last epoch.
    """

    metric: Literal["iou", "dice", "loss", "last"] = option(
        "iou",
        "what is counted, of the class against the others, at 0.5; loss: the validation loss, where less is "
        "better; last: nothing, later epochs are better",
    )
    weights: Literal["trained", "ema"] = option(
        "trained",
        "what is validated and becomes the model. trained: the weights as a step leaves them; ema: their "
        "exponential moving average over all steps, see training.ema",
    )
    keep: PositiveInt | None = option(
        None,
        "so many of the best epochs are kept, for a later rule to choose; null: the best one is the model",
    )


Select = with_class(
    _Select, "the class that epochs are chosen by; null: the mean over the classes", needed=False
)

WORDS: dict[str, dict[str, str] | None] = {
    "best": None,
    "last": {"metric": "last"},
    "ema": {"metric": "last", "weights": "ema"},
}
"""Words for the usual ways to choose."""


def _in_full(value: Any) -> Any:
    """The options that a word stands for."""
    if not isinstance(value, str):
        return value
    if value not in WORDS:
        refuse(f"{', '.join(repr(word) for word in WORDS)}, or options")
    return WORDS[value]


Selected = Annotated[
    Select | None,
    BeforeValidator(_in_full, json_schema_input_type=Select | Literal[tuple(WORDS)] | None),
]


class Supervision(Section):
    """Which outputs of a network are trained, where it has several (`levels`), coarse to fine."""

    levels: Literal["final", "all"] = option(
        "final", "final: the result alone; all: the sum of the losses of all levels, each a mean of its own"
    )
    weights: tuple[NonNegativeFloat, ...] = option((), "all: of each level, coarse to fine; empty: 1 each")
    targets: Literal["nearest", "majority"] = option(
        "nearest",
        "all: the label of a pixel of a coarser level. nearest: of the pixel in its centre; majority: the "
        "most frequent of its labelled pixels, of several the class that comes last",
    )


class Learn(Section):
    """Which labels of the training images are learnt; validation and evaluation always take all labels."""

    share: Annotated[float, Field(gt=0, le=1)] = option(
        1.0,
        "share of the labelled pixels of each training image, in whole squares drawn at random; with one "
        "seed the squares of a smaller share are among those of a larger one",
    )
    of: Literal["labelled", "pixels"] = option(
        "labelled", "what `share` is a share of: the labelled pixels of the image, or all its pixels"
    )
    block: PositiveInt = option(64, "side of a square, pixels")
    fill: str | None = option(
        None,
        "class of data.classes as which pixels are learnt that have no label, or whose label is left out; "
        "null: they are not learnt",
    )
    seed: NonNegativeInt = option(0, "fixes the draw")

    @property
    def is_all(self) -> bool:
        """Whether labels are learnt as they are."""
        return self.share == 1 and self.fill is None


class Training(Section):
    """One training run."""

    epochs: PositiveInt = option(100, "passes over what the sampler draws, at most")
    batch_size: PositiveInt = option(4, "windows of one optimizer step, on all GPUs together")
    optimizer: Optimizer = option(Optimizer(), "the optimizer and its constants")
    schedule: Schedule = option(Schedule(), "the learning rate over epochs or steps")
    patience: PositiveInt | None = option(None, "epochs without a better validation loss before stopping")
    grad_clip: PositiveFloat | None = option(None, "largest norm of the gradient")
    precision: Literal["auto", "fast", "fp32", "bf16"] = option(
        "auto",
        "auto: bf16 on a GPU, fp32 on a CPU; fast: bf16 on a CPU, too, if it computes in it (AVX-512 BF16 or "
        "AMX) and the network is 2-D, so that weights of two kinds of CPUs differ. The card says what it was",
    )
    channels_last: bool = option(True, "memory layout; faster on most machines")
    validate_every: PositiveInt = option(1, "epochs between two validations")
    select: Selected = option(
        None,
        "which epoch is the best, in a word or in full; null and best: that of the least validation loss",
    )
    ema: Annotated[float, Field(gt=0, lt=1)] = option(
        0.999,
        "select.weights ema: how much of the average each step leaves, at most (less in the first steps); "
        "running statistics of batch normalisation are averaged likewise",
    )
    compile: bool = option(
        False, "the network is compiled by torch.compile before the first step; for long trainings on GPUs"
    )
    deterministic: bool = option(
        True,
        "on a GPU, kernels that give the same weights each time; false: those that are measured to be the "
        "fastest there. CPUs always repeat themselves",
    )
