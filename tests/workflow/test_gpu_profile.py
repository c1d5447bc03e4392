# SPDX-License-Identifier: MIT
"""One machine with GPUs and no scheduler: the profile, and how many jobs run networks at a time."""

import json
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import yaml
from snakemake.profiles import ProfileConfigFileParser

from microtome.config.workflow import Workflow
from tests import fake_gpus
from tests.workflow.conftest import Complete
from tests.workflow.workspace import REPOSITORY, Workspace

PROFILE = REPOSITORY / "profiles/gpu/config.yaml"
RUNS = ("dice", "tversky")


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the rules make of the start of the scheduler, on a machine with two GPUs."""
    monkeypatch.setenv("PATH", fake_gpus.path_with(fake_gpus.write(tmp_path, 2)))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def resources(given: dict[str, int], *, local: bool = True, **options: object) -> dict[str, int]:
        wrapped = []
        names = {
            "workflow": SimpleNamespace(is_main_process=True),
            "OPTIONS": Workflow(**options),
            "remember": lambda owner, name, wrap: wrapped.append(wrap(lambda *_, **__: None)),
        }
        exec((REPOSITORY / "rules/gpus.smk").read_text(encoding="utf-8"), names)
        flow = SimpleNamespace(local_exec=local, global_resources=dict(given))
        wrapped[0](None, flow)
        return flow.global_resources

    return resources


@pytest.mark.parametrize(
    ("given", "options", "expected"),
    [
        ({}, {}, {"gpu": 2}),
        ({}, {"gpus": 2}, {"gpu": 2}),
        ({}, {"gpus": 3}, {}),  # the job says what is wrong
        ({"gpu": 1}, {}, {"gpu": 1}),
        ({}, {"local": False}, {}),
        ({}, {"device": "cpu"}, {}),
    ],
)
def test_as_many_jobs_run_networks_as_there_are_gpus(limited, given, options, expected):
    assert limited(given, **options) == expected


def test_the_profile_takes_the_memory_of_the_machine():
    with PROFILE.open(encoding="utf-8") as file:
        found = ProfileConfigFileParser().parse(file)
    (memory,) = found["resources"]
    name, _, amount = memory.partition("=")
    assert name == "mem_mb"
    assert 0 < int(amount) <= 0.9 * psutil.virtual_memory().total / 1e6 + 1
    assert found["cores"] == "all"


def test_no_key_of_the_shared_profile_is_lost():
    shared = yaml.safe_load((REPOSITORY / "profiles/default/config.yaml").read_text(encoding="utf-8"))
    own = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    assert all(own[key] == shared[key] for key in set(shared) & set(own))


@pytest.mark.workflow
def test_trainings_of_one_machine_take_turns_on_its_gpu(complete: Complete, copy: Workspace) -> None:
    """Two trainings on four cores and a GPU that its driver makes up; networks run on the CPU."""
    two = "threads: {train: 2}\n"  # so that it is not the cores that they wait for
    copy.write("config/config.yaml", f"scale: demo\nstudies: [mini, own, he]\ndevice: auto\n{two}")
    cards = [f"results/demo/mini/runs/main/{run}/seed-0/card.json" for run in RUNS]
    for card in cards:
        (copy.root / card).unlink()
    path = fake_gpus.path_with(fake_gpus.write(copy.root / "bin", 1))
    copy.run("--profile", "profiles/gpu", "-c4", *cards, PATH=path, TMPDIR=str(copy.root))
    first, second = sorted((json.loads(copy.read(card)) for card in cards), key=lambda one: one["started"])
    assert first["finished"] <= second["started"]
    assert all("GPU GPU-0000 of 1" in copy.read(f"logs/demo/train/mini/main/{run}/0.log") for run in RUNS)
