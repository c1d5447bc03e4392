# SPDX-License-Identifier: MIT
"""Checks of tables and figures: what each shows has to be evaluated, defined or published."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any

import yaml

from microtome.config import kinds, project
from microtome.config.checks_splits import check_entry
from microtome.config.evaluated import (
    EVERY_CLASS,
    FAMILIES,
    OWN_LOSS,
    SYNONYMS,
    constants,
    is_of,
    measured,
    metrics_of,
    nearest_metric,
    of_probabilities,
)
from microtome.config.kinds import Kind
from microtome.config.run import Run
from microtome.config.study import Entry, Study
from microtome.config.yaml import Keys, Places, below, outline
from microtome.faults import ConfigurationError, Fault, nearest
from microtome.registry import entry_names

Papers = Mapping[str, Mapping[str, tuple[str, ...] | None]]
"""The papers with published values, their tables, and the columns of each of them (None: no values)."""
FLAGS = ("images", "stains", "objects", "cubes")
"""Options of tables and figures that are gone."""
PLAIN_TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("text", (str,)),
    "bool": ("true or false", (bool,)),
    "Sequence[str]": ("a list of names, such as [a, b]", (list, tuple)),
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "int | None": ("a whole number or null", (int, NoneType)),
    "float | None": ("a number or null", (int, float, NoneType)),
}
OF_RUNS: Mapping[str, tuple[Callable[[Run], bool], str]] = {
    "history": (lambda run: run.has_history, "{run}, which has no training history"),
    "trained": (lambda run: run.has_history, "{run}, which has no network of its own"),
    "calibrated": (
        lambda run: run.is_calibrated and run.calibration.kind == "cubic",
        "a run without cubic calibration",
    ),
    "uncertainty": (lambda run: bool(run.uncertainty), "a run without `uncertainty`"),
    "calls": (lambda run: run.calls is not None, "a run that calls no sections (`calls`)"),
    "heat_maps": (lambda run: run.calls is not None, "a run that calls no sections (`calls`)"),
    "objects": (lambda run: run.segment.kind == "watershed", "a run that finds no objects"),
}
"""What a kind may need of its runs, and what one that lacks it is; `{run}`: an ensemble or a classifier."""
OF_STUDIES: Mapping[str, tuple[Callable[[Study], Any], str]] = {
    "stains": (lambda study: study.stains, "stain normalizations (`stains`)"),
    "cubes": (lambda study: study.cubes, "hyperspectral cubes (`cubes`)"),
    "images": (
        lambda study: not study.slides,
        "images that are read as a whole, which slides (`slides`) are too large for",
    ),
    "slides": (lambda study: study.slides, "whole slides (`slides`)"),
    "sampling_lists": (
        lambda study: any(run.sampler.kind == "lists" for run in study.runs.values()),
        "a run whose sampler is `lists`",
    ),
    "section_boxes": (lambda study: study.slides, "whole slides (`slides`)"),
    "every_slide": (lambda study: study.slides, "whole slides (`slides`)"),
    "instances": (lambda study: study.targets.kind == "instances", "objects as targets (targets.kind)"),
}
"""What a kind may need of the study."""


def check_products(study: Study, places: Places) -> Iterator[Fault]:
    """Find what tables and figures show though the study does not have it."""
    known = metrics_of(study)
    papers, wrong = _published(project.table(project.PUBLISHED, places.path))
    yield from _check_evaluate(study, places, known)
    if study.paper is not None:
        yield from (wrong[name] for name in ("", study.paper) if name in wrong)
    if papers and study.paper is not None and study.paper not in papers:
        expected = f"{nearest(study.paper, papers)}, as in {project.PUBLISHED}"
        yield Fault(places(("paper",)), f"'{study.paper}'", expected)
    tables = papers.get(study.paper or "", {})
    for section in kinds.MAKERS:
        for name, entry in getattr(study, section).items():
            kind = kinds.find(section, entry.kind)
            if kind is None:
                expected = nearest(entry.kind, kinds.names(section))
                yield Fault(places((section, name, "kind")), f"'{entry.kind}'", expected)
            else:
                yield from _Product(study, kind, name, entry, places, known, tables).faults()


def _check_stored(study: Study, places: Places) -> Iterator[Fault]:
    """Maps of bytes whose losses are measured: what rounds to 0 would cost as if the run had ruled it out."""
    measured_losses = study.evaluate.losses if "losses" in study.evaluate.metrics else ()
    for name, run in study.runs.items() if measured_losses else ():
        if not run.is_ensemble and run.predict.store.dtype == "uint8":
            where = places.inside(("runs", name, "predict", "store", "dtype"), 3)
            expected = "float32, as evaluate.losses are measured on maps; or none of these"
            yield Fault(where, "'uint8'", expected)


def _check_evaluate(study: Study, places: Places, known: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """Metrics that the study has not, or not of these classes."""
    evaluate, classes = study.evaluate, study.data.classes
    metric = evaluate.rank_by
    if metric and EVERY_CLASS not in known.get(metric, ()) and study.runs:
        found = f"'{metric}', which is of each class" if metric in known else f"'{metric}'"
        ranks = [name for name, of in known.items() if EVERY_CLASS in of]
        same = SYNONYMS.get(metric, metric)
        mean = f"mean_{same}" if f"mean_{same}" in ranks else metric
        expected = f"'{mean}'" if mean in ranks else nearest_metric(metric, ranks)
        yield Fault(places(("evaluate", "rank_by")), found, expected)
    yield from _check_stored(study, places)
    for number, name in enumerate(evaluate.mean_classes):
        if name not in classes:
            where = places(("evaluate", "mean_classes", str(number)))
            yield Fault(where, f"'{name}'", f"{nearest(name, classes)}, the classes of data.classes")
    for number, family in enumerate(evaluate.metrics):
        lacking = [need for need in constants(family).get("NEEDS", ()) if not OF_STUDIES[need][0](study)]
        if lacking and study.runs:
            expected = f"families for this study, or a study with {OF_STUDIES[lacking[0]][1]}"
            yield Fault(places(("evaluate", "metrics", str(number))), f"'{family}'", expected)
        count = constants(family).get("CLASSES", len(classes))
        if count != len(classes) and study.runs:
            others = [name for name in entry_names(FAMILIES) if "CLASSES" not in constants(name)]
            expected = f"families for any number of classes ({', '.join(others)}), or {count} data.classes"
            found = f"'{family}', which is defined for {count} classes, of {len(classes)}"
            yield Fault(places(("evaluate", "metrics", str(number))), found, expected)


def runs_shown(study: Study, kind: Kind, entry: Entry) -> list[str]:
    """The runs that a table or a figure is made of, in order; `all` leaves out what the kind cannot show.

    Segmentations of other tools count as runs where metrics are all that is shown.
    """
    if entry.runs != "all":
        return list(entry.runs)
    needed = kind.needs(entry.options)
    able = [name for name, run in study.runs.items() if _lacking(run, needed) is None]
    of_split = [name for name in able if entry.split in ("", *study.splits_of(name))]
    return [*of_split, *(study.external if _shows_metrics_alone(kind, entry.options) else ())]


def _shows_metrics_alone(kind: Kind, options: Mapping[str, Any]) -> bool:
    """Whether a kind shows what was measured on segmentations, and nothing else of runs."""
    probable = any(of_probabilities(metric) for metric in kind.declared("METRICS"))
    return kind.needs(options) == {"runs"} and not probable


@cache
def _published(path: Path) -> tuple[Papers, Mapping[str, Fault]]:
    """Names alone, as the values of a long file would take as long to build as all studies.

    And what is wrong: with a paper, or with all (the empty name).
    """
    if not path.is_file():
        return {}, {}
    try:
        papers = below(below(outline(path)).get("papers"))
    except ConfigurationError as error:
        return {}, {"": error.faults[0]}
    if not papers:
        return {}, {
            "": Fault(str(path), "no papers", "`papers`: the title and the tables of each, by its key")
        }
    named = {name: below(below(paper).get("tables")) for name, paper in papers.items()}
    columns = {name: {table: _columns_in(node) for table, node in of.items()} for name, of in named.items()}
    wrong = {
        name: Fault(f"{path}:{paper.start_mark.line + 1} papers.{name}", "no title", "the title of the paper")
        for name, paper in papers.items()
        if not isinstance(below(paper).get("title"), yaml.ScalarNode)
    }
    return columns, wrong


def _columns_in(table: yaml.Node) -> tuple[str, ...] | None:
    """The columns of a table; None where its rows do not hold values by name, so that it cannot be shown."""
    columns, rows = below(table).get("columns"), below(below(table).get("rows"))
    if not rows or not all(below(row) for row in rows.values()):
        return None
    return tuple(item.value for item in columns.value) if isinstance(columns, yaml.SequenceNode) else ()


def _one_of(runs: Iterable[str]) -> str:
    """The runs that would do, for a message."""
    names = ", ".join(runs)
    return f"one of {names}" if names else "another kind, as this one suits no run of the study"


def _lacking(run: Run, needed: Iterable[str]) -> str | None:
    """What a run is that lacks something needed; None if it lacks nothing."""
    asked = (OF_RUNS[need] for need in sorted(needed) if need in OF_RUNS)
    called = "a pixel classifier" if run.classifier is not None else "an ensemble"
    return next((what.format(run=called) for has, what in asked if not has(run)), None)


@dataclass(frozen=True)
class _Product:
    """A table or a figure of a known kind, the metrics that the study knows, and its paper's tables."""

    study: Study
    kind: Kind
    name: str
    entry: Entry
    places: Places
    known: Mapping[str, Sequence[str]]
    tables: Mapping[str, Sequence[str] | None]

    def faults(self) -> Iterator[Fault]:
        """Everything that is wrong with it."""
        of_names = (self._options, self._runs, self._study_has_it, self._names)
        for check in (*of_names, self._metrics, self._columns, self._published):
            yield from check()
        yield from check_entry(self.study, self.entry, self._shown, self._at)

    def _at(self, *keys: str) -> str:
        return self.places((self.kind.section, self.name, *keys))

    @property
    def _given(self) -> Mapping[str, Any]:
        return self.entry.options

    @property
    def _shown(self) -> list[str]:
        return runs_shown(self.study, self.kind, self.entry)

    def _options(self) -> Iterator[Fault]:
        allowed = self.kind.own_options
        for option, value in self._given.items():
            text, types = PLAIN_TYPES.get(self.kind.annotations.get(option, ""), ("", (object, bool)))
            if option in FLAGS and isinstance(value, bool):
                why = f"as the kind '{self.kind.name}' says itself what it needs"
                found = f"'{option}: {str(value).lower()}'"
                yield Fault(self._at(option), found, f"no such option, {why}; delete it")
            elif option not in allowed:
                expected = nearest(option, [*allowed, *Entry.model_fields])
                yield Fault(self._at(option), f"unknown option '{option}'", expected)
            elif not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                yield Fault(self._at(option), repr(value), text)
            elif (choices := self.kind.choices(option)) and value not in choices:
                expected = nearest(value, choices) if isinstance(value, str) else f"one of {choices}"
                yield Fault(self._at(option), repr(value), expected)
        for option in allowed:
            if self.kind.defaults[option] is None and option not in self._given:
                expected = f"a value; a {self.kind.section[:-1]} of kind '{self.kind.name}' requires it"
                yield Fault(self._at(option), "nothing", expected)

    def _runs(self) -> Iterator[Fault]:
        runs, needed = self.study.runs, self.kind.needs(self._given)
        for number, name in enumerate(self.entry.runs if self.entry.runs != "all" else ()):
            where = self._at("runs", str(number))
            if name in self.study.external:
                if not _shows_metrics_alone(self.kind, self._given):
                    found = f"'{name}', a segmentation of another tool, without network or maps"
                    yield Fault(where, found, _one_of(runs))
            elif name not in runs:
                yield Fault(where, f"'{name}'", nearest(name, runs))
            elif lacking := _lacking(runs[name], needed):
                able = [key for key, run in runs.items() if _lacking(run, needed) is None]
                yield Fault(where, f"'{name}', {lacking}", _one_of(able))
        if "runs" in needed and not self._shown:
            expected = f"one or more of {', '.join(runs)}" if runs else "some in `runs` of the study"
            yield Fault(self._at("runs"), "no run that it can show", expected)

    def _study_has_it(self) -> Iterator[Fault]:
        for need in sorted(self.kind.needs(self._given) & OF_STUDIES.keys()):
            has, what = OF_STUDIES[need]
            if not has(self.study):
                expected = f"a study with {what}, or another kind; delete the entry"
                yield Fault(self._at("kind"), f"'{self.kind.name}'", expected)

    def _names(self) -> Iterator[Fault]:
        """Classes, runs and stain normalizations that are none of the study's."""
        names = {"CLASS": self.study.data.classes, "RUN": self._shown, "STAIN": self.study.stains}
        for noun, known in names.items():
            for keys, value in self.kind.listed(f"{noun}_OPTIONS", self._given):
                if value not in known:
                    yield Fault(self._at(*keys), repr(value), nearest(str(value), known))

    def _metrics(self) -> Iterator[Fault]:
        for metric in self.kind.declared("METRICS"):
            if metric not in self.known:
                able = [family for family in entry_names(FAMILIES) if metric in dict(measured(family))]
                expected = f"evaluate.metrics with {' or '.join(able)}, or another kind"
                found = f"'{self.kind.name}', which shows '{metric}'"
                yield Fault(self._at("kind"), found, expected if able else "another kind")
        for option, of_class in self.kind.declared("METRIC_OPTIONS").items():
            metric = self._given.get(option, self.kind.default(option))
            class_name = self._given.get(of_class) or EVERY_CLASS
            yield from self._metric((option,), metric, (of_class or option,), class_name)

    def _metric(self, keys: Keys, metric: Any, of_keys: Keys, of: Any) -> Iterator[Fault]:
        """A metric that is not evaluated at all, or not of that class."""
        default = "" if keys[0] in self._given else ", the default"
        for name in self._of_runs(metric) if isinstance(metric, str) else ():
            if name not in self.known:
                yield Fault(self._at(*keys), f"'{name}'{default}", nearest_metric(name, self.known))
            elif of_probabilities(name) and (others := self.study.external.keys() & self._shown):
                found = f"'{name}'{default} of {', '.join(sorted(others))}, which has no probabilities"
                yield Fault(self._at(*keys), found, "another metric, or `runs` without it")
            elif of not in self.known[name]:
                expected = f"{nearest(str(of), self.known[name])}, which '{name}' is of"
                yield Fault(self._at(*of_keys), f"'{name}'{default} of class '{of}'", expected)

    def _of_runs(self, metric: str) -> Iterable[str]:
        """A metric, or what it is of each run that is shown."""
        if OWN_LOSS not in metric:
            return (metric,)
        runs = (self.study.runs.get(name) for name in self._shown)
        return dict.fromkeys(metric.replace(OWN_LOSS, run.loss.name) for run in runs if run and run.loss)

    def _columns(self) -> Iterator[Fault]:
        for option in self.kind.declared("COLUMN_OPTIONS"):
            if option in self._given:
                yield from self._columns_of(option, self._given[option])
            else:  # one fault is enough for what the kind shows of itself
                yield from itertools.islice(self._columns_of(option, self.kind.default(option)), 1)

    def _columns_of(self, option: str, value: Any) -> Iterator[Fault]:
        is_one, is_many = isinstance(value, str | Mapping), self.kind.takes_several(option)
        seen: set[tuple[str, ...]] = set()
        for number, column in enumerate([value] if is_one else value or ()):
            here = (option,) if is_one or option not in self._given else (option, str(number))
            plain = {"metric": column} if isinstance(column, str) else dict(column)
            written = set(plain) if option in self._given and not isinstance(column, str) else ()
            named = ("metric", "class", "published", "pooled")
            keys = {key: (*here, key) if key in written else here for key in named}
            metric, of = plain.get("metric"), plain.get("class", plain.get("class_name", EVERY_CLASS))
            key = (str(metric), str(of), str(bool(plain.get("pooled"))))
            if key in seen:
                yield Fault(self._at(*here), f"'{metric}' of class '{of}' twice", "each column once")
            seen.add(key)
            classes = self.known.get(metric, ()) if isinstance(metric, str) else ()
            is_each = is_many and of == EVERY_CLASS and classes and EVERY_CLASS not in classes
            if not is_each:  # else one column for each class
                yield from self._metric(keys["metric"], metric, keys["class"], of)
            yield from self._published_column(keys["published"], plain.get("published"))
            if plain.get("pooled") and isinstance(metric, str):
                yield from self._pooled(keys["pooled"], metric, is_many)

    def _pooled(self, keys: Keys, metric: str, is_many: bool) -> Iterator[Fault]:
        """A metric of which there are no counts to add up, or a kind that does not."""
        families = [family for family in self.study.evaluate.metrics if "COUNTS" in constants(family)]
        able = [name for name in self.known if "{" not in name and "@" not in name]
        able = [name for name in able if any(is_of(name, family) for family in families)]
        if not is_many:
            yield Fault(self._at(*keys), "a pooled metric", "none, as this kind shows means over images")
        elif metric in self.known and metric not in able:
            which = (
                f"one of {', '.join(able)}" if able else "none, as evaluate.metrics has no family of those"
            )
            yield Fault(self._at(*keys), f"'{metric}' pooled", f"{which}, which follow from counts of pixels")

    def _published(self) -> Iterator[Fault]:
        source = f"the tables of '{self.study.paper}' in {project.PUBLISHED}"
        for keys, table in self.kind.listed("PUBLISHED_OPTIONS", self._given):
            if self.study.paper is None:
                expected = f"nothing, as the study names no `paper` of {project.PUBLISHED}; delete it"
                yield Fault(self._at(*keys), f"'{table}', a published table", expected)
            elif self.tables and table not in self.tables:
                yield Fault(self._at(*keys), f"'{table}'", f"{nearest(table, self.tables)}, {source}")
            elif self.tables and self.tables[table] is None:
                found = f"'{table}', whose rows hold no values by column"
                expected = f"rows such as {{a run: {{a column: 0.9}}}} in {source}, or another table"
                yield Fault(self._at(*keys), found, expected)

    def _published_column(self, keys: Keys, column: Any) -> Iterator[Fault]:
        table = self.tables.get(self._given.get("published"))
        if column and table is not None and keys[0] in self._given and column not in table:
            expected = f"{nearest(column, table)}, the columns of the published table"
            yield Fault(self._at(*keys), f"'{column}'", expected)
