# SPDX-License-Identifier: MIT
"""What Snakemake is to remember: it knows as much as without."""

import asyncio
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from tests.workflow.workspace import REPOSITORY

FILES = 1500
"""Inputs of a job; the scheduler forgets sizes beyond ten thousand."""


class File(str):
    """A file that counts how often its size is asked for."""

    asked = 0

    async def exists(self) -> bool:
        return True

    async def size(self) -> int:
        self.asked += 1
        return len(self)


@pytest.fixture(scope="module")
def once_for_each_job():
    """The function of the rules, which are plain Python here."""
    known = {"CLONE": REPOSITORY, "Path": Path}
    exec((REPOSITORY / "rules/quick.smk").read_text(encoding="utf-8"), known)
    return known["once_for_each_job"]


def ready(number: int, files: int = FILES) -> SimpleNamespace:
    job = SimpleNamespace(input=[File(f"{number}-{name}") for name in range(files)])
    return type("Job", (SimpleNamespace,), {"__hash__": object.__hash__})(**vars(job))


def test_sizes_of_all_inputs_of_ready_jobs_are_known(once_for_each_job) -> None:
    """Also of a job that failed and is ready again, after the scheduler forgot it."""
    plain = JobScheduler.update_input_sizes
    update = once_for_each_job(getattr(plain, "plain", plain))
    draw, scheduler = random.Random(0), SimpleNamespace(_input_sizes={})
    jobs = [ready(number) for number in range(12)]
    for _ in range(60):
        chosen = draw.sample(jobs, draw.randint(1, 5))
        asyncio.run(update(scheduler, chosen))
        assert all(file in scheduler._input_sizes for job in chosen for file in job.input)


def test_sizes_are_asked_for_once(once_for_each_job) -> None:
    plain = JobScheduler.update_input_sizes
    update = once_for_each_job(getattr(plain, "plain", plain))
    scheduler, jobs = SimpleNamespace(_input_sizes={}), [ready(number, 20) for number in range(5)]
    for count in range(1, 6):
        asyncio.run(update(scheduler, jobs[:count]))
    assert {file.asked for job in jobs for file in job.input} == {1}
