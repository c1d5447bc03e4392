# SPDX-License-Identifier: MIT
"""Two small studies, each made once for all tests of the stages."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from microtome.study.plan import StudyPlan
from tests.stages import folders, objects


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    folders.write(path)
    return path


@pytest.fixture(scope="session")
def runs(root, tmp_path_factory):
    """Run name to folder, with predictions."""
    found = {}
    for run in folders.RUNS:
        found[run] = folders.train(root, run, tmp_path_factory.mktemp(run))
        folders.predict(root, run, found[run])
    return found


@dataclass(frozen=True)
class ObjectStudy:
    """A study of objects, trained and evaluated.

    Attributes:
        plan: Its plan.
        root: Folder of the study.
        runs: Run name to folder.
        metrics: Run name to the table of metrics.
    """

    plan: StudyPlan
    root: Path
    runs: dict[str, Path]
    metrics: dict[str, pd.DataFrame]


@pytest.fixture(scope="session")
def found(tmp_path_factory):
    """Every stage of a study of objects, done once."""
    root = tmp_path_factory.mktemp("objects")
    plan = objects.plan_of(objects.study(), root)
    objects.prepare(plan, root)
    runs = {run: objects.train(plan, root, run) for run in ("marked", "alone", "marked_too")}
    metrics = {run: objects.evaluate(plan, root, run, folder) for run, folder in runs.items()}
    return ObjectStudy(plan, root, runs, metrics)
