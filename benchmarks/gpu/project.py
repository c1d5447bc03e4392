# SPDX-License-Identifier: MIT
"""The shipped studies as published, on phantoms of full size: all that the rule `train` takes, and no more.

The workflow itself makes the phantoms, imports them, normalizes stains, calibrates cubes and lists windows.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from microtome.config.load import load_workflow
from microtome.stages.train import TrainingFiles
from microtome.study.load import load_plans
from microtome.study.plan import StudyPlan
from microtome.workflow.paths import Layout
from microtome.workflow.states import runs as states

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("tables", "figures", "report", "external")
"""Sections of a study that training does without."""
Content = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """A study as it is trained here.

    Attributes:
        data: What takes the place of its images: a phantom of full size, with few images.
        runs: Of these an epoch is trained; the others are extrapolated.
        sampler: Options of their samplers that make an epoch of few images as long as is measured here.
        windows: Windows of an epoch as published, of each run; `""`: of the others.
        stands_for: What `windows` counts, for the reader.
        options: Further options of the study that the phantom needs.
    """

    data: Content
    runs: tuple[str, ...]
    sampler: Mapping[str, Content]
    windows: Mapping[str, int]
    stands_for: str
    options: Content = field(default_factory=dict)

    def windows_of(self, run: str) -> int:
        """Windows of an epoch of a run as published."""
        return self.windows.get(run, self.windows[""])


def _em(slices: int) -> Content:
    return {"kind": "em", "size": 512, "slices": {"train": slices, "val": 3, "test": 3}, "block": 3}


MORE_IMAGES = ("exp_6", "exp_9", "exp_9_fp32", "exp_9_clean", "exp_10")
"""The runs of `nuclei` with the larger number of copies."""
LISTS = {"t": {"draw": 1500}, "dense": {"draw": 500}, "s": {"draw": 1000}, "n": {"draw": 1000}}
STUDIES = {
    "membranes": Published(
        {"phantom": _em(24)},
        ("bce", "n4", "n65_fov_nu"),
        {"bce": {"repeats": 20}, "n4": {"per_epoch": 100_000}, "n65_fov_nu": {"per_epoch": 100_000}},
        {"": 24} | dict.fromkeys(("n4", "n65_fov", "n65_nu", "n65_fov_nu"), 24 * 100_000),
        "24 slices of 512²; of the window networks some 50,000 windows of each class and slice",
        {"split": {"kind": "column"}},
    ),
    "nuclei": Published(
        {"phantom": {"kind": "he", "size": 1000, "images": {"train": 10, "val": 1, "test": 1}}},
        ("exp_9",),
        {"exp_9": {"copies": 79}},
        dict.fromkeys(MORE_IMAGES, 30 * 150 * 9 // 10) | {"baseline": 27 * 112, "": 30 * 50 * 9 // 10},
        "30 images of 1000² with 149 copies of each (49 in the other runs), a tenth held out",
        {"stains": {"spcn": {"target": "tile-000"}}},
    ),
    "melanoma": Published(
        {"phantom": {"kind": "cubes", "size": 1024, "images": {"train": 2, "val": 1, "test": 1}}},
        ("hypernet_compound", "cnn2d_hyper"),
        {"hypernet_compound": {"repeats": 16}, "cnn2d_hyper": {"repeats": 16}},
        {"": 368 * 25},
        "368 cubes of 1024², 25 windows of 256² in each",
    ),
    "bcc": Published(
        {
            "phantom": {
                "kind": "slides",
                "height": 4000,
                "width": 6000,
                "mpp": 0.92,
                "slides": {"train": 3, "val": 1, "weak": 1, "test": 1},
            }
        },
        ("r34_ds",),
        {"r34_ds": {"scale": 1, "lists": LISTS}},
        {"": 255_771},
        "255,771 windows of 512² drawn from lists",
    ),
    "rcm": Published(
        {
            "phantom": {
                "kind": "mosaics",
                "size": 2700,
                "mosaics": {"train": 6, "val": 2, "test": 2},
            },
            "mpp": None,
            "downsample": 1,
        },
        ("mednet3",),
        {"mednet3": {"repeats": 8}},
        {"": 8000},
        "about 90 windows in each of 89 mosaics of 2,700² (four fifths of 117, less those that validate)",
        {"splits": {"patients": {"k": 2}}},
    ),
}

FEW = {
    "em": {"slices": {"train": 2, "val": 2, "test": 2}},
    "he": {"images": {"train": 2, "val": 1, "test": 1}},
    "cubes": {"images": {"train": 2, "val": 2, "test": 2}},
    "slides": {"slides": {"train": 2, "val": 1, "weak": 1, "test": 1}},
    "mosaics": {"mosaics": {"train": 4, "val": 2, "test": 2}},
}
"""Images of the demo's phantoms without a GPU."""


