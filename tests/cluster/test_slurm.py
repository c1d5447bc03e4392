# SPDX-License-Identifier: MIT
"""`snakemake --profile slurm` on a real SLURM: all is submitted, and what disturbs a job is survived."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.cluster.conftest import MEMORY, PROFILE, REPORT, RUNS, STUDY, Disturbed, Submitted
from tests.cluster.lab import Lab
from tests.workflow.workspace import EPOCHS, DryRunServer, Workspace

ON_LOGIN_NODE = {"split", "write_sheet", "ensemble", "crate"}
ON_GPU = {"train", "predict", "predict_raw"}
SCRIPTS = 35
"""Jobs of the study, each of which runs one script."""
SUBMISSIONS = 21
"""What they are for SLURM; see `groups` in slurm/config.yaml."""
TIMES = "seconds"
"""Columns with this word differ from run to run."""
SOURCES = (
    "Snakefile",
    "rules",
    "scripts",
    "microtome",
    "envs",
    "config",
    "slurm",
    "profiles",
    "report",
    "workflow",
)
DAY = 86_400


def test_every_job_is_submitted(submitted: Submitted) -> None:
    """All but the few that only write a small file."""
    local = {record["rule"] for record in submitted.records if record["slurm"] is None}
    assert local == ON_LOGIN_NODE
    assert len(submitted.records) == SCRIPTS
    assert (submitted.workspace.root / REPORT).is_file()


def test_small_jobs_share_a_submission(submitted: Submitted, lab: Lab) -> None:
    by_job: dict[str, list[str]] = {}
    for record in submitted.records:
        by_job.setdefault(record["slurm"], []).append(record["rule"])
    del by_job[None]
    assert set(by_job) == set(map(str, submitted.jobs))
    assert len(by_job) == SUBMISSIONS
    shared = [job for job, rules in by_job.items() if len(rules) > 1]
    assert len(shared) >= 4
    for job in shared:  # members run one after the other, so a group is no larger than one of them
        assert lab.jobs[int(job)].memory_mb <= 2000
        assert lab.jobs[int(job)].fields["NumCPUs"] == "1"


def test_only_networks_ask_for_gpus(submitted: Submitted, lab: Lab) -> None:
    seen = set()
    for record in submitted.records:
        if record["slurm"] is not None:
            job = lab.jobs[int(record["slurm"])]
            asks = record["rule"] in ON_GPU
            assert job.gpus == ("gres:gpu:1" if asks else ""), record
            assert job.fields["Partition"] == ("gpu" if asks else "cpu"), record
            seen.add(record["rule"])
    assert seen >= ON_GPU


def test_all_succeeded_at_once(submitted: Submitted) -> None:
    assert {job.state for job in submitted.jobs.values()} == {"COMPLETED"}


def test_a_site_may_serve_gres(disturbed: Disturbed, lab: Lab) -> None:
    root = disturbed.workspace.root
    jobs = lab.of(root, "rule_train") | lab.of(root, "rule_predict")
    assert {(job.gpus, job.fields["Partition"]) for job in jobs.values()} == {("gres:gpu:a100:1", "gpu")}


def test_a_cancelled_training_goes_on(disturbed: Disturbed, lab: Lab) -> None:
    first, second = _attempts(lab, "dice", disturbed)
    assert first == disturbed.cancelled
    assert lab.jobs[first].state == "CANCELLED"
    assert lab.jobs[second].state == "COMPLETED"
    assert 0 < disturbed.reached < EPOCHS
    assert _card(disturbed, "dice")["resumed"] == 1
    assert _card(disturbed, "dice")["epochs_run"] == EPOCHS


def test_a_training_out_of_time_goes_on(disturbed: Disturbed, lab: Lab) -> None:
    *early, last = _attempts(lab, "tversky", disturbed)
    assert early
    assert {lab.jobs[number].state for number in early} == {"TIMEOUT"}
    assert lab.jobs[last].state == "COMPLETED"
    limits = [lab.jobs[number].minutes for number in (*early, last)]
    assert limits == [disturbed.minutes * 2**attempt for attempt in range(len(limits))]
    assert 1 <= _card(disturbed, "tversky")["resumed"] <= len(early)
    assert _card(disturbed, "tversky")["epochs_run"] == EPOCHS


def test_a_training_out_of_memory_gets_more(disturbed: Disturbed, lab: Lab) -> None:
    *early, last = _attempts(lab, "n4", disturbed)
    assert early
    assert {lab.jobs[number].state for number in early} <= {"OUT_OF_MEMORY", "FAILED", "CANCELLED"}
    assert lab.jobs[last].state == "COMPLETED"
    asked = [lab.jobs[number].memory_mb for number in (*early, last)]
    assert asked == [MEMORY * 2**attempt for attempt in range(len(asked))]


def test_disturbances_change_no_result(submitted: Submitted, disturbed: Disturbed) -> None:
    """Weights and metrics byte by byte; tables but for the seconds."""
    undisturbed, other = submitted.workspace.root / STUDY, disturbed.workspace.root / STUDY
    exact = [*_found(undisturbed, "runs/**/*.safetensors"), *_found(undisturbed, "runs/**/metrics.tsv")]
    assert len(exact) == 3 + 4
    for name in exact:
        assert (other / name).read_bytes() == (undisturbed / name).read_bytes(), name
    tables = [*_found(undisturbed, "tables/*.tsv")]
    assert len(tables) == 2
    for name in tables:
        pd.testing.assert_frame_equal(_untimed(other / name), _untimed(undisturbed / name), check_exact=True)


def _attempts(lab: Lab, run: str, disturbed: Disturbed) -> list[int]:
    """The SLURM jobs that trained a run, in order."""
    return list(lab.of(disturbed.workspace.root, f"rule_train_wildcards_mini_main_{run}_0"))


def _card(disturbed: Disturbed, run: str) -> dict:
    return json.loads(disturbed.workspace.read(f"{RUNS}/{run}/seed-0/card.json"))


def _found(root: Path, pattern: str) -> Iterator[str]:
    return (path.relative_to(root).as_posix() for path in sorted(root.glob(pattern)))


def _untimed(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, sep="\t", dtype=str)
    return frame[[name for name in frame.columns if TIMES not in name]]


def _sources(workspace: Workspace) -> list[Path]:
    """What a clone brings."""
    found = [workspace.root / name for name in SOURCES]
    return [file for path in found for file in [path, *path.rglob("*")] if file.is_file()]


def _fresh_checkout(workspace: Workspace) -> None:
    """Sources written anew, as by `git clone`, around the results that are there."""
    for path in _sources(workspace):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)


def _touch_sources(workspace: Workspace) -> None:
    for path in _sources(workspace):
        path.touch()


def _other_times(workspace: Workspace) -> None:
    """Sources from long ago and from tomorrow."""
    for number, path in enumerate(_sources(workspace)):
        when = time.time() + (DAY if number % 2 else -3650 * DAY)
        os.utime(path, (when, when))


@pytest.mark.parametrize("how", [(), PROFILE], ids=["locally", "through_the_profile"])
@pytest.mark.parametrize("change", [_fresh_checkout, _touch_sources, _other_times])
def test_nothing_runs_again(
    change: Callable[[Workspace], None],
    how: tuple[str, ...],
    submitted: Submitted,
    server: DryRunServer,
    tmp_path: Path,
) -> None:
    copy = submitted.workspace.copy(tmp_path / "copy")
    change(copy)
    jobs = copy.jobs(server, *how)
    assert not jobs, "\n".join(f"{job}: {job.reason[:300]}" for job in jobs)


@pytest.mark.parametrize("how", [(), PROFILE], ids=["locally", "through_the_profile"])
def test_a_changed_option_runs_again(
    how: tuple[str, ...], submitted: Submitted, server: DryRunServer, tmp_path: Path
) -> None:
    """The dry runs above are not blind."""
    copy = submitted.workspace.copy(tmp_path / "copy")
    copy.set_option("mini", "runs.dice.training.epochs", EPOCHS + 1)
    assert "train dice" in {str(job) for job in copy.jobs(server, *how)}
