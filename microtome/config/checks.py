# SPDX-License-Identifier: MIT
"""Checks of a study that no single option shows."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from microtome.config import modalities, project
from microtome.config.checks_products import check_products
from microtome.config.checks_splits import check_splits, unused
from microtome.config.checks_training import check_training
from microtome.config.checks_tune import check_tuning
from microtome.config.evaluated import EVERY_CLASS
from microtome.config.headline import check_report
from microtome.config.outputs import LOSSES, TWO, check_maps, check_outputs, losses_of
from microtome.config.run import Run
from microtome.config.study import Data, Study
from microtome.config.yaml import Places, below, outline
from microtome.faults import ConfigurationError, Fault, nearest
from microtome.registry import entry_names

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
NAME_TEXT = "letters, digits, '-' and '_', as it becomes part of file names"
TAKEN = ("benchmarks", "models", "reports", "workflow")
"""Folders beside those of the studies, in the results of a scale and in a report's folder."""
OWNERS = {"phantom": "phantom", "dataset": "public"} | dict.fromkeys(
    ("root", "origin", "allow_outside", "citation", "licence"), "files"
)
"""Options of `data` that only one source has; files that are a public data set may name it, too."""
UNLABELLED = "unlabelled"
"""What tables of the data call pixels without a label."""
MOST_CLASSES = 255
"""Class indices have 8 bits, and 255 is that of pixels without a label."""


def check_study(study: Study, places: Places) -> list[Fault]:
    """Find what contradicts itself in a study whose options, which stand at `places`, are each valid."""
    faults = [*_check_names(study, places), *_check_data(study, places), *check_splits(study, places)]
    faults += _check_patches(study, places)
    faults += [fault for name, run in study.runs.items() for fault in _check_run(study, name, run, places)]
    faults += [fault for name in study.runs for fault in _check_lender(study, name, places)]
    faults += [fault for name in study.runs for fault in _check_pooled(study, name, places)]
    faults += [*check_tuning(study, places)]
    faults += [*check_products(study, places), *_unknown_measures(study, places)]
    faults += check_report(study, places)
    return list(dict.fromkeys(faults))


def _check_names(study: Study, places: Places) -> Iterator[Fault]:
    """Names that become file names."""
    path, called = str(places.path), f"a study called '{study.name}'"
    if study.name in TAKEN:
        yield Fault(path, called, f"another name than {', '.join(TAKEN)}")
    if not NAME.fullmatch(study.name):
        yield Fault(path, called, f"a file name of {NAME_TEXT}")
    for section in ("runs", "external", "tables", "figures"):
        for name in getattr(study, section):
            if not NAME.fullmatch(name):
                yield Fault(places((section, name)), f"the name '{name}'", NAME_TEXT)
    for name in study.external.keys() & study.runs.keys():
        yield Fault(places(("external", name)), f"'{name}', the name of a run", "another name")


def _check_data(study: Study, places: Places) -> Iterator[Fault]:
    data = study.data
    if data.source != "phantom" and data.samples is None:
        expected = f"a sample sheet (TSV), as data.source is '{data.source}'"
        yield Fault(places(("data", "samples")), "nothing", expected)
    if (data.source == "public" and data.dataset is None) or _is_named(data):
        yield from check_dataset(data, places)
    for count in _all_channels(study):
        expected = f"{count}, the in_channels of every network; or change these in `defaults`"
        yield Fault(places(("data", "channels")), str(data.channels), expected)
    yield from _unused_data(study, places)
    yield from _check_classes(study, places)
    yield from _check_colors(data, places)


def check_dataset(data: Data, places: Places) -> list[Fault]:
    """Look the public data set of a study up in the table of data sets."""
    if data.source != "public" and not _is_named(data):
        return []
    try:
        known = _datasets(project.table(project.DATASETS, places.path))
    except ConfigurationError as error:
        return [*error.faults]
    if data.dataset in known:
        return []
    found = "nothing" if data.dataset is None else f"'{data.dataset}'"
    expected = f"{nearest(data.dataset or '', known)}, as listed in {project.DATASETS}"
    return [Fault(places(("data", "dataset")), found, expected)]


def _is_named(data: Data) -> bool:
    """Whether files say which public data set they are."""
    return data.source == "files" and data.origin == "public" and data.dataset is not None


@cache
def _datasets(path: Path) -> tuple[str, ...]:
    """Names of the public data sets, found without building the whole table."""
    if not path.is_file():
        return ()
    return tuple(below(outline(path)))


def _unused_data(study: Study, places: Places) -> Iterator[Fault]:
    """Options that the source does not use, written at the place where the source is chosen or above it."""
    chosen = places.tree.path(("data", "source"))[-1].written[:2]
    for option, source in OWNERS.items():
        node = places.tree.get("data", option)
        if source == study.data.source or node is None or node.content is None:
            continue
        if option == "dataset" and _is_named(study.data):
            continue
        if node.written[:1] == ("scales",) or chosen[:1] != ("scales",):
            yield unused(places, ("data", option), ("source", source, study.data.source))