@dataclass(frozen=True)
class Training:
    """One training, as its job would have it.

    Attributes:
        study: Name of the study.
        run: Name of the run.
        options: The options of the rule.
        files: What it reads.
    """

    study: str
    run: str
    options: Content
    files: TrainingFiles


def write(folder: Path, name: str, *, dry: bool) -> None:
    """Write a project of one study: as published on a phantom of full size; `dry`: as its demo is shipped."""
    content = yaml.safe_load((ROOT / f"config/studies/{name}.yaml").read_text(encoding="utf-8"))
    demo = content["scales"]["demo"]
    if dry:
        phantom = demo["data"]["phantom"]
        demo = demo | {"data": demo["data"] | {"phantom": phantom | FEW[phantom["kind"]]}}
    else:
        data = {"source": "phantom", "batch_size": 64} | STUDIES[name].data
        demo = STUDIES[name].options | {"data": data}
    kept = {key: value for key, value in demo.items() if key not in SHOWN}
    content = {key: value for key, value in content.items() if key not in SHOWN} | {"scales": {"demo": kept}}
    (folder / "config/studies").mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(content, sort_keys=False)
    (folder / f"config/studies/{name}.yaml").write_text(text, encoding="utf-8")
    text = yaml.safe_dump({"scale": "demo", "studies": [name]})
    (folder / "config/config.yaml").write_text(text, encoding="utf-8")


def prepare(folder: Path, name: str, *, cores: int, dry: bool) -> list[Training]:
    """Make all that the trainings of a study read; the trainings that are measured.

    Raises:
        RuntimeError: The workflow failed; the message has the end of what it said.
    """
    write(folder, name, dry=dry)
    with _inside(folder):
        found = [_training(name, run, dry=dry) for run in STUDIES[name].runs]
    wanted = sorted({path.as_posix() for one in found for path in _paths(one.files)})
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--directory", str(folder)]
    done = subprocess.run(
        [*command, "--cores", str(cores), "--", *wanted],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    if done.returncode:
        msg = f"preparing {name} failed:\n{(done.stdout + done.stderr)[-3000:]}"
        raise RuntimeError(msg)
    return found


def _training(name: str, run: str, *, dry: bool) -> Training:
    """The training of a run on the first split, in the folder of its project."""
    workflow = load_workflow({"scale": "demo", "studies": [name]})
    plan = load_plans(workflow)[name]
    split, at = next(iter(plan.splits)), Layout("results", "demo", (name,))
    options = json.loads(states.train(plan, split, run, plan.seeds(run)[0]))["options"]
    options["network"] = {key: value for key, value in options["network"].items() if key != "weights"}
    if not dry:
        options["sampler"] = laid_over(options["sampler"], STUDIES[name].sampler[run])
    return Training(name, run, options, _files(plan, at, split, run))


def _files(plan: StudyPlan, at: Layout, split: str, run: str) -> TrainingFiles:
    """What the rule `train` has as input."""
    batches = plan.labelled(plan.batches_of(split, "train", "val"))

    def of(pattern: str) -> tuple[Path, ...]:
        return tuple(Path(at.study(pattern).format(study=plan.study.name, batch=batch)) for batch in batches)

    return TrainingFiles(of("patches/{batch}.parquet"), of(plan.seen(split, run)), of("targets/{batch}"))


def _paths(files: TrainingFiles) -> Sequence[Path]:
    return (*files.patches, *files.images, *files.targets)


def laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Content:
    """Options with some changed, at any depth.

    Example:
        >>> laid_over({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
        {'a': {'b': 3, 'c': 2}}
    """
    inner = {key: laid_over(base[key], value) for key, value in changes.items() if isinstance(value, Mapping)}
    return {**base, **changes, **inner}


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
