# SPDX-License-Identifier: MIT
"""A study of more than 10,000 jobs, for the benchmark and the test of dry runs (no case of its own)."""

import shutil
from pathlib import Path

import yaml

from microtome.placeholders import write_placeholders
from microtome.sheet_generator import FORMS, plan_cohorts, sheet_rows, sheet_text

REPOSITORY = Path(__file__).resolve().parent.parent
COPIED = ("Snakefile", "config", "envs", "microtome", "profiles", "report", "rules", "scripts")
STUDY = "large"
LOSSES = ("bce", "dice", "focal", "tversky")
FOLDS, SEEDS = 5, 2


def copy_workflow(root: Path) -> None:
    """Copy what a run needs of the repository."""
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, root / name)


def write_large_study(root: Path, *, images: int) -> int:
    """Write a study of one image a job, in five folds, of four losses with two seeds, and its files.

    Args:
        root: Copy of the workflow.
        images: Number of images, a multiple of `FOLDS`, one a patient.

    Returns:
        Number of jobs of its DAG, with `all`.
    """
    data = root / "data" / STUDY
    form = FORMS["nuclei"]
    rows = sheet_rows(form, plan_cohorts(form, images=images, units=images), study=STUDY)
    data.mkdir(parents=True)
    (data / "samples.tsv").write_text(sheet_text(rows), encoding="utf-8")
    write_placeholders(rows, data, form)
    study = root / f"config/studies/{STUDY}.yaml"
    study.write_text(yaml.safe_dump(_study(), sort_keys=False), encoding="utf-8")
    models = FOLDS * len(LOSSES) * SEEDS
    per_image = len(("import_images", "rasterize_targets", "extract_patches")) * images
    tested = len(("predict", "segment")) * images * len(LOSSES) * SEEDS
    of_study = len(("write_sheet", "comparison", "loss_curves", "report_page", "crate", "all")) + FOLDS
    return per_image + tested + len(("train", "evaluate")) * models + of_study


def _study() -> dict:
    """The content of the study file."""
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
        "split": {"kind": "folds", "k": FOLDS},
        "patches": {"size": 16, "stride": 16},
        "defaults": {
            "network": {"name": "unet", "width": 4, "in_channels": 3},
            "seeds": list(range(SEEDS)),
        },
        "runs": {loss: {"label": loss, "loss": {"name": loss}} for loss in LOSSES},
        "tables": {"comparison": {"kind": "comparison", "title": "All runs", "runs": "all"}},
        "figures": {"curves": {"kind": "loss_curves", "title": "Curves", "runs": "all"}},
        "scales": {"demo": {}},
    }
