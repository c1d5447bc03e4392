# SPDX-License-Identifier: MIT
"""What finished jobs took: found by their benchmark files, in amounts of work."""

from pathlib import Path

import pytest

from microtome.config.workflow import Workflow
from microtome.planning import load_plans
from microtome.stages.plan import Scale, measure, work_of

PATTERNS = {
    "outputs": ["results/local/{study}/runs/{split}/{run}/seed-{seed}/predictions/{batch}"],
    "benchmark": "results/local/benchmarks/predict/{study}/{split}/{run}/{seed}/{batch}.tsv",
}
JOBS = [
    {"rule": "predict", "patterns": PATTERNS},
    {"rule": "report_page", "patterns": {"outputs": ["results/local/report.html"], "benchmark": None}},
]


@pytest.fixture
def scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scale:
    """The demo of the project's own study of membranes, with results in an empty folder."""
    repository = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(tmp_path)
    for name in ("config", "scripts", "rules"):
        (tmp_path / name).symlink_to(repository / name)
    plans = load_plans(Workflow(studies=("membranes",)))
    return Scale("demo", Path("results/demo"), plans)


def _benchmark(batch: str, text: str = "s\tmax_rss\n7.5\t100\n") -> None:
    path = Path(f"results/demo/benchmarks/predict/membranes/main/bce/0/{batch}.tsv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _prediction(batch: str) -> None:
    folder = Path(f"results/demo/membranes/runs/main/bce/seed-0/predictions/{batch}")
    (folder / "below").mkdir(parents=True)
    (folder / "a.tif").write_bytes(b"12345")
    (folder / "below/b.tif").write_bytes(b"123")


def _measure(scale: Scale) -> list:
    return measure(JOBS, scale, planned=Scale("local", Path("results/local"), scale.plans))


def test_work_is_images_and_epochs(scale: Scale) -> None:
    plan = scale.plans["membranes"]
    run = {"split": "main", "run": "bce"}
    trained, epochs = len(plan.members("main", "train")), plan.study.runs["bce"].training.epochs
    assert work_of(plan, "train", run) == trained * epochs * plan.study.runs["bce"].sampler.repeats
    assert work_of(plan, "predict", run | {"batch": "test-0"}) == len(plan.batches["test-0"])
    assert work_of(plan, "evaluate", run) == len(plan.members("main", "test"))
    assert work_of(plan, "tabulate", {"name": "x"}) == 1


def test_finished_jobs_of_another_scale_are_found(scale: Scale) -> None:
    _benchmark("test-0")
    _prediction("test-0")
    [found] = _measure(scale)
    assert (found.scale, found.rule, found.study, found.name) == ("demo", "predict", "membranes", "bce")
    assert (found.seconds, found.size) == (7.5, 8)
    assert found.work == len(scale.plans["membranes"].batches["test-0"])


def test_what_cannot_be_read_is_not_known(scale: Scale) -> None:
    _benchmark("test-0", "damaged")
    [found] = _measure(scale)
    assert (found.seconds, found.size) == (None, None)


def test_jobs_that_are_no_more_are_passed_over(scale: Scale) -> None:
    _benchmark("test-99")
    Path("results/demo/benchmarks/predict/other/main/bce/0").mkdir(parents=True)
    Path("results/demo/benchmarks/predict/other/main/bce/0/test-0.tsv").write_text("s\n1\n", encoding="utf-8")
    assert _measure(scale) == []
