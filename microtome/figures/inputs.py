# SPDX-License-Identifier: MIT
"""What figures are drawn from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from microtome.config.colors import bright_class, class_colors, class_of_interest
from microtome.files import located
from microtome.io import views
from microtome.provenance.runs import RunRecord
from microtome.tables.inputs import Inputs

RUN_FOLDERS = {
    **{name: f"{name}/*" for name in ("predictions", "segmentations", "raw_predictions", "uncertainty")},
    "segmented": "segmentations/*/instances",
}
"""Folders of a run with a file per sample, by what they hold."""
TARGET_FOLDERS = {
    "instances": "instances",
    "shape_marker": "shape_markers",
    "centre_marker": "centre_markers",
    "full": views.FULL,
}
"""Folder beside a target, by what it holds of the same sample."""
PAIR = 2
"""Classes of which one map tells both."""


@dataclass(frozen=True)
class SampleSources:
    """The files of one sample.

    Attributes:
        image: Image, or None where only predictions are shown.
        target: Target (class ids), or None where there is none.
        predictions: Probability map by run.
        segmentations: Segmentation (class ids) by run.
        raw_predictions: Probability map before calibration, by run, for runs that calibrate.
        uncertainty: Where the members doubt (entropy, then mutual information, nat), by run, for ensembles.
        instances: True objects (ids), or None.
        shape_marker: Shape markers of the true objects, or None.
        centre_marker: Centre markers of the true objects, or None.
        full: Complete labels (class ids) of an image whose target is labelled in part, or None.
        segmented: Objects found (ids), by run.
        normalized: Image after stain normalization, by the name of the normalization.
        stain_reports: What a stain normalization says of the image (JSON), by its name.
    """

    image: Path | None = None
    target: Path | None = None
    predictions: Mapping[str, Path] = field(default_factory=dict)
    segmentations: Mapping[str, Path] = field(default_factory=dict)
    raw_predictions: Mapping[str, Path] = field(default_factory=dict)
    uncertainty: Mapping[str, Path] = field(default_factory=dict)
    instances: Path | None = None
    shape_marker: Path | None = None
    centre_marker: Path | None = None
    full: Path | None = None
    segmented: Mapping[str, Path] = field(default_factory=dict)
    normalized: Mapping[str, Path] = field(default_factory=dict)
    stain_reports: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class FigureInputs(Inputs):
    """Everything a figure may need; a kind says what it misses.

    Attributes:
        sources: Files by sample.
        settings: Parts of the study that schematic drawings tell of: ``stains`` (by name) and ``runs`` (by
            name: ``stain``, ``outputs``, ``sampler``, ``augment``, ``network``, ``loss``, ``segment``), as
            in the study file.
        stain_targets: Profile of the target image (JSON), by the name of the stain normalization.
        cubes: Calibrated cube (ENVI header) by sample; what calibration says of it lies beside it (JSON).
        raw_cubes: Cube as it was recorded, by sample, where cubes were calibrated.
        bands: Chosen bands and their scores (``bands.tsv``), or None.
    """

    sources: Mapping[str, SampleSources] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    stain_targets: Mapping[str, Path] = field(default_factory=dict)
    cubes: Mapping[str, Path] = field(default_factory=dict)
    raw_cubes: Mapping[str, Path] = field(default_factory=dict)
    bands: Path | None = None

    @property
    def output_class(self) -> str:
        """The class whose probability a network with one output predicts."""
        return self.classes[-1]

    @property
    def positive_class(self) -> str:
        """The class whose probability is shown where none is named: of two the bright one, else the last."""
        return bright_class(self.palette) if len(self.classes) == PAIR else self.classes[-1]

    @property
    def shown_class(self) -> str:
        """The class whose outcomes are shown where none is named: the one that the study is about."""
        return class_of_interest(self.classes)

    @property
    def palette(self) -> dict[str, str]:
        """Colour of each class, in order: the study's own, else those of `class_colors`."""
        return class_colors(self.classes, self.colors)

    @property
    def is_plain(self) -> bool:
        """Whether there are two classes, shown in black and white, which captions name."""
        return len(self.classes) <= PAIR and not self.colors

    def class_id(self, name: str) -> int:
        """Give the id of a class.

        Raises:
            ValueError: The class is unknown.
        """
        if name not in self.classes:
            msg = f"unknown class {name!r}; the classes are {list(self.classes)}"
            raise ValueError(msg)
        return self.classes.index(name)

    def record(self, run: str) -> RunRecord:
        """Give the (first) record of a run.

        Raises:
            ValueError: There is none.
        """
        found = next((record for record in self.runs if record.run == run), None)
        if found is None:
            known = list(dict.fromkeys(record.run for record in self.runs))
            msg = f"no record of run {run!r}; the runs at hand: {known}; train it or name another"
            raise ValueError(msg)
        return found

    def select(self, runs: Sequence[str]) -> list[RunRecord]:
        """Give the records to show, in the order asked for: one or more per run; all without names.

        Raises:
            ValueError: There is none, or a run asked for has none.
        """
        if not self.runs:
            msg = "the figure has no runs; train and evaluate at least one run of the study"
            raise ValueError(msg)
        for run in runs:
            self.record(run)
        order = runs or list(dict.fromkeys(record.run for record in self.runs))
        return [record for run in order for record in self.runs if record.run == run]

    def sample(
        self, name: str = "", *, run: str = "", needs: Sequence[str] = ()
    ) -> tuple[str, SampleSources]:
        """Give a sample by name, or choose one.

        Args:
            name: Name of the sample; empty to choose: of those that have what is needed the first in
                alphabetical order, samples of the run's test part before others.
            run: Run whose maps are needed, and whose test part comes first.
            needs: What a chosen sample must have: names of attributes of `SampleSources`.

        Returns:
            Its name and files.

        Raises:
            ValueError: There is no such sample.
        """
        named = [name] if name in self.sources else []
        found = named if name else self.candidates(run=run, needs=needs)
        if not found:
            wanted = repr(name) if name else f"with {list(needs)} of run {run!r}" if needs else "at all"
            msg = f"no files of sample {wanted}; the samples at hand: {sorted(self.sources)}"
            raise ValueError(msg)
        return found[0], self.sources[found[0]]

    def candidates(self, *, run: str = "", needs: Sequence[str] = ()) -> list[str]:
        """List the samples that have what is needed, those of the run's test part first, by name."""
        found = [key for key, files in self.sources.items() if _has(files, run, needs)]
        tested = self._test_samples(run)
        return sorted(found, key=lambda key: (key not in tested, key))

    def _test_samples(self, run: str) -> set[str]:
        frames = [record.metrics for record in self.runs if not run or record.run == run]
        return {sample for frame in frames for sample in frame.loc[frame["part"] == "test", "sample"]}


