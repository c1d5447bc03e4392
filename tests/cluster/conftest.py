# SPDX-License-Identifier: MIT
"""A real SLURM, one run through it from start to end, and one that is disturbed in three ways."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.lab import PARTITIONS, ClusterJob, Lab, running_lab, wait_until
from tests.workflow.workspace import (
    EPOCHS,
    OFTEN,
    DryRunServer,
    Workspace,
    epochs_done,
    make_workspace,
    mini_study,
)

HERE = Path(__file__).parent
TOOLS = "MICROTOME_CLUSTER_TOOLS"
PROFILE = ("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "3")
"""The verbatim command, asking SLURM more often than a real site would like."""
STUDY = "results/demo/mini"
REPORT = "results/demo/reports/mini/report.html"
RUNS = f"{STUDY}/runs/main"
START = 35
"""Seconds that an undisturbed training may take for a time limit of one minute to let it do some epochs."""
OUTLAST = 1.4
"""A training outlasts its time limit by this factor."""
GRES = "cluster:\n  gpu_request: gres\n  gpu_model: a100\n  longest: 480\n"
"""The settings of a site that serves `--gres` and has a GPU partition of eight hours."""
MEMORY = 400
"""MB that Snakemake and PyTorch together exceed."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """There is one SLURM, so its tests stay in one worker; said before xdist asks."""
    reason = _missing()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.xdist_group("cluster"))
            if reason and "lab" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason=reason))


def _missing() -> str:
    """Why no SLURM can be started here; empty if it can."""
    tools = os.environ.get(TOOLS)
    if not tools or not Path(tools, "start-slurm").is_file():
        return f"${TOOLS} names no folder with start-slurm and stop-slurm"
    return "" if os.geteuid() == 0 else "only root can start SLURM"


@dataclass(frozen=True)
class Submitted:
    """A workspace after a run through SLURM. Tests must copy it before they change it.

    Attributes:
        workspace: The workspace.
        records: What each script wrote down: its rule, wildcards and SLURM job.
        jobs: The SLURM jobs, by number.
    """

    workspace: Workspace
    records: list[dict]
    jobs: dict[int, ClusterJob]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with running_lab(Path(os.environ[TOOLS])) as found:
        yield found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DryRunServer]:
    found = DryRunServer()
    yield found
    found.close()


@pytest.fixture(scope="session")
def submitted(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Submitted:
    """Run a small study to its report, once; the shipped profile decides everything but the partitions."""
    imports = tmp_path_factory.mktemp("imports")
    workspace = _workspace(tmp_path_factory.mktemp("submitted"))
    workspace.run(*PROFILE, SNAKEMAKE_SLURM_PARTITIONS="partitions.yaml", MICROTOME_TEST_IMPORTS=str(imports))
    wait_until(lambda: lab.has_done(workspace.root), "the last job's end")
    records = [json.loads(path.read_text(encoding="utf-8")) for path in imports.glob("*.json")]
    return Submitted(workspace, records, lab.of(workspace.root))


def _workspace(root: Path) -> Workspace:
    """The repository with one study, of which two runs are long enough to be disturbed; any device."""
    workspace = make_workspace(root)
    study = mini_study()
    study["runs"]["tversky"]["training"] = {"epochs": EPOCHS}
    del study["tables"]["layers"], study["figures"]["panel"]
    workspace.write_study("mini", study)
    workspace.write("config/config.yaml", f"scale: demo\nstudies: [mini]\n{OFTEN}")
    workspace.write("partitions.yaml", PARTITIONS)
    return workspace


@dataclass(frozen=True)
class Disturbed:
    """A workspace in which all runs were trained again, none of them in peace.

    Attributes:
        workspace: The workspace.
        minutes: The first time limit of the training of `tversky`.
        cancelled: The SLURM job that was cancelled.
        reached: Epochs in its checkpoint when it was.
    """

    workspace: Workspace
    minutes: int
    cancelled: int
    reached: int


@pytest.fixture(scope="session")
def disturbed(lab: Lab, submitted: Submitted, tmp_path_factory: pytest.TempPathFactory) -> Disturbed:
    """Train again by `--gres`; cancel `dice`, give `tversky` too little time and `n4` too little memory."""
    workspace = submitted.workspace.copy(tmp_path_factory.mktemp("disturbed") / "copy")
    for made in (RUNS, f"{STUDY}/tables"):
        shutil.rmtree(workspace.root / made)
    workspace.append("config/config.yaml", GRES)
    minutes = _time_limit(submitted.workspace)
    _ask_for_too_little(workspace, minutes)
    workflow = workspace.start(
        *PROFILE,
        "tables",
        SNAKEMAKE_SLURM_PARTITIONS="partitions.yaml",
        MICROTOME_TEST_EPOCH_SECONDS=f"{OUTLAST * 60 * minutes / EPOCHS:.2f}",
    )
    cancelled, reached = _cancel_after_an_epoch(workspace, lab, workflow)
    assert workflow.wait(PATIENCE_OF_A_RUN) == 0, _last_words(workspace)
    wait_until(lambda: lab.has_done(workspace.root), "the last job's end")
    return Disturbed(workspace, minutes, cancelled, reached)


PATIENCE_OF_A_RUN = 1200


def _time_limit(undisturbed: Workspace) -> int:
    """Minutes that suffice for a training job to start here and do some epochs: one, unless it is slow."""
    times = undisturbed.read("results/demo/benchmarks/train/mini/main/tversky/0.tsv").splitlines()
    return 1 + int(float(times[1].split("\t")[0]) // START)


def _ask_for_too_little(workspace: Workspace, minutes: int) -> None:
    """Change what the rule asks for at first, and keep how it grows."""
    train = workspace.read("rules/train.smk")
    runtime = f'lambda w, attempt: lasting({minutes} if w.run == "tversky" else 480)(w, attempt)'
    memory = f'lambda w, attempt: grow({MEMORY} if w.run == "n4" else 4000)(w, attempt)'
    for old, new in (
        ("runtime=lasting(480)", f"runtime={runtime}"),
        ("mem_mb=training_memory", f"mem_mb={memory}"),
    ):
        assert train.count(old) == 1, f"rules/train.smk says {old} no longer once"
        train = train.replace(old, new)
    workspace.write("rules/train.smk", train)


def _cancel_after_an_epoch(
    workspace: Workspace, lab: Lab, workflow: subprocess.Popen[str]
) -> tuple[int, int]:
    """`scancel` the training of `dice` once there is a checkpoint; its job and the epochs done."""
    path = workspace.root / RUNS / "dice/seed-0/checkpoint.safetensors"

    def has_begun() -> bool:
        assert workflow.poll() is None, _last_words(workspace)
        return path.exists()

    wait_until(has_begun, "a checkpoint")
    (number,) = lab.of(workspace.root, "rule_train_wildcards_mini_main_dice")
    subprocess.run(["scancel", str(number)], check=True)
    wait_until(lambda: lab.jobs[number].state == "CANCELLED", "the job's end")
    return number, epochs_done(path)


def _last_words(workspace: Workspace) -> str:
    """The end of Snakemake's own log."""
    logs = sorted((workspace.root / ".snakemake/log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    return logs[-1].read_text(encoding="utf-8")[-8000:] if logs else "Snakemake wrote no log"
