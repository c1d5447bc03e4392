# SPDX-License-Identifier: MIT
"""Training: optimizer, schedule, stopping, precision."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from microtome.config.section import Section


class Optimizer(Section):
    """The optimizer and its constants."""

    name: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="Adam, AdamW or stochastic gradient descent"
    )
    lr: PositiveFloat = Field(1e-3, description="learning rate at the start")
    weight_decay: NonNegativeFloat = Field(
        0.0, description="L2 penalty (adam, sgd) or decoupled decay (adamw)"
    )
    momentum: NonNegativeFloat = Field(0.9, description="SGD only")


class Schedule(Section):
    """The learning rate over epochs: lr times a factor."""

    name: Literal["constant", "step", "exponential", "cosine"] = Field(
        "constant", description="constant, drops, exponential or cosine decay"
    )
    every: PositiveInt = Field(30, description="step: epochs between two drops")
    factor: PositiveFloat = Field(
        0.1, description="step: factor of a drop; exponential: factor reached after the last epoch"
    )
    warmup: NonNegativeInt = Field(0, description="epochs of linear warm-up")


class Training(Section):
    """One training run."""

    epochs: PositiveInt = Field(100, description="passes over what the sampler draws, at most")
    batch_size: PositiveInt = Field(4, description="windows of one optimizer step, on all GPUs together")
    optimizer: Optimizer = Field(Optimizer(), description="the optimizer and its constants")
    schedule: Schedule = Field(Schedule(), description="the learning rate over epochs")
    patience: PositiveInt | None = Field(
        None, description="epochs without a better validation loss before stopping"
    )
    grad_clip: PositiveFloat | None = Field(None, description="largest norm of the gradient")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 on a GPU, fp32 on a CPU"
    )
    channels_last: bool = Field(True, description="memory layout; faster on most machines")
    validate_every: PositiveInt = Field(1, description="epochs between two validations")
