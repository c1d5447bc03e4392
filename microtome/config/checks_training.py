# SPDX-License-Identifier: MIT
"""Checks of how a run is trained: which outputs, which epoch, which labels, which windows."""

from collections.abc import Iterator

from microtome.config.losses import activation_of
from microtome.config.outputs import TWO
from microtome.config.run import Run
from microtome.config.sampling import learnt_side
from microtome.config.study import Study
from microtome.config.training import Training
from microtome.config.yaml import Places
from microtome.faults import Fault, nearest

DECAY = Training().ema
WIDEST_MARGIN = 8
"""Sides of a window that is read around it, at each side: 17² times the pixels."""


def check_training(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Find what contradicts itself in the training of a run that has a network and a loss."""
    yield from _check_levels(name, run, places)
    yield from _check_select(study, name, run, places)
    yield from _check_learn(study, name, run, places)
    yield from _check_margin(name, run, places, study.patches.size)


def _check_levels(name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Only outputs that a network has can be trained, and a sum of them is trained by itself."""
    chosen, network, here = run.supervision, run.network, ("runs", name, "supervision")
    if chosen.levels == "final":
        if chosen.weights:
            expected = "none, or supervision.levels 'all'"
            yield Fault(places.inside((*here, "weights"), 2), f"{len(chosen.weights)} weights", expected)
        return
    if network.levels == 1 or network.merges_levels:
        has = "merges its levels into the result" if network.merges_levels else "has no other output"
        expected = f"'final', as the network '{network.name}' {has}"
        yield Fault(places.inside((*here, "levels"), 2), "'all'", expected)
    elif chosen.weights and (len(chosen.weights) != network.levels or not any(chosen.weights)):
        expected = f"{network.levels}, one for each level, coarse to fine, and not all 0; or none"
        found = f"the weights {', '.join(f'{weight:g}' for weight in chosen.weights)}"
        yield Fault(places.inside((*here, "weights"), 2), found, expected)


def _check_select(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """The class that epochs are chosen by has to be one that the network tells apart."""
    select, here = run.training.select, ("runs", name, "training")
    if run.training.ema != DECAY and (select is None or select.weights != "ema"):
        expected = f"{DECAY:g} or none, as weights are averaged with select.weights 'ema' alone"
        yield Fault(places((*here, "ema")), f"{run.training.ema:g}", expected)
    if select is None:
        return
    if select.metric in ("last", "loss"):
        yield from _check_uncounted(name, run, places)
        return
    if select.of is None:
        return
    classes = list(study.data.classes)
    told = classes if activation_of(run.loss) == "softmax" else classes[:TWO]
    if select.of not in told:
        where = places.inside(("runs", name, "training", "select", "class"), 3)
        yield Fault(where, f"'{select.of}'", nearest(select.of, told))


def _check_uncounted(name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Where no class is counted, none can be named; and where the last epoch is taken, none is a reason to
    stop.
    """
    here, select = ("runs", name, "training"), run.training.select
    is_last = select.metric == "last"
    if select.of is not None:
        why = "'last' compares no epochs" if is_last else "'loss' compares epochs by all classes"
        expected = f"null, as select.metric {why}"
        yield Fault(places((*here, "select", "class")), f"'{select.of}'", expected)
    if is_last and run.training.patience is not None:
        expected = "null, as select.metric 'last' says that no epoch is better than the last one"
        yield Fault(places((*here, "patience")), str(run.training.patience), expected)


def _check_learn(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Labels can be left out of images that train alone and whose windows are not chosen by their labels."""
    if run.learn.is_all:
        return
    here, fill = ("runs", name), run.learn.fill
    if fill is not None and fill not in study.data.classes:
        expected = nearest(fill, study.data.classes)
        yield Fault(places.inside((*here, "learn", "fill"), 2), f"'{fill}'", expected)
    if run.sampler.kind == "lists" or getattr(run.sampler, "holdout", 0):
        found = "sampler.holdout" if run.sampler.kind == "patches" else "a sampler of lists"
        expected = "share 1 and no fill, as windows are chosen by all labels, or validate in training images"
        yield Fault(
            places.inside((*here, "learn"), 1), f"labels that are left out or filled, and {found}", expected
        )


def _check_margin(name: str, run: Run, places: Places, patch: int) -> Iterator[Fault]:
    """Windows around a pixel have their surroundings already; others have such that memory can hold."""
    where = places.inside(("runs", name, "augment", "margin"), 2)
    if run.augment.margin and run.sampler.kind == "balanced_windows":
        expected = "false, as the sampler 'balanced_windows' reads windows of the network's size alone"
        yield Fault(where, "true", expected)
        return
    side = learnt_side(run.sampler, patch)
    if (reach := run.augment.reach(side)) > WIDEST_MARGIN * side:
        found = f"geometry that reaches {reach} pixels beyond windows of {side}"
        expected = f"at most {WIDEST_MARGIN} times the window; weaker ones, or margin: false"
        yield Fault(where, found, expected)
