# SPDX-License-Identifier: MIT
"""Checks of how a study divides its samples, and of which run and which product is of which split."""

import re
from collections.abc import Callable, Iterator, Sequence

from microtome.config.run import Run
from microtome.config.study import ALL, Entry, Split, Study
from microtome.config.yaml import Keys, Places
from microtome.faults import Fault, nearest

NAME = re.compile(r"(?!weak)[a-z][a-z0-9]*")
"""Of a split; what begins with `weak` are batches of samples whose labels are not learnt from."""
OPTIONS = {"sizes": "random", "k": "folds", "stratify": "folds", "validation": "folds", "column": "column"}
"""Options of a split that only one kind has."""
FIXED = ("sample", "image", "label", "patient", "block", "volume", "group", "page", "mpp", "full")
"""Columns of the sheet that hold something else than parts."""


def check_splits(study: Study, places: Places) -> Iterator[Fault]:
    """Find what contradicts itself in `split`, in `splits` and in the runs' choice of them."""
    if study.splits and places.tree.get("split"):
        expected = "one of the two: `split` for one way to divide the samples, `splits` for several by name"
        yield Fault(places(("split",)), "`split` beside `splits`", expected)
    for name, split in study.named_splits.items():
        keys = ("splits", name) if study.splits else ("split",)
        if study.splits and not NAME.fullmatch(name):
            expected = (
                "small letters and digits, as it becomes part of file names, and not 'weak' first: patients"
            )
            yield Fault(places(keys), f"the name '{name}'", expected)
        yield from _check_split(study, split, keys, places)
        if study.runs and not any(name in study.splits_of(run) for run in study.runs):
            expected = "runs whose `splits` name it; or delete it"
            yield Fault(places(keys), f"'{name}', on which no run is trained", expected)
    for name in study.runs:
        yield from _check_run(study, name, places)


def unused(places: Places, keys: Keys, by: tuple[str, str, str]) -> Fault:
    """An option of another source or kind; `by` is what says so, what it would have to be, and what it is."""
    chooser, owner, chosen = by
    section = ".".join(keys[:-1])
    expected = f"no such option, as {section}.{chooser} is '{chosen}'; delete it or change the {chooser}"
    return Fault(places(keys), f"an option of {section}.{chooser} '{owner}'", expected)


def _check_split(study: Study, split: Split, keys: Keys, places: Places) -> Iterator[Fault]:
    """One way to divide the samples, which stands at `keys`."""
    if split.kind == "random" and not split.sizes:
        expected = "the size of each part: {train: 24, val: 3, test: 3}"
        yield Fault(places((*keys, "sizes")), "nothing", expected)
    if split.kind == "folds" and split.k < 2:
        yield Fault(places((*keys, "k")), str(split.k), "2 or more")
    if (split.kind == "none") == bool(study.runs):
        found = "'none', but runs that are trained" if study.runs else f"'{split.kind}', but no runs"
        expected = "'column', 'random' or 'folds' where runs are trained, 'none' where there are no runs"
        yield Fault(places((*keys, "kind")), found, expected)
    if split.kind == ALL and all(one.kind == ALL for one in study.named_splits.values()):
        expected = "another split beside it in `splits`, whose runs are measured"
        yield Fault(places((*keys, "kind")), "'all' alone, which keeps nothing apart", expected)
    for option, kind in OPTIONS.items():
        if kind != split.kind and places.tree.get(*keys, option):
            yield unused(places, (*keys, option), ("kind", kind, split.kind))
    if split.group_by not in (None, "sample", study.data.group_by):
        expected = f"'{study.data.group_by}' as data.group_by has it, 'sample', or null"
        yield Fault(places((*keys, "group_by")), f"'{split.group_by}'", expected)
    if split.column in FIXED or not split.column.strip():
        expected = "'part', or a column of your own that holds train, val and test"
        yield Fault(places((*keys, "column")), f"'{split.column}'", expected)
    if split.stratify == "pixels" and study.targets.kind != "semantic":
        expected = "true or false, as targets are objects (targets.kind)"
        yield Fault(places((*keys, "stratify")), "'pixels'", expected)


