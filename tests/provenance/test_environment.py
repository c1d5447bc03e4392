# SPDX-License-Identifier: MIT
import json
import os
import platform
import subprocess

import numpy as np
import pytest

import microtome
from microtome.provenance import environment


def git(folder, *arguments):
    people = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    clean = {**os.environ, **people, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=clean)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--no-verify", "-m", "first")
    return tmp_path


def test_versions_agree_with_the_imported_packages():
    found = environment.versions()
    assert found["numpy"] == np.__version__
    assert found["python"] == platform.python_version()
    assert next(iter(found)) == "python"


def test_packages_that_are_not_installed_are_left_out():
    expected = {"python": platform.python_version(), "microtome": microtome.__version__}
    assert environment.versions(["no-such-package"]) == expected


def test_machine_is_json_and_complete():
    found = environment.machine()
    assert json.loads(json.dumps(found)) == found
    assert found["cpu"]
    assert found["memory_bytes"] > 2**20
    assert 1 <= found["usable_threads"] <= found["threads"]


def test_git_state_of_a_clean_repository(repository):
    commit = git(repository, "rev-parse", "HEAD")
    assert environment.git_state(repository) == {"commit": commit, "dirty": False}


@pytest.mark.parametrize(("name", "text"), [("file", "two"), ("new", "")])
def test_changed_and_new_files_make_it_dirty(repository, name, text):
    (repository / name).write_text(text)
    assert environment.git_state(repository)["dirty"] is True


def test_ignored_files_do_not_make_it_dirty(repository):
    (repository / ".git" / "info" / "exclude").write_text("results/\n")
    (repository / "results").mkdir()
    (repository / "results" / "x").write_text("")
    assert environment.git_state(repository)["dirty"] is False


def test_outside_a_repository_there_is_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment.git_state(tmp_path) is None


def test_a_folder_that_the_repository_does_not_know_has_no_state(repository):
    """Files of the workflow, unpacked in somebody's project, are not at the project's commit."""
    (repository / ".snakemake").mkdir()
    (repository / ".snakemake/code.py").write_text("")
    assert environment.git_state(repository / ".snakemake") is None


def test_without_git_there_is_no_state(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert environment.git_state(repository) is None


def test_a_repository_without_a_commit_has_no_state(tmp_path):
    git(tmp_path, "init", "--quiet")
    assert environment.git_state(tmp_path) is None


def test_gpus_are_read_from_the_driver(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    lines = ["#!/bin/sh", "echo 'NVIDIA A100-SXM4-40GB, 550.54, 40960'", "echo 'NVIDIA GB10, 580.1, [N/A]'"]
    program.write_text("\n".join(lines))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert environment.nvidia_gpus() == [
        {"name": "NVIDIA A100-SXM4-40GB", "driver": "550.54", "memory_bytes": 40960 * 2**20},
        {"name": "NVIDIA GB10", "driver": "580.1", "memory_bytes": None},
    ]


def test_without_a_driver_there_are_no_gpus(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert environment.nvidia_gpus() == []


def test_cpu_is_read_from_its_file(tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    first, second = "model name\t: Chip: 9\nflags\t\t: avx2 AMX_BF16\n", "flags : sse\n"
    file.write_text(f"processor : 0\n{first}\nprocessor : 1\n{second}")
    monkeypatch.setattr(environment, "CPU_INFO", file)
    assert environment.cpu_model() == "Chip: 9"
