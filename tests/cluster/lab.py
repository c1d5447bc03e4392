# SPDX-License-Identifier: MIT
"""A real SLURM on this machine, and what it knew of its jobs."""

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

FIELD = re.compile(r"(?:^|\s)([A-Z][\w/:]*)=(\S*)")
"""A `Key=value` of `scontrol show job -o`."""
PATIENCE = 600
"""Seconds to wait for anything on a busy machine."""
UNFINISHED = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING"}
PARTITIONS = """partitions:
  cpu:
    max_runtime: 1440
  gpu:
    max_runtime: 480
    max_gpu: 4
"""


@dataclass(frozen=True)
class ClusterJob:
    """One job as SLURM shows it.

    Attributes:
        fields: The last that was seen of it, such as `JobState`, `TimeLimit`, `Partition`.
    """

    fields: dict[str, str]

    @property
    def comment(self) -> str:
        """Rule or group, and wildcards."""
        return self.fields.get("Comment", "")

    @property
    def minutes(self) -> int:
        """The time limit."""
        days, _, clock = self.fields["TimeLimit"].rpartition("-")
        hours, minutes, _ = map(int, clock.split(":"))
        return (int(days or 0) * 24 + hours) * 60 + minutes

    @property
    def memory_mb(self) -> int:
        """The memory asked for."""
        number, unit = re.fullmatch(r"([\d.]+)([MG])", self.fields["MinMemoryNode"]).groups()
        return round(float(number) * {"M": 1, "G": 1024}[unit])

    @property
    def state(self) -> str:
        """`COMPLETED`, `TIMEOUT`, and so on."""
        return self.fields["JobState"]

    @property
    def gpus(self) -> str:
        """The request for GPUs as SLURM shows it; empty without one."""
        return self.fields.get("TresPerJob", "") + self.fields.get("TresPerNode", "")


@dataclass
class Lab:
    """Looks at all jobs every second, as SLURM forgets finished ones.

    Attributes:
        jobs: Job number to what was last seen.
    """

    jobs: dict[int, ClusterJob] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(1)

    def look(self) -> None:
        shown = subprocess.run(["scontrol", "show", "job", "-o"], capture_output=True, text=True).stdout
        for line in shown.splitlines():
            fields = dict(FIELD.findall(line))
            if "JobId" in fields:
                self.jobs[int(fields["JobId"])] = ClusterJob(fields)

    def stop(self) -> None:
        self._stop.set()

    def has_done(self, folder: Path) -> bool:
        """Whether no job of a folder is waiting, running or being cleaned up."""
        return not {job.state for job in self.of(folder).values()} & UNFINISHED

    def of(self, folder: Path, text: str = "") -> dict[int, ClusterJob]:
        """The jobs of a folder with a text in their comment, in order."""
        return {
            number: job
            for number, job in sorted(self.jobs.items())
            if job.fields["WorkDir"] == str(folder) and text in job.comment
        }


def start_slurm(tools: Path) -> None:
    """Start SLURM; from nothing again, three times at most, where its controller stalls on a busy machine."""
    command = [str(tools / "start-slurm"), "--no-acct", "--cpus", "8", "--gpus", "4"]
    for last in (False, False, True):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return
        assert not last, f"{command}\n{done.stdout}\n{done.stderr}"
        subprocess.run([str(tools / "stop-slurm"), "--wipe"], capture_output=True)


@contextmanager
def running_lab(tools: Path) -> Iterator[Lab]:
    """Start SLURM unless it runs, watch its jobs, and stop what was started."""
    present = shutil.which("sinfo") and subprocess.run(["sinfo"], capture_output=True).returncode == 0
    if not present:
        start_slurm(tools)
    lab = Lab()
    watcher = threading.Thread(target=lab.watch, daemon=True)
    watcher.start()
    try:
        yield lab
    finally:
        lab.stop()
        watcher.join()
        if not present:
            subprocess.run([str(tools / "stop-slurm"), "--wipe"], check=True, capture_output=True)


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)
