# SPDX-License-Identifier: MIT
"""The outputs of a run's network: how many, what makes probabilities of them, and what fits them.

A network of maps takes both: sigmoid outputs, each by itself (a mask, a marker), or one for each of
`data.classes`, which a softmax makes probabilities that sum to 1. The loss says which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from microtome.config.entries import model
from microtome.config.losses import activation_of
from microtome.config.prediction import ArgMax
from microtome.faults import Fault
from microtome.registry import entry_names

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.config.yaml import Places

LOSSES = "microtome.config.losses"
TWO = 2
"""Classes that a single sigmoid output tells apart."""


def losses_of(activation: str) -> list[str]:
    """The losses that take what networks of an activation give: `sigmoid` or `softmax`."""
    models = {name: model(LOSSES, name) for name in entry_names(LOSSES)}
    return [
        name for name, one in models.items() if activation == one.TARGET or "activation" in one.model_fields
    ]


def resolved(study: Study) -> Study:
    """The study with what follows from its classes, losses and `outputs`, where the file does not say it.

    That is the activation of losses that have both, the number of a network's outputs, and `segment.kind`
    argmax where there is a map for each class.
    """
    runs = {name: _resolved(study, run) for name, run in study.runs.items()}
    if study.targets.kind == "semantic":
        members = {
            name: [runs[one] for one in run.members or (name,) if one in runs] for name, run in runs.items()
        }
        runs = {name: _with_argmax(run, members[name]) for name, run in runs.items()}
    return study.model_copy(update={"runs": runs})


def _resolved(study: Study, run: Run) -> Run:
    if run.network is None or run.loss is None:
        return run
    changes: dict[str, Any] = {"loss": resolved_loss(run.loss, len(study.data.classes), run.network)}
    run = run.model_copy(update=changes)
    option = logits_option(run.network)
    if option is not None and option not in run.network.model_fields_set:
        network = run.network.model_copy(update={option: wanted_logits(study, run)[0]})
        run = run.model_copy(update={"network": network})
    return run


def resolved_loss(loss: Any, classes: int, network: Any = None) -> Any:
    """A loss with its activation, if it may have both."""
    if getattr(loss, "activation", "one") is not None:
        return loss
    of_classes = network is not None and _is_of_classes(network)
    return loss.model_copy(update={"activation": "softmax" if classes > TWO or of_classes else "sigmoid"})


def _is_of_classes(network: Any) -> bool:
    """Whether a network has an output for each class unless it is told otherwise."""
    said = "classes" in network.model_fields_set and network.classes == 1
    return network.WINDOWS or (logits_option(network) == "classes" and not said)


def _with_argmax(run: Run, members: list[Run]) -> Run:
    """Where nothing is said, classes are told apart by the largest map."""
    if "segment" in run.model_fields_set or not members or any(not one.has_class_maps for one in members):
        return run
    return run.model_copy(update={"segment": ArgMax()})


def logits_option(network: Any) -> str | None:
    """The option of a network that is the number of its outputs."""
    fields = type(network).model_fields
    return next((name for name in ("classes", "out_channels") if name in fields), None)


def wanted_logits(study: Study, run: Run) -> tuple[int, str]:
    """How many outputs the network of a run needs, and what they are."""
    softmax = run.network.WINDOWS or activation_of(run.loss) == "softmax"
    if softmax or _is_one_against_rest(study, run):
        return len(study.data.classes), "the number of data.classes"
    return len(run.outputs), f"one for each of outputs: {', '.join(run.outputs)}"


def _is_one_against_rest(study: Study, run: Run) -> bool:
    """Whether a sigmoid output would learn one of several classes, and the others nothing."""
    simulated = study.data.source == "phantom" and study.targets.kind == "instances"  # of one class
    return len(study.data.classes) > TWO and not simulated and activation_of(run.loss) == "sigmoid"


def check_outputs(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Find what does not fit among classes, loss, outputs, and what is made of the maps."""
    here = ("runs", name)
    yield from _check_loss(study, name, run, places)
    option = logits_option(run.network)
    (wanted, reason), found = wanted_logits(study, run), getattr(run.network, option or "", None)
    if found is not None and found != wanted:
        yield Fault(places.inside((*here, "network", option), 2), str(found), f"{wanted}, {reason}")
    several = _is_one_against_rest(study, run)
    if not several:
        yield from check_maps(study, name, places, [run])
    if (several or run.has_class_maps) and run.calibration.kind == "cubic":
        where = places.inside((*here, "calibration"), 1)
        expected = "'temperature' or 'none', as the run gives a map for each class"
        yield Fault(where, f"'{run.calibration.kind}'", expected)


def _check_loss(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    loss, network, activation = run.loss, run.network, activation_of(run.loss)
    written = "activation" if getattr(loss, "activation", None) else "name"
    where = places.inside(("runs", name, "loss", written), 2)
    found = f"'{activation}'" if written == "activation" else f"'{loss.name}'"
    remedy = "'softmax'" if written == "activation" else f"one of {', '.join(losses_of('softmax'))}"
    if network.WINDOWS and activation != "softmax":
        yield Fault(where, found, f"{remedy}, which network '{network.name}' needs")
    elif _is_one_against_rest(study, run):
        classes = list(study.data.classes)
        found = f"{found}, which trains '{classes[1]}' against the rest"
        yield Fault(where, found, f"{remedy}, which train all {len(classes)} of data.classes")
    for option in ("include_background", "average", "batch"):
        if activation == "sigmoid" and option in loss.model_fields_set:
            place = places.inside(("runs", name, "loss", option), 2)
            yield Fault(
                place, f"an option of losses by softmax ({option})", "activation: softmax, or no such option"
            )


def check_maps(study: Study, name: str, places: Places, members: list[Run]) -> Iterator[Fault]:
    """Whether the segmentation of a run, or of an ensemble of `members`, fits its maps."""
    run, where = study.runs[name], places.inside(("runs", name, "segment", "kind"), 2)
    found, by_classes = f"'{run.segment.kind}'", all(one.has_class_maps for one in members)
    fit = ("argmax", "watershed") if study.targets.kind == "instances" else ("argmax",)
    if by_classes and run.segment.kind not in (*fit, "boundary_watershed"):
        named = " or ".join(f"'{kind}'" for kind in fit)
        yield Fault(where, found, f"{named}, as the run gives a probability map for each class")
    alone = all(
        len(one.outputs) == 1 for one in members
    )  # markers need a watershed, see `modalities.objects`
    if not by_classes and alone and run.segment.kind == "argmax":
        yield Fault(where, found, "'threshold' or 'watershed', as the run gives no map for each class")
