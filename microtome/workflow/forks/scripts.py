# SPDX-License-Identifier: MIT
"""Scripts of rules as forks; no rule file, since Snakemake would tell every error of that one."""

import sys
from collections.abc import Callable, Sequence
from subprocess import CalledProcessError
from typing import Any

from snakemake.benchmark import benchmarked

from microtome.workflow.forks.client import Fork, ForkError, Forks, environment_of

Execute = Callable[..., Any]


def at_once(execute_script: Execute, *, started: Sequence[Forks], may: Callable[[Any], bool]) -> Execute:
    """Snakemake's `PythonScript.execute_script`, by a fork where that can be.

    Args:
        execute_script: Runs a script as a program.
        started: The process to fork; empty as long as there is none.
        may: Whether a script may be run by a fork.

    Returns:
        A function of the script and its file that raises `subprocess.CalledProcessError` if the job fails.
    """

    def found(script: Any, file: str, edit: bool = False) -> Any:
        if not (started and started[0].is_ready and may(script)):
            return execute_script(script, file, edit)
        try:
            with started[0].begun(file, environment_of(script.resources)) as fork:
                status = _waited_for(fork, script.bench_record)
        except ForkError:
            return execute_script(script, file, edit)
        if status:
            raise CalledProcessError(status, f"{sys.executable} {file}")
        return None

    return found


def _waited_for(fork: Fork, record: Any) -> int:
    """The exit status of a fork; its time and memory go into a record, if there is one."""
    if record is None:
        return fork.wait()
    with benchmarked(fork.process, record):
        return fork.wait()
