# SPDX-License-Identifier: MIT
"""A copy of the repository in which workflows are disturbed, and the results of an undisturbed run."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.recovery.comparison import differences
from tests.workflow.workspace import Workspace, environment_of

PATIENCE = 1800
"""Seconds to wait for a process on a busy machine."""
POLL = 0.02
FINISHED = "Finished jobid:"
"""What Snakemake says of each finished job."""
LOCKED = "--unlock"
RESULTS = "results"
SCALE = "demo"


class BrokenRecoveryError(AssertionError):
    """A workflow did not recover."""


@dataclass(frozen=True)
class Started:
    """A workflow at work.

    Attributes:
        process: Snakemake.
        log: What it says.
    """

    process: subprocess.Popen[str]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def finished_jobs(self) -> int:
        return self.said.count(FINISHED)

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def descendants(self) -> list[psutil.Process]:
        """Processes of its jobs, by number."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return sorted(found, key=lambda one: one.pid)

    def script(self, rule: str) -> psutil.Process:
        """The process of a rule's job, as soon as there is one."""
        found: list[psutil.Process] = []

        def begun() -> bool:
            found[:] = [one for one in self.descendants() if _runs(one, rule)]
            return bool(found)

        wait_until(begun, f"a job of the rule {rule}", self)
        return found[0]

    def end(self) -> int:
        """Wait for its end; the exit status."""
        return self.process.wait(PATIENCE)


@dataclass
class Lab:
    """A workspace and what an undisturbed run of it gives.

    Attributes:
        workspace: The repository's copy.
        reference: Results of the undisturbed run.
        arguments: Of each Snakemake: cores, targets.
        orphans: Processes whose workflow was killed.
        started: How many workflows were.
    """

    workspace: Workspace
    reference: Path
    arguments: tuple[str, ...] = ("-c2",)
    orphans: list[psutil.Process] = field(default_factory=list)
    started: int = 0

    @property
    def results(self) -> Path:
        return self.workspace.root / RESULTS

    def start(self, *more: str) -> Started:
        """Give the command; Snakemake tells of each job."""
        self.started += 1
        log = self.workspace.root / f"snakemake-{self.started}.log"
        with log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                self.workspace.command(*self.arguments, *more, "--verbose"),
                cwd=self.workspace.root,
                env=environment_of(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )
        return Started(process, log)

    def resume(self, *more: str) -> tuple[Started, bool]:
        """Give the same command; `--unlock` before it if Snakemake demands that.

        Returns:
            The workflow, and whether it had to be unlocked.
        """
        begun = self.start(*more)
        wait_until(lambda: begun.ended or self._is_locked_by(begun), "Snakemake to begin")
        if not begun.ended or begun.process.returncode == 0 or LOCKED not in begun.said:
            return begun, False
        self.workspace.run("--unlock")
        return self.start(*more), True

    def finish(self, *more: str) -> str:
        """Give the same command until its end.

        Returns:
            What it said.

        Raises:
            BrokenRecoveryError: It fails, or tables differ from the undisturbed run's.
        """
        workflow, _ = self.resume(*more)
        status, said = workflow.end(), workflow.said
        if status:
            msg = f"the same command ends with {status}:\n{said[-3000:]}"
            raise BrokenRecoveryError(msg)
        return said

    def require_same(self) -> None:
        """Compare all tables and weights with the undisturbed run's.

        Raises:
            BrokenRecoveryError: Some differ.
        """
        found = differences(self.reference, self.results)
        if found:
            msg = f"{len(found)} files differ from the undisturbed run's, such as {', '.join(found[:5])}"
            raise BrokenRecoveryError(msg)

    def log(self, rule: str, *parts: str) -> str:
        """The log of a job."""
        return self.workspace.read(f"logs/{SCALE}/{'/'.join([rule, *parts])}.log")

    def card(self, run: str) -> dict:
        """The card of a run, by its folder below the scale's."""
        return json.loads((self.results / SCALE / run / "card.json").read_text(encoding="utf-8"))

    def settle(self) -> None:
        """Wait for the end of all orphans."""
        psutil.wait_procs(self.orphans, timeout=PATIENCE)
        self.orphans.clear()

    def _is_locked_by(self, workflow: Started) -> bool:
        """Whether a workflow has come past the lock: it names its jobs then."""
        return "Job stats:" in workflow.said


def wait_until(happened: Callable[[], bool], what: str, workflow: Started | None = None) -> None:
    """Wait for something.

    Raises:
        BrokenRecoveryError: It does not come, or the workflow ended before it.
    """
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            msg = f"waited in vain for {what}"
            raise BrokenRecoveryError(msg)
        if workflow and workflow.ended and not happened():
            msg = f"the workflow ended before {what}:\n{workflow.said[-3000:]}"
            raise BrokenRecoveryError(msg)
        time.sleep(POLL)


@contextmanager
def no_process_left(lab: Lab) -> Iterator[None]:
    """End what a failed scenario leaves behind: the processes that work in the workspace."""
    try:
        yield
    finally:
        for process in psutil.process_iter():
            if _works_in(process, lab.workspace.root):
                process.kill()


def clear(path: Path) -> None:
    """Delete a file or folder of results, as a user would."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)  # an orphan may still write below it
    else:
        path.unlink(missing_ok=True)


def _runs(process: psutil.Process, rule: str) -> bool:
    try:
        return any(part.endswith(f".{rule}.py") for part in process.cmdline()[1:2])
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def _works_in(process: psutil.Process, root: Path) -> bool:
    try:
        return Path(process.cwd()) == root.resolve()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
        return False
