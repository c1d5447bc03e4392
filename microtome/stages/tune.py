# SPDX-License-Identifier: MIT
"""Choose options of segmentation on images that were neither trained on nor are tested."""

import importlib
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from microtome.files import finished_file, write_json
from microtome.io import images, views
from microtome.metrics.families._context import Context, Measure
from microtome.metrics.undefined import UndefinedMetricError
from microtome.stages.segment import Segmented, segmented

Options = Mapping[str, Any]
Candidate = tuple[float | None, ...]
"""A value of each option that is tuned, in their order."""
Found = Mapping[Candidate, Sequence[float]]
"""The metric of each image by the values that it was segmented with; NaN where it is undefined."""
Scorer = Callable[[Candidate], Sequence[float]]
"""The metric of each image with the values of a candidate."""
FAMILIES = "microtome.metrics.families"
HALF = 0.5
"""Threshold on a segmentation as a map of 0 and 1."""
SAME = 1e-9
"""Difference of two means that are called equal."""


@dataclass(frozen=True)
class Search:
    """What is searched for.

    Attributes:
        names: The options.
        grid: The values of each that are tried.
        configured: What `segment` has, which is tried in any case.
        lower_is_better: Whether less of the metric is better.
        by_coordinates: Whether one option is tried after another, not all combinations.
        by_standard_error: Whether what is as good as the best, by images, counts as equal to it.
    """

    names: tuple[str, ...]
    grid: tuple[tuple[float, ...], ...]
    configured: Candidate
    lower_is_better: bool = False
    by_coordinates: bool = False
    by_standard_error: bool = False

    def best(self, found: Found) -> Candidate:
        """The best candidate; of equal ones that nearest to the configured one, in spans of values tried."""
        means = {one: mean for one, values in found.items() if not math.isnan(mean := mean_of(values))}
        if not means:
            return self.configured
        top = min(means.values()) if self.lower_is_better else max(means.values())
        return self._nearest([one for one, mean in means.items() if abs(mean - top) <= SAME])

    def chosen(self, found: Found) -> Candidate:
        """The best candidate, or what images cannot tell from it and is nearest to the configured one."""
        best = self.best(found)
        if not self.by_standard_error or math.isnan(mean_of(found[best])):
            return best
        return self._nearest([one for one, values in found.items() if is_as_good(values, found[best])])

    def _nearest(self, candidates: Sequence[Candidate]) -> Candidate:
        spans = [max(values) - min(values) for values in self.grid]
        return min(candidates, key=lambda one: _distance(one, self.configured, spans))

    def named(self, candidate: Candidate) -> dict[str, float | None]:
        """The value of each option."""
        return dict(zip(self.names, candidate, strict=True))


def search_values(search: Search, score: Scorer) -> Found:
    """Try the candidates of a search, each once.

    Args:
        search: What is tried: all combinations, or one option after another until nothing gets better.
        score: Measures the images with the values of a candidate.

    Returns:
        The metric of each image by candidate, in the order in which they were tried, the configured first.

    Example:
        >>> search = Search(("a", "b"), ((0, 1), (0, 1, 2)), (0, 0), by_coordinates=True)
        >>> list(search_values(search, lambda one: [one[0] + one[1]]))
        [(0, 0), (1, 0), (1, 1), (1, 2), (0, 2)]
    """
    found = {search.configured: score(search.configured)}
    if not search.by_coordinates:
        every = dict.fromkeys([search.configured, *product(*search.grid)])
        return found | {one: score(one) for one in every if one not in found}
    best, before = search.configured, None
    while best != before:
        before = best
        for place, values in enumerate(search.grid):
            line = [(*best[:place], value, *best[place + 1 :]) for value in values]
            found |= {one: score(one) for one in line if one not in found}
            best = search.best(found)
    return found


def mean_of(values: Sequence[float]) -> float:
    """The mean of those that are defined; NaN where none is."""
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


def is_as_good(values: Sequence[float], best: Sequence[float]) -> bool:
    """Whether the mean of images is within one standard error of the best (Breiman et al. 1984, §3.4.3).

    The error is that of the mean of the differences by image; of one image there is none, so it is 0.

    Args:
        values: The metric of each image; NaN where it is undefined.
        best: That of the best candidate.

    Example:
        >>> is_as_good([0.5, 0.9], [0.6, 0.9]), is_as_good([0.5, 0.8], [0.6, 0.9]), is_as_good([0.5], [0.6])
        (True, False, False)
    """
    differences = np.subtract(values, best)
    differences = differences[~np.isnan(differences)]
    if not differences.size:
        return False
    error = np.std(differences, ddof=1) / math.sqrt(differences.size) if differences.size > 1 else 0.0
    return bool(abs(differences.mean()) <= error + SAME)