def _check_run(study: Study, name: str, places: Places) -> Iterator[Fault]:
    """The splits that a run is trained on: there are such, and those whose weights it takes have them."""
    run, here = study.runs[name], ("runs", name, "splits")
    if run.splits and not study.splits:
        expected = "none, as the study divides its samples in one way (`split`)"
        yield Fault(places.inside(here, 2), ", ".join(run.splits), expected)
        return
    for number, split in enumerate(run.splits):
        if split not in study.named_splits:
            where = places.inside((*here, str(number)), 2)
            yield Fault(where, f"'{split}'", nearest(split, study.named_splits))
        elif split in run.splits[:number]:
            yield Fault(places.inside((*here, str(number)), 2), f"'{split}' twice", "each split once")
    if run.is_trained:
        yield from _check_all(study, name, run, places)
    for other in _sources(study, run):
        lacking = [split for split in study.splits_of(name) if split not in study.splits_of(other)]
        if lacking:
            found = f"{', '.join(lacking)}, on which '{other}' is not trained"
            yield Fault(places.inside(here, 2), found, "splits that it is trained on, too")
    if (sources := _sources(study, run)) and not study.splits_of(name):
        found = f"no split on which {', '.join(sources)} are all trained"
        yield Fault(places.inside(here, 2), found, "one at least")


def _check_all(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Where every sample is learnt from, nothing is left to choose an epoch by, or to calibrate."""
    every = study.splits_of(name)
    on = [split for split in every if study.named_splits[split].kind == ALL]
    if on and len(on) == len(every):
        expected = "another split beside it, on which the run is measured"
        yield Fault(places.inside(("runs", name, "splits"), 2), f"'{on[0]}' alone", expected)
    if not on or getattr(run.sampler, "holdout", 0):
        return
    found, select = f"on '{on[0]}', which keeps nothing to validate by", run.training.select
    if select is None or select.metric != "last" or select.keep:
        expected = "the last epoch (select: last or ema)"
        yield Fault(
            places.inside(("runs", name, "training", "select"), 2), f"a choice of epochs {found}", expected
        )
    if run.calibration.kind != "none":
        where = places.inside(("runs", name, "calibration", "kind"), 2)
        yield Fault(where, f"'{run.calibration.kind}' {found}", "'none'")


def _sources(study: Study, run: Run) -> list[str]:
    """The other runs of the study that a run is made from, or calibrated with."""
    named = (*run.members, run.weights_of, *run.calibration.pooled)
    return [name for name in dict.fromkeys(named) if name in study.runs]


def splits_shown(study: Study, runs: Sequence[str], entry: Entry) -> list[str]:
    """The names of the splits whose records a table or a figure of some runs would show, in order.

    That is the one that it names; else those that its runs are trained on, and all where it shows
    segmentations of other tools; without runs the first.
    """
    if entry.split:
        return [entry.split]
    every = list(study.named_splits)
    of_runs = {split for name in runs for split in (study.splits_of(name) if name in study.runs else every)}
    return [split for split in every if split in of_runs] or every[:1]


def check_entry(study: Study, entry: Entry, runs: Sequence[str], at: Callable[..., str]) -> Iterator[Fault]:
    """A table or a figure is of one way to divide the samples; no mean is taken over several.

    Args:
        study: The study.
        entry: The table or the figure.
        runs: The runs that it shows, segmentations of other tools among them.
        at: Says where an option of the entry stands.
    """
    named, shown = entry.split, splits_shown(study, runs, entry)
    if not named and len(shown) > 1:
        expected = f"the one of them that it shows: {' or '.join(shown)}"
        yield Fault(at("split"), f"nothing, for runs of {' and '.join(shown)}", expected)
    elif named and not study.splits:
        expected = "no such option, as the study divides its samples in one way (`split`)"
        yield Fault(at("split"), f"'{named}'", expected)
    elif named and named not in study.splits:
        yield Fault(at("split"), f"'{named}'", nearest(named, study.splits))
    elif named:
        able = [name for name in study.runs if named in study.splits_of(name)]
        for number, name in enumerate(entry.runs if entry.runs != "all" else ()):
            if name in study.runs and name not in able:
                found = f"'{name}', which is not trained on '{named}'"
                yield Fault(at("runs", str(number)), found, f"one of {', '.join(able)}")
