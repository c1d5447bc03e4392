# SPDX-License-Identifier: MIT
"""Checks of a study that no single option shows."""

import ast
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from microtome.config.base import Fault, nearest
from microtome.config.losses import SIGMOID_LOSSES
from microtome.config.networks import WINDOW_NETWORKS
from microtome.config.run import Run
from microtome.config.study import Entry, Study

Locate = Callable[[tuple[str, ...]], str]
PACKAGE = Path(__file__).parent.parent
MAKERS = {"tables": "tabulate", "figures": "draw"}
GIVEN = frozenset({"title", "runs", "rows", "run"})
"""Options of a kind that the workflow itself fills in."""


def check_study(study: Study, locate: Locate) -> list[Fault]:
    """Find what contradicts itself in a study."""
    faults = [fault for name, run in study.runs.items() for fault in _check_run(study, name, run, locate)]
    faults += _check_data(study, locate)
    for section, entries in (("tables", study.tables), ("figures", study.figures)):
        faults += [
            fault
            for name, entry in entries.items()
            for fault in _check_entry(study, section, name, entry, locate)
        ]
    faults += _unknown_losses(study, locate)
    return faults


def _check_data(study: Study, locate: Locate) -> Iterator[Fault]:
    data = study.data
    if data.source != "phantom" and data.samples is None:
        yield Fault(locate(("data", "samples")), "no sample sheet", f"one, as data.source is '{data.source}'")
    if data.source == "public" and data.dataset is None:
        yield Fault(locate(("data", "dataset")), "nothing", "an entry of config/datasets.yaml")
    if len(data.classes) < 2:
        yield Fault(locate(("data", "classes")), f"{len(data.classes)} class", "two or more")
    doubles = set(data.ignore) & set(data.classes.values())
    if doubles or len(set(data.classes.values())) < len(data.classes):
        yield Fault(
            locate(("data", "classes")),
            "a label value used twice",
            "each value once, in classes or in ignore",
        )
    if study.split.kind == "random" and not study.split.sizes:
        yield Fault(
            locate(("split", "sizes")),
            "nothing",
            "the size of each part, such as {train: 24, val: 3, test: 3}",
        )


def _check_run(study: Study, name: str, run: Run, locate: Locate) -> Iterator[Fault]:
    here = ("runs", name)
    if run.is_ensemble:
        for member in run.members:
            if member not in study.runs or study.runs[member].is_ensemble:
                trained = (key for key, other in study.runs.items() if not other.is_ensemble)
                yield Fault(locate((*here, "members")), f"'{member}'", nearest(member, trained))
        return
    if run.network is None or run.loss is None:
        yield Fault(locate(here), "no network or no loss", "both, or `members` for an ensemble")
        return
    sliding = run.network.name in WINDOW_NETWORKS
    if sliding != (run.sampler.kind == "balanced_windows"):
        kind = "balanced_windows" if sliding else "patches"
        yield Fault(
            locate((*here, "sampler")),
            f"'{run.sampler.kind}'",
            f"'{kind}', which network '{run.network.name}' needs",
        )
    if sliding == (run.loss.name in SIGMOID_LOSSES):
        kind = "cross_entropy" if sliding else "one of " + ", ".join(sorted(SIGMOID_LOSSES))
        yield Fault(
            locate((*here, "loss")), f"'{run.loss.name}'", f"{kind}, which network '{run.network.name}' needs"
        )
    if run.network.in_channels != study.data.channels:
        yield Fault(
            locate((*here, "network", "in_channels")),
            str(run.network.in_channels),
            f"data.channels = {study.data.channels}",
        )
    crop = getattr(run.sampler, "crop", None)
    if crop and crop > study.patches.size:
        yield Fault(
            locate((*here, "sampler", "crop")), str(crop), f"at most patches.size = {study.patches.size}"
        )


def _check_entry(study: Study, section: str, name: str, entry: Entry, locate: Locate) -> Iterator[Fault]:
    known = kinds(section)
    if entry.kind not in known:
        yield Fault(locate((section, name, "kind")), f"'{entry.kind}'", nearest(entry.kind, known))
        return
    for run in entry.runs if entry.runs != "all" else ():
        if run not in study.runs:
            yield Fault(locate((section, name, "runs")), f"'{run}'", nearest(run, study.runs))
    allowed = [option for option in kind_options(section, entry.kind) if option not in GIVEN]
    for option in entry.options:
        if option not in allowed:
            yield Fault(
                locate((section, name, option)), f"unknown option '{option}'", nearest(option, allowed)
            )


def _unknown_losses(study: Study, locate: Locate) -> Iterator[Fault]:
    for loss in study.evaluate.losses:
        if loss not in SIGMOID_LOSSES:
            yield Fault(locate(("evaluate", "losses")), f"'{loss}'", nearest(loss, SIGMOID_LOSSES))


@lru_cache(maxsize=None)
def kinds(section: str) -> tuple[str, ...]:
    """The kinds of tables or figures: the modules that have the function, found without importing them."""
    files = sorted((PACKAGE / section).glob("*.py"))
    return tuple(file.stem for file in files if not file.stem.startswith("_") and _function(section, file))


def kind_options(section: str, kind: str) -> list[str]:
    """The options that a kind takes: the keyword arguments of its function."""
    function = _function(section, PACKAGE / section / f"{kind}.py")
    return [argument.arg for argument in function.args.kwonlyargs] if function else []


@lru_cache(maxsize=None)
def _function(section: str, file: Path) -> ast.FunctionDef | None:
    """The function that makes a table or a figure of this kind."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    named = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == MAKERS[section])
    return next(named, None) if file.stem != "__init__" else None
