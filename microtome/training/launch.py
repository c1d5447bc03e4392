# SPDX-License-Identifier: MIT
"""Starting the processes of one training job with `torchrun`, following them, and telling why they failed."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, Literal, NoReturn

from microtome.files import write_json
from microtome.training.processes import TeamLostError
from microtome.training.signals import SIGNALLED, handled

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
REQUEST = "request.json"
SHUTDOWN_SECONDS = 20
"""Time that the other processes get to end after one has failed, and the first one to write a checkpoint."""
RECORD = re.compile(r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL) ([\w.]+): (.*)$")
"""A line of a process's log."""
DIED = re.compile(r"rank\s*: (\d+) \(local_rank: \d+\)\s+exitcode\s*: -(\d+)")
"""What torchrun says of a process that a signal ended."""

Request = dict[str, Any]


class ProcessError(ValueError):
    """A process of a job failed for a reason that its message explains."""


@dataclass(frozen=True)
class Report:
    """What a process says of its end, and when.

    Its kind is `expected` (the message explains what to do), `fault` (of the program) or `lost` (another
    process ended).
    """

    rank: int
    kind: Literal["expected", "fault", "lost"]
    message: str
    trace: str
    seconds: float


def launch(module: str, request: Mapping[str, Any], *, processes: int, threads: int) -> None:
    """Run a module in several processes until all have ended; what they log is logged here.

    If one fails, the others are ended. If this process ends, however it does, so do they; at SIGTERM it waits
    for them, as one may have something to write.

    Args:
        module: Started with `python -m`; it calls `serve`.
        request: JSON-serialisable; what each process gets.
        processes: How many.
        threads: CPU threads of each.

    Raises:
        ProcessError: A process failed as it foresees: its message; or a signal ended one.
        RuntimeError: A process failed in another way; its traceback is in the log.
        SystemExit: SIGTERM came.
    """
    with TemporaryDirectory(prefix="microtome-") as name:
        folder = Path(name)
        (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        lines: list[str] = []
        with _started(module, folder, processes, threads) as process:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                _relay(lines[-1])
            status = process.wait()
        if status:
            _fail(_reports(folder), "\n".join(lines), processes)


def serve(task: Callable[[Request, int, int], None]) -> None:
    """Be one of the processes: do a task and report how it ended. Does not return after a failure or SIGTERM.

    The task is called with the request, the rank of this process, and the number of processes.
    """
    folder = Path(sys.argv[1])
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    logging.basicConfig(
        level=logging.INFO if rank == 0 else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    logging.captureWarnings(capture=True)
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    try:
        task(request, rank, size)
    except Exception as error:  # noqa: BLE001 (it is reported, and the process ends)
        kind = "lost" if isinstance(error, TeamLostError) else "fault"
        kind = "expected" if isinstance(error, ValueError | OSError) else kind
        text = str(error) if kind == "expected" else f"{type(error).__name__}: {error}"
        report = Report(rank, kind, text, traceback.format_exc(), time.time())
        write_json(folder / f"rank-{rank}.json", asdict(report))
        _leave(1)
    except SystemExit as end:
        _leave(end.code)


def _leave(status: int) -> NoReturn:
    """End now: nothing may wait for processes that do not answer any more."""
    sys.stderr.flush()
    os._exit(status)


@contextmanager
def _started(module: str, folder: Path, processes: int, threads: int) -> Iterator[subprocess.Popen[str]]:
    """Start `torchrun`; its standard input is a pipe that ends with this process, or when SIGTERM comes.

    Raises:
        SystemExit: It came; all have ended.
    """
    options = ["--standalone", f"--nproc-per-node={processes}", "--local-addr=127.0.0.1"]
    options += ["--max-restarts=0", f"--shutdown-timeout={SHUTDOWN_SECONDS}"]
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    changes = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": str(threads)}
    told: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        told.append(number)
        process.stdin.close()

    with (
        handled({signal.SIGUSR1: signal.SIG_IGN}),  # inherited: it is for the one that writes checkpoints
        subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *options, "-m", module, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=os.environ | changes,
        ) as process,
        handled({signal.SIGTERM: end}),
    ):
        yield process
    if told:
        raise SystemExit(SIGNALLED + told[0])


def _relay(line: str) -> None:
    """Log a line that a process logged or printed."""
    found = RECORD.match(line)
    level, name, message = found.groups() if found else ("INFO", __name__, line)
    if message:
        logging.getLogger(name).log(logging.getLevelNamesMapping()[level], "%s", message)


def _end_with_launcher() -> None:
    """End this process as soon as the one that started the job has ended: by SIGTERM, which has a checkpoint
    written where there is one to write, see `training.saving`.
    """
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SHUTDOWN_SECONDS)
    os._exit(1)


def _reports(folder: Path) -> list[Report]:
    """What the processes said, the earliest first."""
    found = [Report(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("rank-*.json")]
    return sorted(found, key=lambda report: report.seconds)


def _fail(reports: list[Report], output: str, processes: int) -> None:
    """Raise the reason for a failure: what a process foresees, else a fault, else a signal.

    Raises:
        ProcessError: See `launch`.
        RuntimeError: Likewise.
    """
    for report in reports:
        logger.info("process %d of %d failed\n%s", report.rank + 1, processes, report.trace)
    for report in reports:
        if report.kind == "expected":
            raise ProcessError(report.message)
    for report in reports:
        if report.kind == "fault":
            msg = f"process {report.rank + 1} of {processes} failed: {report.message}"
            raise RuntimeError(msg)
    said = {report.rank for report in reports}
    killed = [(int(rank), int(number)) for rank, number in DIED.findall(output) if int(rank) not in said]
    if killed:
        rank, number = killed[-1]  # torchrun lists the root cause last
        msg = (
            f"process {rank + 1} of the {processes} of this training job was ended by "
            f"{signal.Signals(number).name}. If nobody did so on purpose, the memory did not suffice: "
            "lower training.batch_size or sampler.crop, or ask for more (resources: mem_mb). The same "
            "command goes on from the last checkpoint."
        )
        raise ProcessError(msg)
    last = "\n".join(output.splitlines()[-5:])
    msg = f"the {processes} processes of this training job could not be run: {last or 'they said nothing'}"
    raise RuntimeError(msg)
