# SPDX-License-Identifier: MIT
"""Which jobs begin as forks: of the workflow's own scripts, of one thread, where enough are planned."""

import os
import sys
import time
from pathlib import Path
from subprocess import CalledProcessError
from types import SimpleNamespace

import pytest
from snakemake.benchmark import BenchmarkRecord

from tests.workflow.workspace import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs are forks on Linux alone")
PATIENCE = 120
PLANNED = 12


class Scripts:
    """What stands for Snakemake's own class: notes which scripts it starts itself."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def execute_script(self, script, fname, edit=False):
        self.started.append(fname)


class Rules:
    """The rules' file, which is plain Python, in a workflow that is told."""

    def __init__(
        self, clone: Path, *, jobs: int = PLANNED, forks: bool = True, method=(), **workflow
    ) -> None:
        job = SimpleNamespace(
            rule=SimpleNamespace(script="../scripts/rule.py"),
            params={"state": '{"options": {"modules": ["colorsys"]}}'},
            resources={"tmpdir": str(clone)},
        )
        told = {"is_main_process": True, "local_exec": True} | workflow
        self.own = Scripts()
        self.known = {
            "CLONE": clone,
            "Path": Path,
            "OPTIONS": SimpleNamespace(forks=forks),
            "workflow": SimpleNamespace(
                **told,
                deployment_settings=SimpleNamespace(deployment_method=frozenset(method)),
                dag=SimpleNamespace(needrun_jobs=lambda: [job] * jobs),
            ),
            "remember": lambda *_: None,
        }
        exec((REPOSITORY / "rules/forks.smk").read_text(encoding="utf-8"), self.known)
        self.known["prepare_forks"]()

    @property
    def process(self):
        return next(iter(self.known["STARTED"]), None)

    def ready(self) -> "Rules":
        deadline = time.monotonic() + PATIENCE
        while not self.process.is_ready:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self

    def execute(self, fname: str, **settings) -> None:
        """Have a job's script executed."""
        path = SimpleNamespace(
            get_path_or_uri=lambda secret_free: str(self.known["CLONE"] / "scripts/rule.py")
        )
        none = dict.fromkeys(("conda_env", "container_img", "env_modules", "shadow_dir", "bench_record"))
        told = none | {"path": path, "threads": 1, "resources": {"tmpdir": "/tmp"}} | settings
        execute = self.known["begun_at_once"](self.own.execute_script)
        execute(SimpleNamespace(**told), fname)

    def close(self) -> None:
        if self.process is not None:
            self.process.close()


@pytest.fixture
def clone(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/rule.py").write_text("import wave\n")
    return tmp_path


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "tmp1.rule.py"
    path.write_text(
        "import os, sys\nfrom pathlib import Path\n"
        "Path(__file__).with_suffix('.txt').write_text("
        "f\"{os.getppid()} {'wave' in sys.modules} {'colorsys' in sys.modules}\")\n"
    )
    return str(path)


def test_a_job_is_a_fork_with_the_imports_of_its_script_and_its_state(clone, script):
    rules, record = Rules(clone).ready(), BenchmarkRecord()
    rules.execute(script, bench_record=record)
    parent, *imported = Path(script).with_suffix(".txt").read_text().split()
    assert int(parent) not in (os.getpid(), 1)
    assert imported == ["True", "True"]
    assert record.running_time > 0
    assert not rules.own.started
    rules.close()


def test_a_job_that_fails_is_told_as_by_snakemake(clone, script):
    rules = Rules(clone).ready()
    Path(script).write_text("raise SystemExit(3)")
    with pytest.raises(CalledProcessError, match=r"tmp1\.rule\.py' returned non-zero exit status 3"):
        rules.execute(script)
    rules.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"threads": 2},
        {"conda_env": "envs/torch"},
        {"container_img": "docker://one"},
        {"env_modules": "python"},
        {"shadow_dir": "shadow"},
        {"resources": {"shell_exec": "zsh"}},
        {"path": SimpleNamespace(get_path_or_uri=lambda secret_free: "/elsewhere/scripts/rule.py")},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_other_jobs_are_programs(clone, script, settings):
    rules = Rules(clone).ready()
    rules.execute(script, **settings)
    assert rules.own.started == [script]
    rules.close()


def test_jobs_are_programs_when_the_process_has_ended(clone, script):
    rules = Rules(clone).ready()
    rules.process._process.kill()
    rules.process._listener.join(PATIENCE)
    rules.execute(script)
    assert rules.own.started == [script]
    rules.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"jobs": PLANNED - 1},
        {"forks": False},
        {"method": ("conda",)},
        {"is_main_process": False},
        {"local_exec": False},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_without_enough_jobs_here_there_is_no_such_process(clone, script, settings):
    rules = Rules(clone, **settings)
    assert rules.process is None
    rules.execute(script)
    assert rules.own.started == [script]