def _has(files: SampleSources, run: str, needs: Sequence[str]) -> bool:
    found = [getattr(files, name) for name in needs]
    return all(item is not None and (isinstance(item, Path) or run in item) for item in found)


def needed(sources: SampleSources, what: str, sample: str) -> Path:
    """Give the path of what a sample must have, e.g. its ``image`` or ``target``.

    Raises:
        ValueError: The sample has none.
    """
    path: Path | None = getattr(sources, what)
    if path is None:
        msg = f"sample {sample!r} has no {what}; name a sample that has one"
        raise ValueError(msg)
    return path


def file_of(paths: Mapping[str, Path], run: str, *, sample: str, what: str) -> Path:
    """Give the file of a run; `sample` and `what` it holds are for the message.

    Raises:
        ValueError: The run has no such file.
    """
    if run not in paths:
        msg = f"no {what} of sample {sample!r} by run {run!r}; runs with one: {sorted(paths)}"
        raise ValueError(msg)
    return paths[run]


def gather(inputs: Inputs, options: Mapping[str, Any]) -> FigureInputs:
    """Sort the files of a figure by sample.

    `options` are the rule's (`microtome.workflow.states.products.entry`): `settings`, `raw_cubes`.
    """
    stains: dict[str, list[Path]] = {}
    for path in inputs.found("stains", f"*{views.IMAGE}"):
        stains.setdefault(path.parents[2].name, []).append(path)
    recorded = inputs.files.get("raw_cubes", ())
    pictures = inputs.found("images", f"*{views.IMAGE}"), inputs.found("targets", f"*{views.IMAGE}")
    return FigureInputs(
        **{item.name: getattr(inputs, item.name) for item in fields(inputs)},
        sources=find_sources(inputs.runs, *pictures, stains=stains),
        settings=options.get("settings") or {},
        stain_targets={path.parent.name: path for path in inputs.files.get("stain_targets", ())},
        cubes={path.stem: path for path in inputs.found("cubes", "*.hdr")},
        raw_cubes={name: _place(Path(path), recorded) for name, path in options.get("raw_cubes", {}).items()},
        bands=next(iter(inputs.files.get("bands", ())), None),
    )


