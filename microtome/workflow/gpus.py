# SPDX-License-Identifier: MIT
"""The GPUs of this machine: how many jobs may use one at a time, and which job has which.

Snakemake counts GPUs, it does not tell a job which one it has: without a scheduler, every job would take the
first. So a job holds a lock file for each GPU that it asked for, and lets CUDA see those alone. The operating
system lets go of a lock when the process ends, however it ends.
"""

import logging
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)
VISIBLE = "CUDA_VISIBLE_DEVICES"
UUID = re.compile(r"\(UUID: ([^)]+)\)")
NO_DEVICE = ("", "-1", "NoDevFiles")
"""Entries at which CUDA stops reading the list of devices."""
SCHEDULED = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
"""Set in jobs of schedulers. Who sees as many GPUs there as it asked for is to have, or to share, these."""
ON_CUDA = ("auto", "cuda")
"""Values of `device` with which networks may run on an NVIDIA GPU."""
COMMAND_SECONDS = 20
POLL_SECONDS = 1.0


def devices() -> tuple[str, ...]:
    """The GPUs that a process started now would see, each as CUDA_VISIBLE_DEVICES names it.

    Returns:
        The entries of that variable where it is set, else the UUIDs that the driver tells; in place of a GPU
        that is divided (MIG), its slices. None without an NVIDIA driver.
    """
    told = os.environ.get(VISIBLE)
    if told is None:
        return shown()
    entries = [entry.strip() for entry in told.split(",")]
    end = next((place for place, entry in enumerate(entries) if entry in NO_DEVICE), len(entries))
    return tuple(dict.fromkeys(entries[:end]))


def shown() -> tuple[str, ...]:
    """The UUIDs that the driver tells, see `listed`; none without a driver that answers."""
    command = shutil.which("nvidia-smi")
    return () if command is None else _answered(command)


@cache
def _answered(command: str) -> tuple[str, ...]:
    """What a command of the driver lists; it is asked once a process, as some take seconds."""
    try:
        done = subprocess.run(
            [command, "-L"], capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return listed(done.stdout)


def listed(text: str) -> tuple[str, ...]:
    r"""The UUIDs in what `nvidia-smi -L` prints; slices (MIG) in place of the GPU above them.

    Example:
        >>> listed("GPU 0: NVIDIA A100 (UUID: GPU-5d5b)\nGPU 1: NVIDIA A100 (UUID: GPU-77aa)\n")
        ('GPU-5d5b', 'GPU-77aa')
        >>> listed("GPU 0: NVIDIA A100 (UUID: GPU-5d5b)\n  MIG 3g.20gb Device  0: (UUID: MIG-c738)\n")
        ('MIG-c738',)
    """
    found: list[str] = []
    for line in text.splitlines():
        uuid = UUID.search(line)
        if uuid is None:
            continue
        if line[:1].isspace() and found and found[-1].startswith("GPU-"):
            found.pop()  # CUDA computes on its slices alone
        found.append(uuid.group(1))
    return tuple(found)


def at_a_time(*, device: str, asked: int) -> int | None:
    """How many GPUs the jobs of a workflow on this machine may use together; None: nothing limits them.

    Args:
        device: The workflow's `device`.
        asked: GPUs of one training job. Where it asks for more than there are, nothing is limited, so that
            the job itself says what is wrong.
    """
    there = len(devices()) if device in ON_CUDA else 0
    return there if there >= asked else None


@contextmanager
def held(count: int) -> Iterator[tuple[str, ...]]:
    """Hold GPUs that no other job of this user on this machine has, and let CUDA see them alone.

    To be entered before CUDA is started. All are taken at once, or none while the job waits. Where fewer are
    there than asked for nothing changes, and what computes says so; nor does it in the job of a scheduler
    that sees as many as it asked for.

    Args:
        count: GPUs; 0 of a job that computes on the CPU.

    Yields:
        The GPUs, as CUDA_VISIBLE_DEVICES names them.

    Raises:
        OSError: The folder of the lock files cannot be written.
    """
    there = devices() if count else ()
    is_granted = len(there) == count and any(name in os.environ for name in SCHEDULED)
    if not count or len(there) < count or is_granted:
        yield there
        return
    before = os.environ.get(VISIBLE)
    with ExitStack() as locks:
        chosen = _wait_for(there, count, locks)
        os.environ[VISIBLE] = ",".join(chosen)
        logger.info("GPU %s of %d", ", ".join(chosen), len(there))
        try:
            yield chosen
        finally:
            os.environ.pop(VISIBLE)
            os.environ.update({} if before is None else {VISIBLE: before})


def _wait_for(there: Sequence[str], count: int, locks: ExitStack) -> tuple[str, ...]:
    """Lock so many of some GPUs; while that cannot be, wait with none of them."""
    folder = Path(tempfile.gettempdir()) / f"microtome-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    is_told, known_as = False, _known_as(there)
    while True:
        with ExitStack() as taken:
            chosen = _take(folder, known_as, count, taken)
            if len(chosen) == count:
                locks.enter_context(taken.pop_all())
                return chosen
        if not is_told:
            logger.warning("%s", _waiting(folder, there, count))
            is_told = True
        time.sleep(POLL_SECONDS)


def _take(folder: Path, there: Mapping[str, str], count: int, taken: ExitStack) -> tuple[str, ...]:
    """Lock as many GPUs as can be had, in their order; one job at a time looks."""
    from filelock import FileLock, Timeout  # only jobs have it

    chosen: list[str] = []
    with FileLock(folder / "choice.lock", fallback_to_soft=False):
        for name, known_as in there.items():
            if len(chosen) == count:
                break
            path = folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', known_as)}.lock"
            with suppress(Timeout):
                taken.enter_context(FileLock(path, fallback_to_soft=False).acquire(blocking=False))
                path.with_suffix(".txt").write_text(f"process {os.getpid()}", encoding="utf-8")
                chosen.append(name)
    return tuple(chosen)


def _known_as(there: Sequence[str]) -> dict[str, str]:
    """GPUs by the one name that all jobs have for them: a number is the place of a UUID in the driver's list.

    So a job with `CUDA_VISIBLE_DEVICES=1` and one that sees all do not both take the second. Slices have no
    numbers.
    """
    uuids = shown() if any(name.isdecimal() for name in there) else ()
    if any(uuid.startswith("MIG-") for uuid in uuids):
        return dict(zip(there, there, strict=True))
    is_listed = [name.isdecimal() and int(name) < len(uuids) for name in there]
    return {name: uuids[int(name)] if known else name for name, known in zip(there, is_listed, strict=True)}


def _waiting(folder: Path, there: Sequence[str], count: int) -> str:
    holders = sorted(path.read_text(encoding="utf-8")[:40] for path in folder.glob("*.txt"))
    return (
        f"found no {count} of the {len(there)} GPUs of this machine free of other jobs "
        f"({', '.join(holders)}); waiting for them. To let fewer run at a time: --resources gpu=N"
    )
