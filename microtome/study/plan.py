# SPDX-License-Identifier: MIT
"""The plan of a study: its samples, splits, batches and trained runs, before any job.

What makes a job stale is said by functions of a plan in `workflow.states`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from microtome.config.study import ALL, MAIN, Study
from microtome.files import files_by_name
from microtome.study import modalities
from microtome.study.headers import OUTLINES, data_files
from microtome.study.sample import Parts, Sample, as_rows
from microtome.study.splits import split_names


@dataclass(frozen=True, eq=False)
class StudyPlan:
    """One study, ready to become a DAG; it lives as long as the process, so what follows from it is cached.

    Attributes:
        study: The checked study file.
        scale: The scale it was loaded at; the file itself is `paper` if it follows one, else `full`.
        samples: Sample name to sample, paths as the sheet gives them.
        root: Folder that these paths start from.
        splits: Split name to the part of each sample.
        batches: Batch name to sample names; each of the study's `splits` has batches of its own.
        batch_groups: Batch name to the name of the one of `splits` that it is of; empty where there is one.
    """

    study: Study
    scale: str
    samples: Mapping[str, Sample]
    root: Path
    splits: Mapping[str, Parts]
    batches: Mapping[str, Sequence[str]]
    batch_groups: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def split_groups(self) -> Mapping[str, tuple[str, ...]]:
        """The splits by the name in the study's `splits`; where it has one way to divide, all are `main`.

        Folds are several splits of one name.
        """
        if not self.study.splits:
            return {MAIN: tuple(self.splits)}
        return {
            name: tuple(one for one in split_names(split, name) if one in self.splits)
            for name, split in self.study.splits.items()
        }

    @cached_property
    def group_of_split(self) -> Mapping[str, str]:
        """The name in the study's `splits` (`split_groups`) of each split."""
        return {split: name for name, splits in self.split_groups.items() for split in splits}

    def group_of(self, batch: str) -> str:
        """The name in the study's `splits` (`split_groups`) that a batch is of."""
        return self.batch_groups.get(batch) or next(iter(self.split_groups))

    @cache  # noqa: B019
    def batches_in(self, group: str) -> tuple[str, ...]:
        """The batches of one of the study's `splits`; together they hold each sample once."""
        return tuple(name for name in self.batches if self.group_of(name) == group)

    @cached_property
    def data_kind(self) -> str:
        """`phantom`, `public`, or `own` for the user's files."""
        return self.study.data.origin if self.study.data.source == "files" else self.study.data.source

    @property
    def classes(self) -> list[str]:
        """Class names in order."""
        return list(self.study.data.classes)

    @property
    def has_outlines(self) -> bool:
        """Whether labels may be outlines, which take the size of their image."""
        labels = (Path(sample.label or "").suffix.lower() for sample in self.samples.values())
        return self.study.targets.kind != "semantic" or any(suffix in OUTLINES for suffix in labels)

    @cache  # noqa: B019
    def batches_of(self, split: str, *parts: str) -> tuple[str, ...]:
        """The batches that hold samples of these parts of a split."""
        wanted, own = self.splits[split], self.batches_in(self.group_of_split[split])
        return tuple(name for name in own if any(wanted[m] in parts for m in self.batches[name]))

    def evaluated_in(self, group: str) -> list[str]:
        """The batches of the evaluated parts of one of the study's `splits`, sorted."""
        parts, splits = self.study.evaluate.parts, self.split_groups[group]
        return sorted({batch for split in splits for batch in self.batches_of(split, *parts)})

    @cached_property
    def evaluated_batches(self) -> list[str]:
        """The batches of the evaluated parts of all splits, sorted."""
        return sorted(batch for group in self.split_groups for batch in self.evaluated_in(group))

    def batches_with(self, split: str, samples: Iterable[str]) -> list[str]:
        """The batches of a split that hold some samples, in the order of these."""
        own = self.batches_in(self.group_of_split[split])
        of = {sample: name for name in own for sample in self.batches[name]}
        return list(dict.fromkeys(of[sample] for sample in samples))

    def labelled(self, batches: Iterable[str]) -> list[str]:
        """Those of some batches that hold a labelled sample."""
        return [name for name in batches if any(self.samples[m].label for m in self.batches[name])]

    @cache  # noqa: B019
    def members(self, split: str, part: str) -> list[str]:
        """The samples of a part, in the sheet's order."""
        return [name for name in self.samples if self.splits[split][name] == part]

    @cache  # noqa: B019
    def learnt(self, split: str, part: str) -> list[str]:
        """The samples of a part that have a label to learn from, or to validate by."""
        return [name for name in self.members(split, part) if self.samples[name].label]

    @cached_property
    def evaluated_parts(self) -> dict[str, Parts]:
        """The part of each labelled sample that is evaluated, by split."""
        return {
            split: {
                m: p
                for p in self.study.evaluate.parts
                for m in self.members(split, p)
                if self.samples[m].label
            }
            for split in self.splits
        }

    @cache  # noqa: B019
    def external_files(self, name: str) -> dict[str, str]:
        """The segmentation that another tool made of each evaluated sample, as far as there is one."""
        wanted = dict.fromkeys(m for found in self.evaluated_parts.values() for m in found)
        files = files_by_name(Path(self.study.external[name].predictions))
        return {sample: files[sample].as_posix() for sample in wanted if sample in files}

    def external_values(self, name: str) -> list[str]:
        """The further files that belong to these, such as the values of an NRRD header."""
        paths = map(Path, self.external_files(name).values())
        return [file.as_posix() for path in paths for file in data_files(path)]

    def map_files(self, split: str, run: str) -> list[str]:
        """What a figure shows of a run, in its folder: maps of the evaluated parts, the calibration."""
        settings, batches = self.study.runs[run], self.batches_of(split, *self.study.evaluate.parts)
        calibrated = settings.is_calibrated
        segmented = "segment" not in modalities.replaced(self.study)
        folders = ["predictions", *["segmentations"] * segmented, *["raw_predictions"] * calibrated]
        folders += ["uncertainty"] * settings.uncertainty
        maps = [f"{folder}/{batch}" for folder in folders for batch in batches]
        return maps + ["calibration.json"] * calibrated

    def rows(self, batch: str) -> list[dict[str, object]]:
        """The samples of a batch as plain rows."""
        return as_rows(self.samples[name] for name in self.batches[batch])

    def files(self, batch: str, column: str) -> list[str]:
        """The files of a batch that a rule takes as input, by the column of the sheet that names them."""
        found = (self.samples[name].cell(column) for name in self.batches[batch])
        paths = [self.root / path for path in found if path]
        return [file.as_posix() for path in paths for file in (path, *data_files(path))]

    @cache  # noqa: B019
    def seen(self, split: str, run: str) -> str:
        """The folder of the images that a run sees, with a {batch}."""
        settings = self.study.runs[run]
        found = (seen(self, split, settings) for seen in modalities.ask("seen"))
        return next((folder for folder in found if folder), "images/{batch}")

    @cached_property
    def batch_of(self) -> dict[str, str]:
        """The batch that holds each sample; of several `splits` that of the first."""
        own = self.batches_in(next(iter(self.split_groups)))
        return {sample: name for name in own for sample in self.batches[name]}

    def labels(self) -> dict[str, str]:
        """Run name to the name printed."""
        named = {**self.study.runs, **self.study.external}
        return {name: one.label or name for name, one in named.items()}

    def members_of(self, run: str) -> list[str]:
        """The members of an ensemble; the run itself otherwise."""
        return list(self.study.runs[run].members) or [run]

    def seeds(self, run: str) -> tuple[int, ...]:
        """The seeds of a run; an ensemble has those that all its members share, unless it averages seeds."""
        settings = self.study.runs[run]
        if not settings.is_ensemble or settings.member_seeds:
            return settings.seeds
        shared = set.intersection(*(set(self.study.runs[member].seeds) for member in settings.members))
        return tuple(sorted(shared))

    def trained(self, run: str, seed: int) -> list[tuple[str, int]]:
        """The trained runs and seeds behind a run: itself, or an ensemble's members."""
        settings = self.study.runs[run]
        if not settings.is_ensemble:
            return [(run, seed)]
        return [(member, each) for member in settings.members for each in settings.member_seeds or (seed,)]

    def every_trained(self) -> list[tuple[str, str, int]]:
        """Every (split, run, seed) that can be trained, as runs name the study's `splits`."""
        trained = [(run, seed) for run in self.study.runs for seed in self.seeds(run)]
        on = {run: self.study.splits_of(run) for run in self.study.runs}
        return [
            (split, run, seed)
            for split in self.splits
            for run, seed in trained
            if self.group_of_split[split] in on[run]
        ]

    def evaluated(self) -> list[tuple[str, str, int]]:
        """Those of them that are evaluated: all but those that learn from every sample."""
        return [one for one in self.every_trained() if not self.learns_all(one[0])]

    def learns_all(self, split: str) -> bool:
        """Whether a split keeps nothing apart."""
        group = self.group_of_split.get(split)
        return group is not None and self.study.named_splits[group].kind == ALL

    def measured_on(self, split: str, run: str) -> tuple[str, ...]:
        """The splits whose metrics tell how good a run of a split is.

        That is the split itself; of one that keeps nothing apart the folds of the same run, else its first
        split that is evaluated, if it has any.
        """
        if not self.learns_all(split):
            return (split,)
        others = [name for name in self.study.splits_of(run) if self.study.named_splits[name].kind != ALL]
        folds = [name for name in others if self.study.named_splits[name].kind == "folds"]
        return self.split_groups[(folds or others)[0]] if others else ()
