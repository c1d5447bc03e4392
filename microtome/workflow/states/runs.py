# SPDX-License-Identifier: MIT
"""States of the rules that train, predict, calibrate, segment, average and evaluate."""

from functools import cache
from typing import Any

from microtome.config.checks_tune import families_of
from microtome.config.entries import model
from microtome.config.evaluated import constants, lower_is_better
from microtome.config.losses._classes import INVERSE_FREQUENCY
from microtome.config.outputs import LOSSES, TWO, resolved_loss
from microtome.config.run import Run
from microtome.config.section import OfClass
from microtome.config.training import Schedule, Training
from microtome.config.tune import with_values
from microtome.study import modalities
from microtome.study.plan import StudyPlan
from microtome.study.tuning import held_out
from microtome.workflow.states import state_of
from microtome.workflow.states.data import downsample

LEARNT = ("network", "loss", "input", "sampler", "window", "augment", "training")
LATER = {"select", "ema", "compile", "deterministic"}
"""Options of training that a run of before does not have."""
LATER_OF_SCHEDULES = {"power", "rise", "unit"}
"""Likewise, of its schedule."""
EVALUATED = {"metrics", "thresholds", "betas", "mean_classes"}
OF_FAMILY = {"surface": "tolerance"}
"""Options of evaluation by the one family of metrics that takes them."""
PREDICTED = ("predict", "input", "window", "network")
MAPPED = ("predict", "classifier")
"""What the maps of a pixel classifier depend on."""
NO_WEIGHTS = {"class_weight": None}
"""How a loss is measured whose class weights are counted in training: runs are compared without them."""


@cache
def train(plan: StudyPlan, split: str, run: str, seed: int) -> str:
    """State of `train`."""
    settings = plan.study.runs[run]
    options = {field: getattr(settings, field).model_dump(mode="json") for field in LEARNT}
    options["training"] = _training(settings)
    if not settings.learn.is_all:
        options["learn"] = settings.learn.model_dump(mode="json")
    if settings.supervision.levels != "final":  # else as it was before there was a choice
        options["supervision"] = settings.supervision.model_dump(mode="json")
    parts = {part: plan.learnt(split, part) for part in ("train", "val")}
    data = {"parts": parts, "classes": plan.classes, "data_source": plan.data_kind}
    data |= {"activation": settings.activation}
    for training in modalities.ask("training"):
        options |= training(plan.study, settings)
    methods = [network_module(settings), f"microtome.losses.{settings.loss.name}"]
    return state_of("train", options | identity(plan, split, run, seed) | data, methods)


def _training(settings: Run) -> dict[str, Any]:
    """The options of training; those that came later only where they are not what was done before."""
    training = settings.training
    options = training.model_dump(mode="json")
    for name, field in Training.model_fields.items():
        if name in LATER and getattr(training, name) == field.default:
            options.pop(name)
    for name in LATER_OF_SCHEDULES:
        if getattr(training.schedule, name) == Schedule.model_fields[name].default:
            options["schedule"].pop(name)
    if training.select is not None and training.select.weights == "trained":
        options["select"].pop("weights")
    return options


@cache
def predict(plan: StudyPlan, run: str) -> str:
    """State of `predict`."""
    settings = plan.study.runs[run]
    return state_of("predict", predict_options(plan, settings), [network_module(settings)])


@cache
def fit_classifier(plan: StudyPlan, split: str, run: str, seed: int) -> str:
    """State of `fit_classifier`."""
    settings = plan.study.runs[run]
    options = {"classifier": settings.classifier.model_dump(mode="json"), "classes": plan.classes}
    options |= {"parts": {"train": plan.learnt(split, "train")}, "data_source": plan.data_kind}
    for training in modalities.ask("training"):
        options |= training(plan.study, settings)
    return state_of(
        "fit_classifier", options | identity(plan, split, run, seed), [classifier_module(settings)]
    )


@cache
def classify(plan: StudyPlan, run: str) -> str:
    """State of `classify`."""
    settings = plan.study.runs[run]
    options = {field: getattr(settings, field).model_dump(mode="json") for field in MAPPED}
    named = {"classes": plan.classes, "activation": settings.activation}
    return state_of("classify", options | named, [classifier_module(settings)])


def borrow_weights(plan: StudyPlan, split: str, run: str, seed: int) -> str:
    """State of `borrow_weights`."""
    settings = plan.study.runs[run]
    of = {"split": split, "run": run, "seed": seed}
    return state_of("borrow_weights", of | settings.model_dump(include={"weights_of", "view"}))