def _place(path: Path, files: Sequence[Path]) -> Path:
    """Where a job has a file that is one of its inputs, or lies in one."""
    for folder in (path, *path.parents):
        if (place := located(folder, files)) != folder:
            return place / path.relative_to(folder)
    return path


def find_sources(
    runs: Sequence[RunRecord],
    images: Iterable[str | Path],
    targets: Iterable[str | Path] = (),
    *,
    stains: Mapping[str, Iterable[str | Path]] | None = None,
) -> dict[str, SampleSources]:
    """Find the files of each sample: those given, and what lies beside them and in the run folders.

    Of several seeds or splits of a run the first record that holds the sample is taken.

    Args:
        runs: Run records.
        images: Images, named after their samples.
        targets: Targets, named after their samples; true objects and markers lie in folders beside them.
        stains: Normalized images by the name of the stain normalization, named after their samples; the
            report of an image lies beside it.

    Returns:
        Files by sample, for the samples of `images`, and for those that only `stains` holds.
    """
    image_by_sample = {Path(path).stem: Path(path) for path in images}
    target_by_sample = {Path(path).stem: Path(path) for path in targets}
    maps = {name: _files(runs, folders) for name, folders in RUN_FOLDERS.items()}
    normalized: dict[str, dict[str, Path]] = {}
    for name, paths in (stains or {}).items():
        for path in map(Path, paths):
            normalized.setdefault(path.stem, {})[name] = path
    return {
        sample: SampleSources(
            image=image_by_sample.get(sample),
            target=target_by_sample.get(sample),
            **{name: found.get(sample, {}) for name, found in maps.items()},
            **_beside(target_by_sample.get(sample)),
            normalized=normalized.get(sample, {}),
            stain_reports=_reports(normalized.get(sample, {})),
        )
        for sample in sorted({*image_by_sample, *normalized})
    }


def _files(runs: Sequence[RunRecord], folder: str) -> dict[str, dict[str, Path]]:
    files: dict[str, dict[str, Path]] = {}
    for record in runs:
        for batch in sorted(record.folder.glob(folder)):
            for sample, path in views.samples(batch).items():
                files.setdefault(sample, {}).setdefault(record.run, path)
    return files


def _beside(target: Path | None) -> dict[str, Path]:
    if target is None:
        return {}
    found = {what: target.parent / folder / target.name for what, folder in TARGET_FOLDERS.items()}
    return {what: path for what, path in found.items() if path.is_file()}


def _reports(normalized: Mapping[str, Path]) -> dict[str, Path]:
    found = {name: path.with_suffix(".json") for name, path in normalized.items()}
    return {name: path for name, path in found.items() if path.is_file()}
