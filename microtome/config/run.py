# SPDX-License-Identifier: MIT
"""A run: one arm of an ablation, from sampling to segmentation."""

from typing import Literal

from pydantic import NonNegativeInt

from microtome.config import modalities
from microtome.config.augment import Augment
from microtome.config.entries import union
from microtome.config.losses import activation_of
from microtome.config.prediction import Calibration, Predict, Segment, Threshold
from microtome.config.sampling import Input, PatchSampler, Sampler, Window
from microtome.config.section import Section, option
from microtome.config.training import Learn, Supervision, Training
from microtome.config.tune import Tune

Loss = union("microtome.config.losses", "name", needs=("TARGET",))
Network = union("microtome.config.networks", "name", needs=("WINDOWS",))
Classifier = union("microtome.config.classifiers", "name")
View = Literal[("image", *modalities.views())]
VIEWS = "; ".join(f"{name}: {text}" for name, text in modalities.views().items())


class _Run(Section):
    """What every run has, whatever the modalities of its study."""

    label: str = option("", "name in tables and figures; empty: the run's key")
    network: Network | None = option(None, "null only for an ensemble, or beside a `classifier`")
    classifier: Classifier | None = option(
        None,
        "in the place of a network: a method that is fitted to the spectra of training pixels at once, "
        "without loss and epochs, on images as they are (no `input`, `augment`, `sampler`, `training`)",
    )
    members: tuple[str, ...] = option((), "an ensemble: the runs whose probability maps are averaged")
    member_seeds: tuple[NonNegativeInt, ...] = option(
        (), "an ensemble: seeds of each member that are averaged; empty: its own seed"
    )
    uncertainty: bool = option(
        False, "an ensemble: also write where members doubt (predictive entropy, mutual information)"
    )
    loss: Loss | None = option(None, "null only for an ensemble, or beside a `classifier`")
    view: View = option("image", f"what the network sees. image: the picture; {VIEWS}")
    splits: tuple[str, ...] = option(
        (), "the ones of the study's `splits` that it is trained on; empty: all (an ensemble: its members')"
    )
    weights_of: str | None = option(
        None, "the run is not trained; it predicts with the weights of this run, on its own view"
    )
    input: Input = option(Input(), "scaling of the pixels")
    sampler: Sampler = option(PatchSampler(), "what an epoch consists of")
    window: Window = option(Window(), "what a sliding-window network sees")
    augment: Augment = option(Augment(), "random changes of the training images")
    learn: Learn = option(Learn(), "which labels of the training images are learnt")
    training: Training = option(Training(), "optimizer, schedule, stopping")
    supervision: Supervision = option(Supervision(), "which outputs of the network are trained")
    predict: Predict = option(Predict(), "how whole images are predicted")
    calibration: Calibration = option(Calibration(), "from predicted value to frequency")
    segment: Segment = option(Threshold(), "from probability map to label map")
    tune: Tune | None = option(
        None,
        "options of `segment` that are chosen on held-out images; null: none",
        exclude_if=lambda value: value is None,
    )
    seeds: tuple[NonNegativeInt, ...] = option((0,), "one training for each seed", min_length=1)

    @property
    def is_trained(self) -> bool:
        """Whether it has a training of its own: it is no ensemble and borrows no weights."""
        return self.network is not None and self.weights_of is None

    @property
    def has_history(self) -> bool:
        """Whether a network was trained for it, epoch by epoch: it is no ensemble and no pixel classifier."""
        return not self.is_ensemble and self.classifier is None

    @property
    def needs_validation(self) -> bool:
        """Whether the part `val` is used: to choose by, unless windows are held out, calibrate, tune."""
        if self.is_calibrated or self.tune is not None:
            return True
        return self.is_trained and not getattr(self.sampler, "holdout", 0)

    @property
    def is_calibrated(self) -> bool:
        """Whether its maps are calibrated; those of ensembles and classifiers are taken as they are."""
        return self.network is not None and self.calibration.kind != "none"

    @property
    def has_class_maps(self) -> bool:
        """Whether a trained run gives a probability map for each class, which sum to 1."""
        if self.classifier is not None:
            return True
        if self.network is None or self.loss is None:
            return False
        if self.network.WINDOWS:  # of two classes, the map of the second
            return getattr(self.network, "classes", 2) > 2
        return activation_of(self.loss) == "softmax"

    @property
    def activation(self) -> Literal["sigmoid", "softmax"]:
        """How the maps of a trained run are to be read: each by itself, or classes that sum to 1."""
        return "softmax" if self.has_class_maps else "sigmoid"

    @property
    def is_ensemble(self) -> bool:
        """Whether the run averages other runs."""
        return bool(self.members)

    @property
    def kind(self) -> str:
        """How the run's maps come about: `ensemble`, `classifier`, `calibrated`, `plain`, `borrowed` weights.

        `recalibrated`: the maps of borrowed weights are calibrated. `kept`: training leaves several epochs,
        of which a later rule makes one the model.
        """
        if self.weights_of is not None:
            return "recalibrated" if self.is_calibrated else "borrowed"
        if self.is_ensemble or self.classifier is not None:
            return "ensemble" if self.is_ensemble else "classifier"
        if self.is_calibrated:
            return "calibrated"
        return "kept" if self.training.select is not None and self.training.select.keep else "plain"


class Run(*modalities.options("RunOptions"), _Run):
    """One arm of a study: the defaults of the study file with this run's changes."""