def _twice(values: Iterable[Any]) -> str:
    """The values that stand in a list more than once."""
    return ", ".join(str(value) for value, count in sorted(Counter(values).items()) if count > 1)


def _check_classes(study: Study, places: Places) -> Iterator[Fault]:
    data, where = study.data, places(("data", "classes"))
    if len(data.classes) < 2 and study.runs:
        yield Fault(where, f"{len(data.classes)} class", "two or more, such as {membrane: 0, cell: 255}")
    if twice := _twice([*data.classes.values(), *data.ignore]):
        expected = "each value once, in data.classes or in data.ignore"
        yield Fault(where, f"the label value {twice} twice", expected)
    if len(data.classes) > MOST_CLASSES:
        yield Fault(where, f"{len(data.classes)} classes", f"{MOST_CLASSES} at most")
    expected = "another name; metrics use it for all classes together"
    for name in data.classes:
        if name == EVERY_CLASS or not name.strip():
            yield Fault(where, f"a class called '{name}'", expected)
    if UNLABELLED in data.classes:
        expected = "another name; values and colours of no class belong in data.ignore or data.ignore_colors"
        yield Fault(where, f"a class called '{UNLABELLED}'", expected)


def _check_colors(data: Data, places: Places) -> Iterator[Fault]:
    """Every class has one colour of its own, or none has one."""
    where = places(("data", "colors"))
    if not data.colors:
        if data.ignore_colors:
            expected = "data.colors, or data.ignore for labels that hold values"
            yield Fault(places(("data", "ignore_colors")), "ignored colours alone", expected)
        return
    for name in data.colors:
        if name not in data.classes:
            yield Fault(places(("data", "colors", name)), f"'{name}'", nearest(name, data.classes))
    if lacking := [name for name in data.classes if name not in data.colors]:
        yield Fault(where, f"no colour of {', '.join(lacking)}", "one colour for each of data.classes")
    if twice := _twice([*data.colors.values(), *data.ignore_colors]):
        expected = "each colour once, in data.colors or in data.ignore_colors"
        yield Fault(where, f"the colour {twice} twice", expected)
    if data.ignore:
        expected = "data.ignore_colors, as labels are drawn in colours"
        yield Fault(places(("data", "ignore")), "values that are ignored", expected)
    if data.source == "phantom":
        yield Fault(where, "colours", "none, as labels of phantoms hold the values of data.classes")


def _check_patches(study: Study, places: Places) -> Iterator[Fault]:
    if study.patches.stride > study.patches.size:
        expected = f"at most patches.size = {study.patches.size}, or pixels between windows are never seen"
        yield Fault(places(("patches", "stride")), str(study.patches.stride), expected)