def tune(
    options: Options, maps: Sequence[Path], targets: Sequence[Path], *, chosen: Path, table: Path
) -> None:
    """Choose the values with the best mean of a metric over images.

    Args:
        options: The rule's options (see `workflow.states`): `segment`, `values` (pairs of an option and the
            values that are tried), `search`, `choose`, `metric` and its `class` and `family`, `samples`, and
            what the family asks for (`tolerance`).
        maps: Batch folders of probability maps, in which the samples are found.
        targets: Batch folders of targets.
        chosen: Gets JSON: the values, the metric with them and with the configured ones, the images.
        table: Gets a row for each combination that was tried: values, mean, number of images.

    Raises:
        ValueError: There is no sample, or the metric is defined on none of them.
        FileNotFoundError: A sample has no map or no target.
    """
    if not options["samples"]:
        msg = "no held-out image has a label to tune on; put one or more into the part `val` (`split`)"
        raise ValueError(msg)
    search, family = _search(options), importlib.import_module(f"{FAMILIES}.{options['family']}")

    def score(candidate: Candidate) -> list[float]:
        return _measured(options, options["segment"] | search.named(candidate), family, maps, targets)

    found = search_values(search, score)
    best = search.chosen(found)
    if math.isnan(mean_of(found[best])):
        msg = f"'{options['metric']}' has no value on any of the {len(options['samples'])} held-out images"
        raise ValueError(msg)
    _write_table(search, found, best, table)
    _write_chosen(options, search, found, best, chosen)


def _search(options: Options) -> Search:
    names = tuple(name for name, _ in options["values"])
    grid = tuple(tuple(values) for _, values in options["values"])
    configured = tuple(options["segment"][name] for name in names)
    by_coordinates, by_error = options["search"] == "coordinates", options["choose"] == "standard_error"
    return Search(names, grid, configured, options["lower_is_better"], by_coordinates, by_error)


def _distance(one: Candidate, other: Candidate, spans: Sequence[float]) -> float:
    """How far values lie from each other, each in spans of those tried; a value from none counts as one span.

    Example:
        >>> _distance((0.5, 10), (0.25, 20), (0.5, 20)), _distance((0.5,), (None,), (1,))
        (1.0, 1.0)
    """
    pairs = zip(one, other, spans, strict=True)
    return sum(float(a is not b) if None in (a, b) else abs(a - b) / (span or 1) for a, b, span in pairs)


def _measured(
    options: Options, settings: Options, family: ModuleType, maps: Sequence[Path], targets: Sequence[Path]
) -> list[float]:
    """The metric of each sample, segmented with some settings."""
    said = {
        sample: _said(options, settings, family, (views.find_sample(maps, sample), sample, targets))
        for sample in options["samples"]
    }
    known = {sample: measures for sample, measures in said.items() if measures is not None}
    more = family.finish(known) if known and hasattr(family, "finish") else {}
    wanted = options["class"] or "all", options["metric"]
    return [_value([*(found or ()), *more.get(sample, ())], wanted) for sample, found in said.items()]


def _said(
    options: Options, settings: Options, family: ModuleType, of: tuple[Path, str, Sequence[Path]]
) -> list[Measure] | None:
    """What the family says of one segmented image; None where it has no value."""
    path, sample, targets = of
    truth = views.find_sample(targets, sample)
    with tempfile.TemporaryDirectory() as scratch:
        found = segmented(path, settings, Path(scratch))
        context = _context(options, truth, found)
        try:
            with views.of_sample(sample):
                return family.measure(context) if context.valid.any() else None
        except UndefinedMetricError:
            return None


def _context(options: Options, truth: Path, found: Segmented) -> Context:
    """A segmentation beside its truth; as maps it has its classes as 0 and 1, so what is of maps is of it."""
    classes, by_classes = options["classes"], options["activation"] == "softmax"
    numbers = range(len(classes)) if by_classes else (1,)
    beside = truth.parent / views.INSTANCES / truth.name
    chosen = {"tolerance": options["tolerance"]} if "tolerance" in options else {}
    return Context(
        truth=images.read(truth),
        truth_instances=images.read(beside) if beside.is_file() else None,
        probability=np.stack([found.classes == number for number in numbers]).astype(np.float32),
        segmentation=found.classes,
        segmented_instances=None if found.objects is None else np.asarray(found.objects),
        classes=classes,
        thresholds=(HALF,),
        betas=options["betas"],
        mean_classes=options["mean_classes"],
        activation=options["activation"],
        mpp=images.header(truth).mpp,
        **chosen,
    )


def _value(measures: Sequence[Measure], wanted: tuple[str, str]) -> float:
    return next((m.value for m in measures if (m.class_name, m.metric) == wanted), math.nan)


def _write_table(search: Search, found: Found, best: Candidate, path: Path) -> None:
    """A row for each candidate: values, mean, images on which the metric is defined, and what is chosen."""
    rows = [
        search.named(one)
        | {"mean": mean_of(values), "images": sum(not math.isnan(value) for value in values)}
        | {"configured": one == search.configured, "chosen": one == best}
        for one, values in found.items()
    ]
    with finished_file(path) as partial:
        pd.DataFrame(rows).to_csv(partial, sep="\t", index=False)


def _write_chosen(options: Options, search: Search, found: Found, best: Candidate, path: Path) -> None:
    """The values that `stages.segment` takes, and what tells of the choice."""
    before = mean_of(found[search.configured])
    told = {key: options[key] for key in ("metric", "class", "on", "samples")}
    told |= {"values": search.named(best), "mean": mean_of(found[best])}
    told |= {"configured": search.named(search.configured)}
    write_json(path, told | {"configured_mean": None if math.isnan(before) else before})
