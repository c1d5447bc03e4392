# SPDX-License-Identifier: MIT
"""An executor for tests: each job in an empty folder, with the sources that Snakemake knows, and no more.

So do clouds: what a job needs is fetched from the store, what it makes is stored, and all else that it leaves
is lost. Folders have few names, by which Python finds again what it has compiled, and the Snakemake of a job
is a fork of a process that has imported it.
"""

import json
import os
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    job_deploy_sources=True,
    auto_deploy_default_storage_provider=False,
    can_transfer_local_files=True,
)
PAUSE = 0.2
"""Seconds between two looks at the jobs."""


class Place:
    """A folder for one job after another, and the process that forks for each.

    Args:
        folder: It is emptied between jobs.
        environment: That of the jobs.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment, self.said = folder, environment, folder.with_suffix(".log")
        program, pipes = (
            find_spec("snakemake_server").origin,
            {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE},
        )
        self.process = subprocess.Popen([sys.executable, program], env=environment, text=True, **pipes)

    def begin(self, command: str, sources: list[str]) -> None:
        """Bring the sources and run what stands behind `python -m snakemake`."""
        for name in sources:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, self.folder / name)
        words = shlex.split(command)
        arguments = words[words.index("snakemake") + 1 :]
        request = {"root": str(self.folder), "arguments": arguments, "environment": self.environment}
        self.process.stdin.write(json.dumps(request | {"said": [str(self.said)] * 2}) + "\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str] | None:
        """The status of the job and what it said, once it has ended; nothing of it is kept."""
        if not select.select([self.process.stdout], [], [], 0)[0]:
            return None
        status, text = int(self.process.stdout.readline()), self.said.read_text(encoding="utf-8")
        self.said.unlink()
        shutil.rmtree(self.folder)
        return status, text

    def close(self) -> None:
        """Wait for the job and end the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Executor(RemoteExecutor):
    """Runs each job in a place of its own, and shows what a failed one said."""

    def __post_init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="elsewhere-"))
        self.sources = sorted(self.workflow.dag.get_sources())
        self.places: list[Place] = []
        self.idle: list[Place] = []

    def run_job(self, job: JobExecutorInterface) -> None:
        place = self.idle.pop() if self.idle else self._place()
        place.begin(self.format_job_exec(job), self.sources)
        self.report_job_submission(SubmittedJobInfo(job, aux={"place": place}))

    def _place(self) -> Place:
        compiled = {"PYTHONPYCACHEPREFIX": str(self.home / "compiled")}
        self.places.append(Place(self.home / f"job-{len(self.places)}", os.environ | compiled))
        return self.places[-1]

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        self.next_seconds_between_status_checks = PAUSE
        for info in active_jobs:
            ended = info.aux["place"].end()
            if ended is None:
                yield info
                continue
            self.idle.append(info.aux["place"])
            if ended[0]:
                self.report_job_error(info, msg=f"{ended[1]}\n")
            else:
                self.report_job_success(info)

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """They end by themselves, in seconds."""

    def shutdown(self) -> None:
        super().shutdown()
        for place in self.places:
            place.close()
        shutil.rmtree(self.home)