def _check_run(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    if run.is_ensemble:
        yield from _check_ensemble(study, name, run, places)
        return
    if run.classifier is None and (run.network is None or run.loss is None):
        lacking = " and ".join(option for option in ("network", "loss") if getattr(run, option) is None)
        expected = "both a network and a loss, or `members` for an ensemble"
        yield Fault(places(("runs", name)), f"no {lacking}", expected)
        return
    for option in ("member_seeds", "uncertainty"):
        if getattr(run, option):
            expected = "nothing, as it belongs to ensembles (`members`)"
            yield Fault(places.inside(("runs", name, option), 2), f"{option} of a trained run", expected)
    if run.classifier is not None:
        yield from _check_classifier(study, name, run, places)
        return
    yield from _check_method(study, name, run, places)
    crop = getattr(run.sampler, "crop", None)
    if crop and crop > study.patches.size:
        expected = f"at most patches.size = {study.patches.size}"
        yield Fault(places(("runs", name, "sampler", "crop")), str(crop), expected)


def _check_classifier(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """A pixel classifier stands alone, and gives a map for each class."""
    for option in ("network", "loss", "weights_of"):
        if getattr(run, option) is not None:
            where = places.inside(("runs", name, option), 2)
            yield Fault(where, f"a {option}", "none, as `classifier` stands in its place")
    if run.calibration.kind != "none":
        where = places.inside(("runs", name, "calibration"), 1)
        yield Fault(where, f"'{run.calibration.kind}'", "'none', as pixel classifiers are not calibrated")
    if not run.learn.is_all:
        expected = "nothing (share: 1, fill: null), as pixel classifiers are fitted to labels as they are"
        yield Fault(places.inside(("runs", name, "learn"), 1), "labels that are left out or filled", expected)
    yield from check_maps(study, name, places, [run])


def _check_ensemble(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    trained = [key for key, other in study.runs.items() if not other.is_ensemble]
    unknown = [member for member in run.members if member not in trained]
    for member in unknown:
        where = places(("runs", name, "members", str(run.members.index(member))))
        yield Fault(where, f"'{member}'", nearest(member, trained))
    for option in ("network", "loss", "classifier"):
        if getattr(run, option) is not None:
            where = places.inside(("runs", name, option), 2)
            yield Fault(where, f"a {option}", "none, as `members` makes this run an ensemble")
    if twice := _twice(run.members):
        yield Fault(places(("runs", name, "members")), f"{twice} twice", "each run once")
    if len(run.member_seeds) != len(set(run.member_seeds)):
        yield Fault(places(("runs", name, "member_seeds")), str(list(run.member_seeds)), "each seed once")
    if unknown:
        return
    shared = set.intersection(*(set(study.runs[member].seeds) for member in run.members))
    if not run.member_seeds and not shared:
        seeds = ", ".join(f"{member} {list(study.runs[member].seeds)}" for member in run.members)
        expected = "at least one seed that all members share, or `member_seeds`"
        yield Fault(places(("runs", name, "members")), f"members without a common seed ({seeds})", expected)
    if len(run.members) * max(len(run.member_seeds), 1) == 1 and run.uncertainty:
        expected = "several members, or several `member_seeds`; one alone contradicts nobody"
        yield Fault(places(("runs", name, "uncertainty")), "an ensemble of one", expected)


def _check_method(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Network, loss, sampler and data have to go together."""
    here, network, loss = ("runs", name), run.network, run.loss
    sliding = network.WINDOWS
    if sliding != (run.sampler.kind == "balanced_windows"):
        expected = f"'{'balanced_windows' if sliding else 'patches'}', which network '{network.name}' needs"
        yield Fault(places.inside((*here, "sampler", "kind"), 2), f"'{run.sampler.kind}'", expected)
    yield from check_outputs(study, name, run, places)
    positive = getattr(loss, "positive", 0)
    if isinstance(positive, int) and positive >= len(study.data.classes):
        expected = f"the number of a class, at most {len(study.data.classes) - 1}"
        yield Fault(places.inside((*here, "loss", "positive"), 2), str(loss.positive), expected)
    weights = getattr(loss, "class_weight", None)
    if isinstance(weights, tuple) and len(weights) != len(study.data.classes):
        expected = f"{len(study.data.classes)}, one for each of data.classes"
        yield Fault(places.inside((*here, "loss", "class_weight"), 2), f"{len(weights)} weights", expected)
    yield from check_training(study, name, run, places)
    channels, said = modalities.channels(study, run) or (study.data.channels, "data.channels")
    if network.in_channels != channels and not _all_channels(study):
        option = "bands" if "bands" in type(network).model_fields else "in_channels"
        expected = f"{said} = {channels}"
        yield Fault(places.inside((*here, "network", option), 2), str(network.in_channels), expected)


def _check_lender(study: Study, name: str, places: Places) -> Iterator[Fault]:
    """The run whose weights a run borrows has to have the same network."""
    run = study.runs[name]
    if run.weights_of is None:
        return
    lenders = [key for key, other in study.runs.items() if other.network and other.weights_of is None]
    lender = study.runs.get(run.weights_of)
    where = places.inside(("runs", name, "weights_of"), 1)
    if run.weights_of not in lenders:
        yield Fault(where, f"'{run.weights_of}'", nearest(run.weights_of, lenders))
    elif lender.network != run.network or not set(run.seeds) <= set(lender.seeds):
        yield Fault(where, f"'{run.weights_of}'", "a run of the same network and seeds")
    elif lender.activation != run.activation:
        expected = "a run whose loss trains the same outputs; give this run the loss of that one"
        yield Fault(
            where, f"'{run.weights_of}' (by {lender.activation}, this run by {run.activation})", expected
        )


def _check_pooled(study: Study, name: str, places: Places) -> Iterator[Fault]:
    """The runs whose maps are calibrated together have to be calibrated, the run itself among them."""
    run = study.runs[name]
    able = [key for key, other in study.runs.items() if other.is_calibrated]
    where = places.inside(("runs", name, "calibration", "pooled"), 2)
    for other in run.calibration.pooled if name in able else ():
        if other not in able:
            yield Fault(where, f"'{other}'", f"{nearest(other, able)}, the runs that are calibrated")
        elif not set(run.seeds) <= set(study.runs[other].seeds):
            yield Fault(where, f"'{other}'", f"a run with the seeds of '{name}', {list(run.seeds)}")
    if run.calibration.pooled and name in able and name not in run.calibration.pooled:
        yield Fault(where, f"{', '.join(run.calibration.pooled)}", f"'{name}' itself among them")
    if twice := _twice(run.calibration.pooled):
        yield Fault(where, f"{twice} twice", "each run once")


def _all_channels(study: Study) -> set[int]:
    """The number of channels on which all networks agree, against the data; empty if they do not."""
    of_images = (run for run in study.runs.values() if run.network is not None and run.view == "image")
    runs = [run for run in of_images if modalities.channels(study, run) is None]
    counts = {run.network.in_channels for run in runs}
    return counts if len(counts) == 1 and study.data.channels not in counts else set()


def _unknown_measures(study: Study, places: Places) -> Iterator[Fault]:
    losses = entry_names(LOSSES) if len(study.data.classes) == TWO else losses_of("softmax")
    known = {"metrics": list(entry_names("microtome.metrics.families")), "losses": list(losses)}
    for option, names in known.items():
        for number, name in enumerate(getattr(study.evaluate, option)):
            if name not in names:
                yield Fault(places(("evaluate", option, str(number))), f"'{name}'", nearest(name, names))