@cache
def fit_calibration(plan: StudyPlan, split: str, run: str) -> str:
    """State of `fit_calibration`."""
    calibration = plan.study.runs[run].calibration
    pooled = {"pooled"} if calibration.pooled else set()
    is_scaled = calibration.kind == "temperature"
    options = calibration.model_dump(include=({"kind"} if is_scaled else {"kind", "bins"}) | pooled)
    told = {"activation": activation(plan, run), "classes": plan.classes} if is_scaled else {}
    return state_of("fit_calibration", options | told | {"samples": plan.members(split, "val")})


@cache
def calibrate_predictions(plan: StudyPlan, run: str) -> str:
    """State of `calibrate_predictions`."""
    return state_of("calibrate_predictions", calibrate_options(plan.study.runs[run]))


@cache
def tune(plan: StudyPlan, split: str, run: str) -> str:
    """State of `tune`."""
    chosen, evaluate = plan.study.runs[run].tune, plan.study.evaluate
    held = held_out(plan, split, run)
    options = {
        "segment": _segment_options(plan, run),
        "values": [[name, _values(plan, run, name)] for name in chosen.values],
        "metric": chosen.metric,
        "class": chosen.of,
        "family": families_of(plan.study, chosen.metric, chosen.of)[0],
        "lower_is_better": lower_is_better(chosen.metric),
        "search": chosen.search,
        "choose": chosen.choose,
        "on": "val" if list(held) == [split] else chosen.on,
        "samples": [sample for samples in held.values() for sample in samples],
        "classes": plan.classes,
        "activation": activation(plan, run),
    }
    of_family = {option for family, option in OF_FAMILY.items() if family == options["family"]}
    options |= evaluate.model_dump(include={"betas", "mean_classes"} | of_family)
    return state_of("tune", options, [f"microtome.metrics.families.{options['family']}"])


def _values(plan: StudyPlan, run: str, name: str) -> list[float]:
    """The values of an option of `segment` that are tried, as numbers of its type."""
    settings = plan.study.runs[run]
    tried = (with_values(settings.segment, {name: value}) for value in settings.tune.values[name])
    return [getattr(one, name) for one in tried]


@cache
def segment(plan: StudyPlan, run: str) -> str:
    """State of `segment`."""
    return state_of("segment", segment_options(plan, run))


@cache
def average(plan: StudyPlan, run: str) -> str:
    """State of `average`."""
    return state_of("average", _averaged(plan, run))


@cache
def uncertainty(plan: StudyPlan, run: str) -> str:
    """State of `uncertainty`."""
    return state_of("uncertainty", _averaged(plan, run) | {"activation": activation(plan, run)})


@cache
def ensemble(plan: StudyPlan, split: str, run: str, seed: int) -> str:
    """State of `ensemble`, which writes the card of an ensemble."""
    options = identity(plan, split, run, seed) | _averaged(plan, run) | {"activation": activation(plan, run)}
    return state_of("ensemble", options | {"data_source": plan.data_kind})


@cache
def evaluate(plan: StudyPlan, split: str, run: str, seed: int) -> str:
    """State of `evaluate`."""
    parts = {name: part for part in plan.study.evaluate.parts for name in plan.members(split, part)}
    samples = {name: part for name, part in parts.items() if plan.samples[name].label}
    groups = {name: plan.samples[name].group for name in samples}
    options = measured(plan, split, run, seed) | {"samples": samples, "groups": groups}
    return state_of("evaluate", options, measuring(plan))


@cache
def score_external(plan: StudyPlan, name: str) -> str:
    """State of `score_external`: what another tool made of the evaluated images."""
    data, targets = plan.study.data, plan.study.targets
    chosen = evaluated(plan)
    families = [family for family in chosen["metrics"] if not constants(family).get("OF_PROBABILITIES")]
    chosen["metrics"] = families
    images = list(plan.external_files(name))
    options = {"study": plan.study.name, "run": name, "seed": 0, "samples": plan.evaluated_parts}
    options |= {"images": images, "groups": {image: plan.samples[image].group for image in images}}
    options |= {"kind": targets.kind, "convention": targets.convention, "classes": list(data.classes.items())}
    modules = [f"microtome.metrics.families.{family}" for family in chosen["metrics"]]
    return state_of("score_external", options | chosen | downsample(plan), modules)


