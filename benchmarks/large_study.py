# SPDX-License-Identifier: MIT
"""Studies of more than 10,000 jobs, for the benchmark and the test of dry runs (no case of its own)."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.large_sheets import FORMS, plan_cohorts, sheet_rows, sheet_text
from benchmarks.placeholders import write_placeholders

REPOSITORY = Path(__file__).resolve().parent.parent
COPIED = ("Snakefile", "config", "envs", "microtome", "profiles", "report", "rules", "scripts", "workflow")
STUDY = "large"


@dataclass(frozen=True)
class Large:
    """A study of one image a job.

    Attributes:
        form: Kind of data whose published proportions its cohorts have.
        losses: Its runs.
        seeds: Trainings of each.
        folds: Test folds; 0: the published parts.
    """

    form: str
    losses: tuple[str, ...]
    seeds: int = 2
    folds: int = 0

    @property
    def split(self) -> Mapping[str, Any]:
        """The section of the study file."""
        return {"kind": "folds", "k": self.folds} if self.folds else {"kind": "column"}


CROSS_VALIDATED = Large("nuclei", ("bce", "dice", "focal", "tversky"), folds=5)
"""Every image trains four fifths of the runs: more inputs than jobs."""
PUBLISHED = Large("bcc", ("bce", "dice", "bce_dice", "iou", "tversky", "focal"))
"""The shape of the study of slides: 85 of 650 train, 244 validate, 321 test."""


def copy_workflow(root: Path) -> None:
    """Copy what a run needs of the repository."""
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, root / name)


def write_large_study(root: Path, large: Large, *, images: int) -> int:
    """Write a study of one image a job, and its files.

    Args:
        root: Copy of the workflow.
        large: Its shape.
        images: Number of images, a multiple of its folds, one a patient.

    Returns:
        Number of jobs of its DAG, with `all`.
    """
    data = root / "data" / STUDY
    form = FORMS[large.form]
    cohorts = plan_cohorts(form, images=images, units=images)
    rows = sheet_rows(form, cohorts, study=STUDY)
    data.mkdir(parents=True)
    (data / "samples.tsv").write_text(sheet_text(rows), encoding="utf-8")
    write_placeholders(rows, data, form)
    study = root / f"config/studies/{STUDY}.yaml"
    study.write_text(yaml.safe_dump(_study(large), sort_keys=False), encoding="utf-8")
    runs, tested = len(large.losses) * large.seeds, sum(c.images for c in cohorts if c.part == "test")
    seen = images if large.folds else images - tested
    per_image = len(("import_images", "rasterize_targets")) * images + len(("extract_patches",)) * seen
    per_test = len(("predict", "segment")) * (images if large.folds else tested) * runs
    per_model = len(("train", "evaluate")) * runs * max(large.folds, 1)
    of_study = len(("write_sheet", "comparison", "loss_curves", "report_page", "crate", "all"))
    return per_image + per_test + per_model + of_study + max(large.folds, 1)


def _study(large: Large) -> dict[str, Any]:
    """The content of the study file."""
    column = {"metric": "dice", "class": "nucleus"}
    return {
        "paper": "p4_unet_isbi",
        "title": "A large study",
        "data": {
            "source": "files",
            "samples": f"data/{STUDY}/samples.tsv",
            "channels": 3,
            "classes": {"background": 0, "nucleus": 1},
            "batch_size": 1,
        },
        "split": dict(large.split),
        "patches": {"size": 16, "stride": 16},
        "defaults": {
            "network": {"name": "unet", "width": 4, "in_channels": 3},
            "seeds": list(range(large.seeds)),
        },
        "runs": {loss: {"label": loss, "loss": {"name": loss}} for loss in large.losses},
        "tables": {
            "comparison": {"kind": "comparison", "title": "All runs", "runs": "all", "columns": [column]}
        },
        "figures": {"curves": {"kind": "loss_curves", "title": "Curves", "runs": "all"}},
        "scales": {"demo": {}},
    }
