# SPDX-License-Identifier: MIT
"""A run: one arm of an ablation, from sampling to segmentation."""

from pydantic import Field, NonNegativeInt

from microtome.config.base import Section
from microtome.config.losses import Loss
from microtome.config.networks import Network
from microtome.config.prediction import Calibration, Predict, Segment
from microtome.config.sampling import Augment, Input, PatchSampler, Sampler, Window
from microtome.config.training import Training


class Run(Section):
    """One arm of a study: the defaults of the study file with this run's changes."""

    label: str = Field("", description="name in tables and figures; empty: the run's key")
    network: Network | None = Field(None, description="null only for an ensemble")
    members: tuple[str, ...] = Field(
        (), description="an ensemble: the runs whose probability maps are averaged"
    )
    loss: Loss | None = None
    input: Input = Input()
    sampler: Sampler = PatchSampler()
    window: Window = Window()
    augment: Augment = Augment()
    training: Training = Training()
    predict: Predict = Predict()
    calibration: Calibration = Calibration()
    segment: Segment = Segment()
    seeds: tuple[NonNegativeInt, ...] = Field((0,), min_length=1)

    @property
    def is_ensemble(self) -> bool:
        """Whether the run averages other runs."""
        return bool(self.members)
