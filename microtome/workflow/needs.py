# SPDX-License-Identifier: MIT
"""What tables and figures are made of: the needs that kinds declare (`microtome.config.kinds`), in files.

A new need is one more entry of `FILES`: its name to the inputs of the rule that it stands for, each a
function of what is shown. The kind that declares it finds the paths in `Inputs.files`, by the input's name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from microtome.config import kinds
from microtome.config.checks_products import runs_shown
from microtome.config.checks_splits import splits_shown
from microtome.config.load import STUDY_FOLDER
from microtome.config.study import Entry
from microtome.faults import Fault, nearest, raise_faults
from microtome.study.headers import data_files
from microtome.study.modalities.cubes import raw_cubes
from microtome.study.plan import StudyPlan
from microtome.study.sample import FULL
from microtome.workflow.paths import Layout


@dataclass(frozen=True)
class Shown:
    """The table or the figure `name` in the section `tables` or `figures` of a study."""

    plan: StudyPlan
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

    @cached_property
    def runs(self) -> list[str]:
        """The runs that it shows, in order."""
        return runs_shown(self.plan.study, self.kind, self.entry)

    @cached_property
    def group(self) -> str:
        """The one of the study's `splits` whose records it shows."""
        return splits_shown(self.plan.study, self.runs, self.entry)[0]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of that name, several where it is of folds."""
        return self.plan.split_groups[self.group]

    @property
    def batches(self) -> tuple[str, ...]:
        """The batches of these splits, which hold each sample once."""
        return self.plan.batches_in(self.group)

    @property
    def evaluated_batches(self) -> list[str]:
        """Those of them with samples that are evaluated."""
        return self.plan.evaluated_in(self.group)

    def folders(self) -> Iterator[tuple[str, str, str]]:
        """The split, run and folder of everything trained that it shows."""
        for split, run, seed in self.plan.evaluated():
            if run in self.runs and split in self.splits:
                yield split, run, f"runs/{split}/{run}/seed-{seed}"

    def of_runs(self, name: str) -> Iterator[str]:
        """A file or folder of each run that it shows; `{batch}`: of evaluated batches."""
        for split, _, folder in self.folders():
            batches = self.plan.batches_of(split, *self.plan.study.evaluate.parts)
            for batch in batches if "{batch}" in name else ("",):
                yield f"{folder}/{name.format(batch=batch)}"

    def raw_cubes(self) -> list[str]:
        """The cubes as they were recorded; a phantom's lie in its folder."""
        cubes = raw_cubes(self.plan) if self.plan.study.cubes else {}
        if self.plan.data_kind == "phantom":
            return [self.plan.root.as_posix()] * bool(cubes)
        paths = [Path(path) for path in cubes.values()]
        return [file.as_posix() for path in paths for file in (path, *data_files(path))]

    def maps(self) -> Iterator[str]:
        """Predictions and segmentations of the runs, and what explains them."""
        for split, run, folder in self.folders():
            yield from (f"{folder}/{name}" for name in self.plan.map_files(split, run))

    def stains(self) -> list[str]:
        """The folder of each stain normalization."""
        return [f"stains/{name}" for name in self.plan.study.stains]

    def of_cubes(self, name: str, values: Iterable[str]) -> list[str]:
        """A file or folder for each of some values, if the study has cubes."""
        return [name.format(value) for value in values] if self.plan.study.cubes else []

    def learnt_windows(self) -> list[str]:
        """The patch indices of training, of the first fold where there are folds."""
        learnt = self.plan.learnt(self.splits[0], "train")
        return [f"patches/{batch}.parquet" for batch in self.plan.batches_with(self.splits[0], learnt)]

    def of_slides(self, folder: str) -> list[str]:
        """A folder of each evaluated batch of slides, if it has any; of annotations where there are such."""
        if not self.plan.study.slides:
            return []
        batches = self.evaluated_batches
        chosen = self.plan.labelled(batches) if folder in ("targets", "patches") else batches
        return [f"{folder}/{batch}" for batch in chosen]

    def called(self) -> Iterator[str]:
        """The called sections of each run that calls some."""
        for _, run, folder in self.folders():
            if self.plan.study.runs[run].calls is not None:
                yield f"{folder}/sections.tsv"

    def stains_seen(self, name: str) -> list[str]:
        """A file or folder of each stain normalization that its runs see; `{batch}`: of evaluated batches."""
        seen = (self.plan.seen(split, run) for split, run, _ in self.folders())
        places = [folder.split("/")[1] for folder in seen if folder.startswith("stains/")]
        batches = self.evaluated_batches if "{batch}" in name else [""]
        return [
            f"stains/{place}/{name.format(batch=batch)}"
            for place in dict.fromkeys(places)
            for batch in batches
        ]

    def of_every_slide(self, folder: str) -> list[str]:
        """A folder of each batch of slides."""
        return [f"{folder}/{batch}" for batch in self.batches]


def _splits(shown: Shown) -> list[str]:
    """The tables of the splits that it is of."""
    return [f"splits/{split}.tsv" for split in shown.splits]


