# SPDX-License-Identifier: MIT
"""Measure a trained run on new images that have labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from microtome.job import finished_file, finished_folder
from microtome.metrics.summary import summarize
from microtome.stages.evaluate import EvaluatedFiles, evaluate_run
from microtome.stages.targets import rasterize_targets

PART = "applied"
"""What stands for the part of the split."""


def evaluate_applied(
    options: Mapping[str, Any], applied: Path, images: Sequence[Path], labels: Sequence[Path], folder: Path
) -> pd.DataFrame:
    """Compare what `apply_run` made with labels.

    Args:
        options: The rule's options (see `plan.StudyPlan.evaluate_applied`).
        applied: What `apply_run` wrote.
        images: The image files, in the order of the labels.
        labels: Their label files.
        folder: Gets `targets/`, `metrics.tsv` (one row per image, class and metric) and `summary.tsv` (mean,
            sd and a bootstrap 95 % interval over images).

    Returns:
        The summary.
    """
    rows = [
        {"sample": image.stem, "image": image.absolute(), "label": label.absolute(), "page": 0, "mpp": None}
        for image, label in zip(images, labels, strict=True)
    ]
    samples = {str(row["sample"]): PART for row in rows}
    with finished_folder(folder) as partial:
        rasterize_targets(rows, Path("/"), partial / "targets", targets=options["targets"])
        files = EvaluatedFiles([applied / "predictions"], [applied / "segmentations"], [partial / "targets"])
        chosen = {**options, "samples": samples, "groups": dict.fromkeys(samples, "")}
        evaluate_run(chosen, files, partial / "metrics.tsv")
        table = summarize(pd.read_csv(partial / "metrics.tsv", sep="\t", keep_default_na=True))
        with finished_file(partial / "summary.tsv") as path:
            table.to_csv(path, sep="\t", index=False)
    return table
