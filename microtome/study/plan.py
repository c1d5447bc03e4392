# SPDX-License-Identifier: MIT
"""The plan of a study: its samples, splits and batches, and the state string of each of its rules.

A state names exactly the options a rule uses, so that a change reruns what depends on it and nothing else
(see `provenance`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from microtome.config.run import Run
from microtome.config.study import Study
from microtome.provenance import code
from microtome.study import splits
from microtome.study.headers import data_files
from microtome.study.sheet import Sample, as_rows
from microtome.study.splits import Parts
from microtome.workflow.states.applied import EnsembleStates
from microtome.workflow.states.cubes import CubeStates
from microtome.workflow.states.runs import calibrate_options, predict_options, run_kind


@dataclass(frozen=True)
class StudyPlan(CubeStates, EnsembleStates):
    """One study, ready to become a DAG.

    Attributes:
        study: The checked study file.
        scale: The scale it was loaded at.
        samples: Sample name to sample, paths as the sheet gives them.
        root: Folder that these paths start from.
        splits: Split name to the part of each sample.
        batches: Batch name to sample names.
    """

    study: Study
    scale: str
    samples: Mapping[str, Sample]
    root: Path
    splits: Mapping[str, Parts]
    batches: Mapping[str, tuple[str, ...]]

    @property
    def data_kind(self) -> str:
        """`phantom`, `public`, or `own` for the user's files."""
        return self.study.data.origin if self.study.data.source == "files" else self.study.data.source

    @property
    def classes(self) -> list[str]:
        """Class names in order."""
        return list(self.study.data.classes)

    @cache  # noqa: B019 (a plan lives as long as the process)
    def batches_of(self, split: str, *parts: str) -> tuple[str, ...]:
        """The batches that hold samples of these parts of a split."""
        wanted = self.splits[split]
        found = (name for name, members in self.batches.items() if any(wanted[m] in parts for m in members))
        return tuple(found)

    def labelled(self, batches: Iterable[str]) -> list[str]:
        """Those of some batches that hold a labelled sample."""
        return [name for name in batches if any(self.samples[m].label for m in self.batches[name])]

    def members(self, split: str, part: str) -> list[str]:
        """The samples of a part, in the sheet's order."""
        return [name for name in self.samples if self.splits[split][name] == part]

    def map_files(self, split: str, run: str) -> list[str]:
        """What a figure shows of a run, in its folder: maps of the evaluated parts, the calibration."""
        settings = self.study.runs[run]
        calibrated = run_kind(settings) == "calibrated"
        folders = ["predictions", "segmentations"]
        folders += ["raw_predictions"] * calibrated + ["uncertainty"] * settings.uncertainty
        batches = self.batches_of(split, *self.study.evaluate.parts)
        return [f"{folder}/{batch}" for folder in folders for batch in batches] + [
            "calibration.json"
        ] * calibrated

    def rows(self, batch: str) -> list[dict[str, object]]:
        """The samples of a batch as plain rows."""
        return as_rows(self.samples[name] for name in self.batches[batch])

    def files(self, batch: str, column: str) -> list[str]:
        """The files of a batch that a rule takes as input, `column` being image, label or one of cubes."""
        found = (getattr(self.samples[name], column) for name in self.batches[batch])
        paths = [self.root / path for path in found if path]
        return [file.as_posix() for path in paths for file in (path, *data_files(path))]

    def _state(
        self, rule: str, options: Any, *, modules: tuple[str, ...] = (), files: tuple[str, ...] = ()
    ) -> str:
        return code.state(f"scripts/{rule}.py", options, modules=modules, files=files)

    def simulate(self) -> str:
        """State of `simulate`."""
        phantom = self.study.data.phantom
        return self._state(
            "simulate", phantom.model_dump(mode="json"), modules=(f"microtome.phantoms.{phantom.kind}",)
        )

    @cache  # noqa: B019
    def import_images(self, batch: str) -> str:
        """State of `import_images`."""
        return self._state("import_images", self._raw(batch, "label"))

    @cache  # noqa: B019
    def rasterize_targets(self, batch: str) -> str:
        """State of `rasterize_targets`."""
        unused = "" if self.has_instances else "image"
        return self._state(
            "rasterize_targets", self._raw(batch, unused) | {"targets": self._target_options()}
        )

    def _target_options(self) -> dict[str, Any]:
        """What labels are turned into."""
        data = self.study.data
        if self.has_instances:
            return self.study.targets.model_dump()
        return {"kind": "semantic", "classes": list(data.classes.items()), "ignore": data.ignore}

    def fit_stain(self, stain: str) -> str:
        """State of `fit_stain`."""
        target = {"target": self.study.stains[stain].target}
        return self._state("fit_stain", self._stain_options(stain) | target)

    @cache  # noqa: B019
    def normalize_stain(self, stain: str) -> str:
        """State of `normalize_stain`."""
        return self._state("normalize_stain", self._stain_options(stain))

    def _stain_options(self, stain: str) -> dict[str, Any]:
        """What normalizing an image depends on beside the target."""
        settings = self.study.stains[stain]
        return settings.model_dump(include={"method", "fallback"}) | {"parameters": settings.parameters}

    def seen(self, split: str, run: str) -> str:
        """The folder of the images that a run sees, with a {batch}."""
        settings = self.study.runs[run]
        if settings.view != "image":
            return f"bands/{split}/{'images' if settings.view == 'bands' else 'raw'}/{{batch}}"
        return f"stains/{settings.stain}/images/{{batch}}" if settings.stain else "images/{batch}"

    def batch_of(self, sample: str) -> str:
        """The batch that holds a sample."""
        return next(name for name, members in self.batches.items() if sample in members)

    @property
    def has_instances(self) -> bool:
        """Whether the targets are objects."""
        return self.study.targets.kind == "instances"

    def _raw(self, batch: str, other: str) -> dict[str, Any]:
        """What reading the images or labels of a batch depends on."""
        unused = (other, "part", "unit", "group")
        rows = [{key: value for key, value in row.items() if key not in unused} for row in self.rows(batch)]
        return {"root": self.root.as_posix(), "samples": rows}

    @cache  # noqa: B019
    def extract_patches(self) -> str:
        """State of `extract_patches`."""
        return self._state("extract_patches", self.study.patches.model_dump() | {"classes": self.classes})

    def split(self, split: str) -> str:
        """State of `split`."""
        parts = self.splits[split]
        rows = [
            {"sample": s.sample, "unit": s.unit, "group": s.group, "part": parts[s.sample]}
            for s in self.samples.values()
        ]
        return self._state("split", {"rows": rows, "digest": splits.digest(parts)})

    def sheet(self) -> str:
        """State of `write_sheet`."""
        return self._state("write_sheet", {"rows": as_rows(self.samples.values())})

    @cache  # noqa: B019
    def train(self, split: str, run: str, seed: int) -> str:
        """State of `train`."""
        settings = self.study.runs[run]
        fields = ("network", "loss", "input", "sampler", "window", "augment", "training")
        options = {field: getattr(settings, field).model_dump(mode="json") for field in fields}
        identity = {"study": self.study.name, "scale": self.scale, "split": split, "run": run, "seed": seed}
        parts = {part: self.members(split, part) for part in ("train", "val")}
        return self._state(
            "train",
            options
            | identity
            | {"parts": parts, "classes": self.classes, "data_source": self.data_kind}
            | {"stain": settings.stain, "outputs": settings.outputs}
            | ({"view": settings.view} if self.study.cubes else {}),
            modules=(f"microtome.networks.{settings.network.name}", f"microtome.losses.{settings.loss.name}"),
        )

    @cache  # noqa: B019
    def predict(self, run: str) -> str:
        """State of `predict`."""
        settings = self.study.runs[run]
        return self._state(
            "predict", predict_options(settings), modules=(f"microtome.networks.{settings.network.name}",)
        )

    def borrow_weights(self, split: str, run: str, seed: int) -> str:
        """State of `borrow_weights`."""
        settings = self.study.runs[run]
        identity = {"split": split, "run": run, "seed": seed, "weights_of": settings.weights_of}
        return self._state("borrow_weights", identity | {"view": settings.view})

    def evaluate_applied(self, split: str, run: str, seed: int) -> str:
        """State of `evaluate_applied`."""
        measured = self._measured(split, run, seed) | {"targets": self._target_options()}
        return self._state("evaluate_applied", measured, modules=self._measuring())

    def fit_calibration(self, split: str, run: str) -> str:
        """State of `fit_calibration`."""
        options = self.study.runs[run].calibration.model_dump(include={"kind", "bins"})
        return self._state("fit_calibration", options | {"samples": self.members(split, "val")})

    @cache  # noqa: B019
    def calibrate_predictions(self, run: str) -> str:
        """State of `calibrate_predictions`."""
        return self._state("calibrate_predictions", calibrate_options(self.study.runs[run]))

    @cache  # noqa: B019
    def export_objects(self, run: str) -> str:
        """State of `export_objects`."""
        return self._state("export_objects", {"mpp": self.study.data.mpp, "class": self.classes[-1]})

    @cache  # noqa: B019
    def segment(self, run: str) -> str:
        """State of `segment`."""
        return self._state("segment", self.study.runs[run].segment.model_dump())

    @cache  # noqa: B019
    def evaluate(self, split: str, run: str, seed: int) -> str:
        """State of `evaluate`."""
        evaluate = self.study.evaluate
        samples = {
            name: part
            for part in evaluate.parts
            for name in self.members(split, part)
            if self.samples[name].label
        }
        groups = {name: self.samples[name].group for name in samples}
        options = self._measured(split, run, seed) | {"samples": samples, "groups": groups}
        return self._state("evaluate", options, modules=self._measuring())

    def _measured(self, split: str, run: str, seed: int) -> dict[str, Any]:
        """What measuring an image depends on."""
        evaluate = self.study.evaluate
        chosen = evaluate.losses if "losses" in evaluate.metrics else ()
        return {
            **{"study": self.study.name, "split": split, "run": run, "seed": seed},
            "metrics": evaluate.metrics,
            "thresholds": evaluate.thresholds,
            "losses": {name: self._loss_options(name) for name in chosen},
            "classes": self.classes,
        }

    def _measuring(self) -> tuple[str, ...]:
        """The modules that measure, chosen by name."""
        evaluate = self.study.evaluate
        chosen = evaluate.losses if "losses" in evaluate.metrics else ()
        losses = tuple(f"microtome.losses.{self._loss_options(name)['name']}" for name in chosen)
        return tuple(f"microtome.metrics.families.{name}" for name in evaluate.metrics) + losses

    def _loss_options(self, name: str) -> dict[str, Any]:
        """A loss as the run of that name sets it, or with its defaults."""
        for run in self.study.runs.values():
            if run.loss is not None and run.loss.name == name:
                return run.loss.model_dump(mode="json")
        return {"name": name}

    def labels(self) -> dict[str, str]:
        """Run name to the name printed."""
        return {name: run.label or name for name, run in self.study.runs.items()}

    def trained_runs(self) -> dict[str, Run]:
        """The runs that have a network of their own."""
        return {name: run for name, run in self.study.runs.items() if not run.is_ensemble}

    def evaluated(self) -> list[tuple[str, str, int]]:
        """Every (split, run, seed) that is evaluated."""
        return [
            (split, run, seed) for split in self.splits for run in self.study.runs for seed in self.seeds(run)
        ]

    def __hash__(self) -> int:
        """By identity, so that states can be cached."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        """By identity."""
        return self is other