FILES: Mapping[str, Mapping[str, Callable[[Shown], Iterable[str]]]] = {
    "images": {
        "images": lambda shown: [f"images/{batch}" for batch in shown.evaluated_batches],
        "targets": lambda shown: [f"targets/{b}" for b in shown.plan.labelled(shown.evaluated_batches)],
        "maps": Shown.maps,
    },
    "labels": {
        "labels": lambda shown: [f"targets/{batch}" for batch in shown.plan.labelled(shown.batches)],
        "splits": _splits,
    },
    "sampling_lists": {"patches": Shown.learnt_windows, "splits": _splits},
    "sheet": {"sheet": lambda _: ["samples.tsv"], "splits": _splits},
    "section_boxes": {
        "section_boxes": lambda shown: [f"sections/{batch}" for batch in shown.batches],
    },
    "stains": {
        "stains": lambda shown: [f"{folder}/images/{b}" for folder in shown.stains() for b in shown.batches],
        "stain_targets": lambda shown: [f"{folder}/target.json" for folder in shown.stains()],
    },
    "cubes": {"cubes": lambda shown: shown.of_cubes("cubes/{}", shown.evaluated_batches)},
    "bands": {"bands": lambda shown: shown.of_cubes("bands/{}/bands.tsv", shown.splits)},
    "slides": {
        name: partial(Shown.of_slides, folder=name) for name in ("images", "tissue", "sections", "targets")
    },
    "every_slide": {
        name: partial(Shown.of_every_slide, folder=name) for name in ("images", "tissue", "sections")
    },
    "patches": {"patches": lambda shown: [f"{path}.parquet" for path in shown.of_slides("patches")]},
    "calls": {"section_tables": Shown.called},
    "way": {
        "stains": lambda shown: shown.stains_seen("images/{batch}"),
        "stain_targets": lambda shown: shown.stains_seen("target.json"),
    },
    "heat_maps": {"heat_maps": lambda shown: shown.of_runs("predictions/{batch}")},
    "objects": {"objects": lambda shown: shown.of_runs("objects/{batch}")},
    "history": {"histories": lambda shown: shown.of_runs("history.tsv")},
} | {
    key: {}
    for key in (
        "runs",
        "trained",
        "calibrated",
        "uncertainty",
        "instances",
        "groups",
        "patients",
        "method",
        "names",
        "annotations",
        "complete_labels",
    )
}
"""Need to the inputs of the rule, in the study's folder. Those without files ask something of runs or of the
study (`microtome.config.checks_products`), or options (`microtome.workflow.states.products`)."""


GIVEN: Mapping[str, Mapping[str, Callable[[Shown], Iterable[str]]]] = {
    "cubes": {"raw_cubes": Shown.raw_cubes}
}
"""Need to those inputs of the rule that no rule of the workflow made from images."""


def given(plan: StudyPlan, section: str, name: str) -> dict[str, list[str]]:
    """The files as they were recorded that a table or a figure shows, by the name of the input."""
    shown = Shown(plan, section, name)
    asked = [GIVEN[need] for need in sorted(shown.takes & set(GIVEN))]
    found = {key: list(paths(shown)) for one in asked for key, paths in one.items()}
    return {key: paths for key, paths in found.items() if paths}


def files(plan: StudyPlan, at: Layout, section: str, name: str) -> dict[str, list[str]]:
    """The input files and folders of a table or a figure, by the name of the input; no empty ones.

    Raises:
        ConfigurationError: The kind declares a need that is not known.
    """
    shown = Shown(plan, section, name)
    raise_faults(_unknown(shown))
    found = {"cards": shown.of_runs("card.json"), "metrics": shown.of_runs("metrics.tsv")}
    found["external"] = [f"external/{run}/metrics.tsv" for run in shown.runs if run in plan.study.external]
    for need in sorted(shown.takes):
        listed = {key: list(paths(shown)) for key, paths in FILES[need].items()}
        found |= {key: paths for key, paths in listed.items() if paths}
    placed = {key: _placed(plan, at, paths) for key, paths in found.items()}
    return {key: paths for key, paths in placed.items() if paths}


def check(plans: Iterable[StudyPlan]) -> None:
    """Ask whether the kinds of tables and figures declare known needs, and whether samples meet them.

    This is done before there is a DAG: beside an older report, Snakemake passes over an input function
    that fails, and says that nothing is to be done.

    Raises:
        ConfigurationError: A kind declares a need that is not known, or no sample has what it needs.
    """
    shown = [
        Shown(plan, section, name)
        for plan in plans
        for section in ("tables", "figures")
        for name in getattr(plan.study, section)
    ]
    raise_faults(list(dict.fromkeys(fault for one in shown for fault in _unknown(one))))
    raise_faults([fault for one in shown for fault in _not_met(one)])


def _unknown(shown: Shown) -> list[Fault]:
    unknown = sorted(shown.takes - set(FILES))
    return [Fault(f"{shown.kind.file} NEEDS", f"'{need}'", nearest(need, FILES)) for need in unknown]


def _not_met(shown: Shown) -> Iterator[Fault]:
    """Needs that no sample meets which is evaluated."""
    if "complete_labels" not in shown.takes:
        return
    evaluated = (shown.plan.evaluated_parts[split] for split in shown.splits)
    if not any(shown.plan.samples[sample].cell(FULL) for parts in evaluated for sample in parts):
        where = f"{STUDY_FOLDER / shown.plan.study.name}.yaml {shown.section}.{shown.name}.truth"
        parts = " or ".join(shown.plan.study.evaluate.parts)
        expected = f"a sample of part {parts} with a label in column '{FULL}' of the sheet; or truth: labels"
        yield Fault(where, "'full', which no evaluated sample has", expected)


def origins(plan: StudyPlan, at: Layout, section: str, name: str) -> list[str]:
    """The sample sheet and the splits behind a table or a figure, to be named in its sidecar."""
    if not files(plan, at, section, name):
        return []
    return _placed(plan, at, ["samples.tsv", *_splits(Shown(plan, section, name))])


def _placed(plan: StudyPlan, at: Layout, paths: Iterable[str]) -> list[str]:
    return [at.study(path).format(study=plan.study.name) for path in paths]
