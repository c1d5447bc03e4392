# SPDX-License-Identifier: MIT
"""What tables and figures are made of: the needs that kinds declare (`microtome.config.kinds`), in files.

A new need is one more entry of `FILES`: its name to the inputs of the rule that it stands for, each a
function of what is shown. The kind that declares it finds the paths in `Inputs.files`, by the input's name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from microtome.config import kinds
from microtome.config.checks_products import runs_shown
from microtome.config.study import Entry
from microtome.faults import ConfigurationError, Fault, nearest
from microtome.workflow.paths import Layout


@dataclass(frozen=True)
class Shown:
    """A table or a figure of a study.

    Attributes:
        plan: The plan of the study (`microtome.study.plan.StudyPlan`).
        section: `tables` or `figures`.
        name: Its name there.
    """

    plan: Any
    section: str
    name: str

    @property
    def entry(self) -> Entry:
        """What the study says of it."""
        return getattr(self.plan.study, self.section)[self.name]

    @property
    def kind(self) -> kinds.Kind:
        """Its kind; the study is checked, so there is one."""
        return kinds.find(self.section, self.entry.kind)

    @property
    def takes(self) -> frozenset[str]:
        """The needs that it is made of."""
        return self.kind.takes(self.entry.options)

    @property
    def runs(self) -> list[str]:
        """The runs that it shows, in order."""
        return runs_shown(self.plan.study, self.kind, self.entry)

    def of_runs(self, *names: str) -> Iterator[str]:
        """Files or folders of every split, run and seed that it shows; `{batch}`: of evaluated batches."""
        chosen = set(self.runs)
        for split, run, seed in self.plan.evaluated():
            for name in names if run in chosen else ():
                batches = self.plan.batches_of(split, *self.plan.study.evaluate.parts)
                for batch in batches if "{batch}" in name else ("",):
                    yield f"runs/{split}/{run}/seed-{seed}/{name.format(batch=batch)}"


Files = Callable[[Shown], Iterable[str]]
"""Paths in the folder of the study."""


def _maps(shown: Shown) -> Iterator[str]:
    """Predictions and segmentations of the runs, and what explains them."""
    chosen = set(shown.runs)
    for split, run, seed in shown.plan.evaluated():
        for name in shown.plan.map_files(split, run) if run in chosen else ():
            yield f"runs/{split}/{run}/seed-{seed}/{name}"


def _stains(shown: Shown, name: str) -> Iterator[str]:
    """Folders or files of each stain normalization."""
    for stain in shown.plan.study.stains:
        for batch in shown.plan.batches if "{batch}" in name else ("",):
            yield f"stains/{stain}/{name.format(batch=batch)}"


def _cubes(shown: Shown, name: str, **wildcards: Iterable[str]) -> Iterator[str]:
    """Files of the study's cubes, if it has any, for each value of one wildcard."""
    for wildcard, values in wildcards.items() if shown.plan.study.cubes else ():
        yield from (name.format(**{wildcard: value}) for value in values)


FILES: Mapping[str, Mapping[str, Files]] = {
    "images": {
        "images": lambda shown: [f"images/{batch}" for batch in shown.plan.evaluated_batches],
        "targets": lambda shown: [f"targets/{b}" for b in shown.plan.labelled(shown.plan.evaluated_batches)],
        "maps": _maps,
    },
    "labels": {
        "labels": lambda shown: [f"targets/{batch}" for batch in shown.plan.labelled(shown.plan.batches)],
        "splits": lambda shown: [f"splits/{split}.tsv" for split in shown.plan.splits],
    },
    "stains": {
        "stains": lambda shown: _stains(shown, "images/{batch}"),
        "stain_targets": lambda shown: _stains(shown, "target.json"),
    },
    "cubes": {"cubes": lambda shown: _cubes(shown, "cubes/{batch}", batch=shown.plan.evaluated_batches)},
    "bands": {"bands": lambda shown: _cubes(shown, "bands/{split}/bands.tsv", split=shown.plan.splits)},
    "objects": {"objects": lambda shown: shown.of_runs("objects/{batch}")},
    "history": {"histories": lambda shown: shown.of_runs("history.tsv")},
} | {
    key: {}
    for key in ("runs", "trained", "calibrated", "uncertainty", "instances", "groups", "method", "names")
}
"""Need to the inputs of the rule. Those without files ask something of runs or of the study
(`microtome.config.checks_products`), or options (`microtome.workflow.states.products`)."""


def files(plan: Any, at: Layout, section: str, name: str) -> dict[str, list[str]]:
    """The input files and folders of a table or a figure, by the name of the input.

    Args:
        plan: The plan of the study.
        at: Where results are.
        section: `tables` or `figures`.
        name: Its name there.

    Returns:
        Paths; inputs without any are left out.

    Raises:
        ConfigurationError: The kind declares a need that is not known.
    """
    shown = Shown(plan, section, name)
    _check(shown)
    found = {"cards": shown.of_runs("card.json"), "metrics": shown.of_runs("metrics.tsv")}
    for need in sorted(shown.takes):
        found |= {key: paths(shown) for key, paths in FILES[need].items()}
    listed = {key: [_path(plan, at, path) for path in paths] for key, paths in found.items()}
    return {key: paths for key, paths in listed.items() if paths}


def origins(plan: Any, at: Layout, section: str, name: str) -> list[str]:
    """The sample sheet and the splits behind a table or a figure, to be named in its sidecar.

    Args:
        plan: The plan of the study.
        at: Where results are.
        section: `tables` or `figures`.
        name: Its name there.
    """
    if not files(plan, at, section, name):
        return []
    names = ["samples.tsv", *(f"splits/{split}.tsv" for split in plan.splits)]
    return [_path(plan, at, path) for path in names]


def _path(plan: Any, at: Layout, path: str) -> str:
    return at.study(path).format(study=plan.study.name)


def _check(shown: Shown) -> None:
    unknown = sorted(shown.takes - set(FILES))
    if unknown:
        faults = [Fault(f"{shown.kind.file} NEEDS", f"'{need}'", nearest(need, FILES)) for need in unknown]
        raise ConfigurationError(faults)
