# SPDX-License-Identifier: MIT
"""An executor for tests: each job in an empty folder, to which Snakemake brings its sources and inputs.

So do clouds: what a job needs is fetched, what it makes is stored, and all else that it leaves is lost.
"""

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
)
PAUSE = 0.2
"""Seconds between two looks at the jobs."""


class Executor(RemoteExecutor):
    """Runs the command of each job in a folder of its own, and shows what a failed one said."""

    def run_job(self, job: JobExecutorInterface) -> None:
        folder = Path(tempfile.mkdtemp(prefix="elsewhere-"))
        said = folder.with_suffix(".log").open("w+")
        process = subprocess.Popen(
            self.format_job_exec(job), shell=True, cwd=folder, stdout=said, stderr=subprocess.STDOUT
        )
        self.report_job_submission(
            SubmittedJobInfo(job, str(process.pid), {"process": process, "said": said})
        )

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        self.next_seconds_between_status_checks = PAUSE
        for info in active_jobs:
            status = info.aux["process"].poll()
            if status is None:
                yield info
                continue
            said = self._end(info)
            if status:
                self.report_job_error(info, msg=f"{said}\n")
            else:
                self.report_job_success(info)

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        for info in active_jobs:
            info.aux["process"].kill()
            info.aux["process"].wait()
            self._end(info)

    def _end(self, info: SubmittedJobInfo) -> str:
        """Delete what a job leaves; what it said."""
        said = info.aux["said"]
        said.seek(0)
        text = said.read()
        said.close()
        Path(said.name).unlink()
        shutil.rmtree(Path(said.name).with_suffix(""))
        return text
