# SPDX-License-Identifier: MIT
"""An executor for tests: each job in an empty folder, with the sources that Snakemake knows, and no more.

So do clouds: what a job needs is fetched from the store, what it makes is stored, and all else that it leaves
is lost. Folders have few names, by which Python finds again what it has compiled.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
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


class Executor(RemoteExecutor):
    """Runs the command of each job in a folder of its own, and shows what a failed one said."""

    def __post_init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="elsewhere-"))
        self.sources = sorted(self.workflow.dag.get_sources())
        self.compiled = {"PYTHONPYCACHEPREFIX": str(self.home / "compiled")}

    def run_job(self, job: JobExecutorInterface) -> None:
        folder = next(place for number in range(1000) if not (place := self.home / f"job-{number}").exists())
        for name in self.sources:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, folder / name)
        said = folder.with_suffix(".log").open("w+")
        process = subprocess.Popen(
            self.format_job_exec(job),
            shell=True,
            cwd=folder,
            env=os.environ | self.compiled,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        told = {"process": process, "folder": folder, "said": said}
        self.report_job_submission(SubmittedJobInfo(job, str(process.pid), told))

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        self.next_seconds_between_status_checks = PAUSE
        for info in active_jobs:
            status = info.aux["process"].poll()
            if status is None:
                yield info
            elif status:
                self.report_job_error(info, msg=f"{self._end(info)}\n")
            else:
                self._end(info)
                self.report_job_success(info)

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        for info in active_jobs:
            info.aux["process"].kill()
            info.aux["process"].wait()
            self._end(info)

    def shutdown(self) -> None:
        super().shutdown()
        shutil.rmtree(self.home)

    def _end(self, info: SubmittedJobInfo) -> str:
        """Delete what a job leaves; what it said."""
        with info.aux["said"] as said:
            said.seek(0)
            text = said.read()
        shutil.rmtree(info.aux["folder"])
        return text
