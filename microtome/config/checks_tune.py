# SPDX-License-Identifier: MIT
"""Checks of what is tuned: there are such options, values, metrics and folds, and images nobody learnt."""

from collections import Counter
from collections.abc import Iterator
from math import prod

from pydantic import ValidationError

from microtome.config.evaluated import EVERY_CLASS, constants, metrics_of, nearest_metric
from microtome.config.run import Run
from microtome.config.study import Study
from microtome.config.tune import tunable, with_values
from microtome.config.yaml import Places
from microtome.faults import Fault, nearest

MOST = 2000
"""Combinations that are tried, at most."""
FOLDS = "folds"
WHOLE = "all"
"""The kind of a split that keeps nothing apart."""


def check_tuning(study: Study, places: Places) -> Iterator[Fault]:
    """Find what contradicts itself in `tune` of each run, and what is fitted on images that were learnt."""
    for name, run in study.runs.items():
        yield from _check_unseen(study, name, run, places)
        if run.tune is not None:
            yield from _check_values(name, run, places)
            yield from _check_metric(study, name, run, places)
            yield from _check_folds(study, name, run, places)


def families_of(study: Study, metric: str, of: str | None) -> list[str]:
    """The evaluated families that measure a metric of a class (None: of all) on segmentations."""
    return [name for name in _able(study) if (of or EVERY_CLASS) in _measured(study, name).get(metric, ())]


def _able(study: Study) -> list[str]:
    """The evaluated families that are of segmentations, not of probabilities."""
    return [name for name in study.evaluate.metrics if not constants(name).get("OF_PROBABILITIES")]


def _measured(study: Study, family: str) -> dict[str, tuple[str, ...]]:
    """The metrics of one family, each with the classes that it is of."""
    evaluate = study.evaluate.model_copy(update={"metrics": (family,)})
    return metrics_of(study.model_copy(update={"evaluate": evaluate}))


def folds_of(study: Study, run: Run) -> str | None:
    """The one of the study's `splits` of folds that a run is tuned on; None where there is none to take."""
    folds = [name for name, split in study.splits.items() if split.kind == FOLDS]
    if run.tune is not None and run.tune.folds is not None:
        return run.tune.folds if run.tune.folds in folds else None
    return folds[0] if len(folds) == 1 else None


def _check_unseen(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Who holds windows out learns from the part `val`, too, so that nothing can be fitted on it."""
    fitted = {"tune": (run.tune is not None, "null"), "calibration": (run.is_calibrated, "kind none")}
    learnt = [key for key, one in _trained(study, name).items() if getattr(one.sampler, "holdout", 0)]
    for option, (is_fitted, without) in fitted.items():
        if is_fitted and learnt:
            found = f"a fit on the part 'val', from which '{learnt[0]}' learns, as it holds windows out"
            expected = f"sampler.holdout 0 of '{learnt[0]}', or {without}"
            yield Fault(places.inside(("runs", name, option), 2), found, expected)


def _trained(study: Study, name: str) -> dict[str, Run]:
    """The runs whose trainings a run's maps come from: itself, its members, those that lend them weights."""
    known = {key: study.runs[key] for key in study.runs[name].members or (name,) if key in study.runs}
    lent = {one.weights_of or key: one for key, one in known.items()}
    return {key: study.runs.get(key, one) for key, one in lent.items()}


def _check_values(name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Options that the segmentation has, with values that it takes."""
    here, known = ("runs", name, "tune", "values"), tunable(run.segment)
    for option, values in run.tune.values.items():
        where = places.inside((*here, option), 2)
        if option not in known:
            has = nearest(option, known) if known else "nothing"
            yield Fault(where, f"'{option}'", f"{has}, as segment.kind is '{run.segment.kind}'")
            continue
        if not values or max(Counter(values).values()) > 1:
            yield Fault(where, f"{list(values)}", "one value or more, each once")
        for value in values:
            try:
                with_values(run.segment, {option: value})
            except ValidationError as error:
                yield Fault(where, f"{value:g} ({error.errors()[0]['msg']})", "values that segment takes")
    if run.tune.search == "grid" and (count := prod(map(len, run.tune.values.values()))) > MOST:
        expected = f"{MOST} at most; or search: coordinates"
        yield Fault(places.inside(here, 1), f"{count} combinations", expected)


def _check_metric(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """A metric of the study that segmentations have, of a class that it is measured of."""
    here, metric, known = ("runs", name, "tune"), run.tune.metric, metrics_of(study)
    where = places.inside((*here, "metric"), 2)
    able = [one for family in _able(study) for one in _measured(study, family) if "@" not in one]
    if metric not in able:
        why = ", as it is of probability maps" if metric in known else ""
        yield Fault(where, f"'{metric}'{why}", nearest_metric(metric, able))
    elif not families_of(study, metric, run.tune.of):
        place = where if run.tune.of is None else places.inside((*here, "class"), 2)
        expected = f"class: {' or '.join(known[metric])}, of which '{metric}' is"
        yield Fault(place, f"class '{run.tune.of}'" if run.tune.of else "no class", expected)


def _check_folds(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    """Folds that are there, on which the run is trained as well as on another split."""
    here = ("runs", name, "tune")
    if run.tune.on != FOLDS:
        if run.tune.folds is not None:
            where = places.inside((*here, "folds"), 2)
            yield Fault(where, f"'{run.tune.folds}'", f"null, as tune.on is '{run.tune.on}'")
        for way in study.splits_of(name):
            if study.named_splits[way].kind == WHOLE:
                expected = f"'{FOLDS}', as '{way}' learns from every image"
                yield Fault(places.inside((*here, "on"), 2), f"'{run.tune.on}'", expected)
        return
    folds, where = folds_of(study, run), places.inside((*here, "on"), 2)
    if folds is None:
        named = [key for key, split in study.splits.items() if split.kind == FOLDS]
        found = f"tune.folds: '{run.tune.folds}'" if run.tune.folds else f"'{FOLDS}', and tune.folds null"
        expected = (
            f"tune.folds: {' or '.join(named)}" if named else "'val', as no split of `splits` is of folds"
        )
        yield Fault(where, found, expected)
    elif folds not in study.splits_of(name):
        yield Fault(where, f"'{folds}', on which the run is not trained", f"it in `splits` of '{name}'")
