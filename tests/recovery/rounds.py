# SPDX-License-Identifier: MIT
"""Rounds of kill -9: a workflow goes on for a while, something is killed, the same command is given again."""

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from tests.recovery.completeness import damaged, leftovers
from tests.recovery.lab import PATIENCE, SCALE, BrokenRecoveryError, Lab, Started, clear, wait_until

Victim = Literal["scheduler", "job", "all"]
VICTIMS: tuple[Victim, ...] = ("scheduler", "job", "all")
"""Snakemake alone, whose jobs run on; one process of one job; all of them, as when a machine ends."""
MOST_JOBS = 4
LONGEST = 4.0
"""A kill comes after fewer finished jobs than that, and then so many seconds at most."""
MOST_REMOVED = 3
REMOVABLE = ("runs/*/*/*", "runs/*/*/*/predictions", "images", "targets", "patches")
"""Results that a round may have to make again, below a study; those that it needs for `ENDS`."""
ENDS = ("*/tables", "*/figures", "reports")
"""What everything else leads to."""


@dataclass(frozen=True)
class Moment:
    """What a round does, drawn from its seed.

    Attributes:
        number: Of the round, from 1.
        jobs: Jobs that finish before the kill.
        seconds: Wait after the last of them.
        victim: What is killed.
        choice: In 0..1; which process, if it is one job's.
    """

    number: int
    jobs: int
    seconds: float
    victim: Victim
    choice: float

    def __str__(self) -> str:
        return f"after {self.jobs} jobs and {self.seconds:.1f} s kill {self.victim:<9}"


def draw(seed: int, number: int) -> Moment:
    """The moment of a round."""
    dice = random.Random(f"{seed} {number}")
    return Moment(
        number, dice.randrange(MOST_JOBS), dice.uniform(0, LONGEST), dice.choice(VICTIMS), dice.random()
    )


def play(lab: Lab, rounds: int, seed: int, say: Callable[[str], None]) -> int:
    """Play the rounds, and let the last one finish.

    Args:
        lab: A complete workspace, or an empty one.
        rounds: How many.
        seed: Of all that is drawn.
        say: Called with a line for each round.

    Returns:
        How often the workflow finished in between and at the end; its tables were the undisturbed run's.

    Raises:
        BrokenRecoveryError: A file is damaged, the same command does not finish, or tables differ.
    """
    dice, finishes = random.Random(seed), 0
    for number in range(1, rounds + 1):
        moment = draw(seed, number)
        finished, done = _round(lab, moment, dice)
        finishes += finished
        say(f"round {number:>2} of {rounds} (seed {seed}): {moment} {done}: passed")
    lab.finish()
    lab.settle()
    _check_finished(lab)
    return finishes + 1


def _round(lab: Lab, moment: Moment, dice: random.Random) -> tuple[int, str]:
    """One round: the number of runs that finished before the kill, and what was done."""
    finished, done = 0, []
    workflow, unlocked = lab.resume()
    done += ["unlocked"] if unlocked else []
    while _ended_before(workflow, moment, last=finished > 0):
        if workflow.end():
            msg = f"the same command ends with {workflow.end()}:\n{workflow.said[-3000:]}"
            raise BrokenRecoveryError(msg)
        _check_finished(lab)
        finished += 1
        done.append(f"finished, same tables, removed {_remove_some(lab, dice)}")
        workflow, _ = lab.resume()
    done.append(_kill(lab, workflow, moment))
    faults = damaged(lab.results)
    if faults:
        msg = f"{len(faults)} damaged files: {'; '.join(faults[:5])}"
        raise BrokenRecoveryError(msg)
    return finished, ", ".join(done)


def _ended_before(workflow: Started, moment: Moment, *, last: bool) -> bool:
    """Wait for the moment; True if the workflow ended before it. The last chance comes as jobs begin."""
    jobs = 0 if last else moment.jobs
    wait_until(lambda: workflow.ended or workflow.finished_jobs >= jobs, f"{jobs} jobs")
    if moment.victim == "job" or last:
        wait_until(lambda: workflow.ended or bool(workflow.descendants()), "a process")
    return workflow.ended or _ends_within(workflow, 0.0 if last else moment.seconds)


def _ends_within(workflow: Started, seconds: float) -> bool:
    gone, _ = (
        psutil.wait_procs([psutil.Process(workflow.process.pid)], timeout=seconds) if seconds else ([], [])
    )
    return bool(gone) or workflow.ended


def _kill(lab: Lab, workflow: Started, moment: Moment) -> str:
    """Kill what the moment says; wait for the scheduler's end. Without a job it is the scheduler's turn."""
    processes = workflow.descendants()
    victims: list[psutil.Process] = []
    if moment.victim == "job":
        victims = processes[int(moment.choice * len(processes)) :][:1]
    elif moment.victim == "all":
        victims = processes
    names = [_rule(one) for one in victims]
    if moment.victim != "job" or not victims:
        workflow.process.send_signal(signal.SIGKILL)
        workflow.end()
        names.insert(0, "the scheduler")
    for one in victims:
        _signal(one)
    workflow.end()
    psutil.wait_procs(victims, timeout=PATIENCE)
    lab.orphans += [one for one in processes if one not in victims and one.is_running()]
    orphans = [_rule(one) for one in lab.orphans if one.is_running()]
    return f"killed {', '.join(names)}" + (f" ({', '.join(orphans)} ran on)" if orphans else "")


def _signal(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _rule(process: psutil.Process) -> str:
    """The rule whose script a process runs, or its number."""
    try:
        script = next((Path(part).name for part in process.cmdline()[1:2] if part.endswith(".py")), "")
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        script = ""
    return script.split(".")[1] if script.count(".") > 1 else f"process {process.pid}"


def _check_finished(lab: Lab) -> None:
    """Make sure that a finished workflow's files are whole and its tables right.

    Raises:
        BrokenRecoveryError: They are not.
    """
    lab.settle()
    faults = damaged(lab.results, settled=True)
    if faults:
        msg = f"{len(faults)} damaged files: {'; '.join(faults[:5])}"
        raise BrokenRecoveryError(msg)
    left = leftovers(lab.results)
    if left:
        msg = f"{len(left)} files begun and left, such as {left[0]}"
        raise BrokenRecoveryError(msg)
    lab.require_same()


def _remove_some(lab: Lab, dice: random.Random) -> str:
    """Delete a few results, and all tables and figures, so that there is something to do.

    Snakemake does not make again what is missing if everything made of it is there.
    """
    scale = lab.results / SCALE
    found = sorted(path for pattern in REMOVABLE for path in scale.glob(f"*/{pattern}") if path.is_dir())
    chosen = dice.sample(found, min(len(found), dice.randint(1, MOST_REMOVED)))
    for path in [*chosen, *(path for name in ENDS for path in scale.glob(name))]:
        clear(path)
    return " and ".join(str(path.relative_to(scale)) for path in chosen)