def segment_options(plan: StudyPlan, run: str) -> dict[str, Any]:
    """What segmenting depends on, beside the values of the options that are tuned."""
    tuned = plan.study.runs[run].tune
    return _segment_options(plan, run) | ({"tuned": sorted(tuned.values)} if tuned else {})


def _segment_options(plan: StudyPlan, run: str) -> dict[str, Any]:
    """What `segment` says; where it matters also whether each class has a map, and which class it is of."""
    settings = plan.study.runs[run].segment
    is_told = settings.TAKES_BOTH and activation(plan, run) == "softmax"
    told = {"activation": "softmax"} if is_told else {}
    if isinstance(settings, OfClass):
        told["of"] = plan.classes.index(settings.of) if settings.of else 0
    return settings.model_dump() | told


def identity(plan: StudyPlan, split: str, run: str, seed: int) -> dict[str, Any]:
    """What a trained run is called in its card."""
    return {"study": plan.study.name, "scale": plan.scale, "split": split, "run": run, "seed": seed}


def network_module(settings: Run) -> str:
    """The module of a run's network."""
    return f"microtome.networks.{settings.network.name}"


def classifier_module(settings: Run) -> str:
    """The module of a run's pixel classifier."""
    return f"microtome.classifiers.{settings.classifier.name}"


def predict_options(plan: StudyPlan, settings: Run) -> dict[str, Any]:
    """What prediction depends on; classes and outputs name the channels of the maps."""
    options = {field: getattr(settings, field).model_dump(mode="json") for field in PREDICTED}
    names = {"classes": plan.classes, "outputs": list(settings.outputs)}
    return options | {"activation": settings.activation} | names


def calibrate_options(settings: Run) -> dict[str, Any] | None:
    """What calibrating depends on; None for a run that is not calibrated."""
    if not settings.is_calibrated:
        return None
    is_scaled = settings.calibration.kind == "temperature"
    told = {"activation": settings.activation} if is_scaled else {}
    return settings.calibration.model_dump(include={"median_radius"}) | told


def measured(plan: StudyPlan, split: str, run: str, seed: int) -> dict[str, Any]:
    """What measuring an image depends on."""
    of = {"study": plan.study.name, "split": split, "run": run, "seed": seed}
    metrics = evaluated(plan)
    made = {"losses": _losses(plan), "activation": activation(plan, run)}
    return of | metrics | made | {"classes": plan.classes}


def evaluated(plan: StudyPlan) -> dict[str, Any]:
    """Which metrics are measured and how; what one family alone asks for, only where it is measured."""
    evaluate = plan.study.evaluate
    more = {option for family, option in OF_FAMILY.items() if family in evaluate.metrics}
    return evaluate.model_dump(include=EVALUATED | more)


def measuring(plan: StudyPlan) -> list[str]:
    """The modules that measure, chosen by name."""
    losses = [f"microtome.losses.{options['name']}" for options in _losses(plan).values()]
    return [f"microtome.metrics.families.{name}" for name in plan.study.evaluate.metrics] + losses


@cache
def _losses(plan: StudyPlan) -> dict[str, Any]:
    """The losses that are measured, each as the run of that name sets it, or with its defaults."""
    evaluate = plan.study.evaluate
    chosen = evaluate.losses if "losses" in evaluate.metrics else ()
    set_by_runs = [run.loss for run in plan.study.runs.values() if run.loss is not None]
    found = {loss.name: loss.model_dump(mode="json") for loss in reversed(set_by_runs)}
    return {name: _measured(found.get(name, {"name": name}), len(plan.classes)) for name in chosen}


def _measured(options: dict[str, Any], classes: int) -> dict[str, Any]:
    """The options of a loss that is measured; of more than two classes, in its form for classes."""
    loss = model(LOSSES, options["name"])(**options)
    if getattr(loss, "class_weight", None) == INVERSE_FREQUENCY:
        return options | NO_WEIGHTS
    return resolved_loss(loss, classes).model_dump(mode="json") if classes > TWO else options


def _averaged(plan: StudyPlan, run: str) -> dict[str, Any]:
    """What is averaged; the seeds only where the run names them."""
    settings = plan.study.runs[run]
    seeds = {"member_seeds": settings.member_seeds} if settings.member_seeds else {}
    return {"members": settings.members} | seeds


def activation(plan: StudyPlan, run: str) -> str:
    """How the members' maps are to be read: K classes that sum to 1, or each output by itself."""
    members = [plan.study.runs[member] for member in plan.members_of(run)]
    return "softmax" if all(member.has_class_maps for member in members) else "sigmoid"
