# SPDX-License-Identifier: MIT
"""The process that jobs are forks of; a script, whose arguments `microtome.workflow.forks.client` gives.

Requests come in by one pipe, answers go out by another, each a JSON object on a line. A request to fork names
a job's number, script, folder and environment; it is answered by the number of the process, and at the end of
that by its status. The process then stays as it is until the client has had its last look (`reap`).

When the client ends, however it does, jobs go on to their end, as do those that Snakemake starts itself. When
this process is killed, so are they, since the client then tells that they have failed.
"""

import ast
import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

Request = Mapping[str, Any]
PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent ends."""
ARGUMENTS = 45, 46
"""Where /proc/self/stat says between which addresses the arguments lie, counted from the state on."""
FOR_JOBS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that terminals and schedulers send to all processes, also to the jobs, which they are for."""
BLOCK = 2**16
"""Bytes read from a pipe at once."""


def imported(script: Path) -> list[str]:
    """The modules that a script imports, in their order.

    Example:
        >>> imported(Path(__file__))[:3]
        ['ast', 'atexit', 'ctypes']
    """
    nodes = ast.parse(script.read_bytes()).body
    plain = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    return plain + [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]


def prepare(scripts: Iterable[Path], modules: Iterable[str]) -> bool:
    """Import what scripts import, and modules; whether this process may be forked then.

    What cannot be imported, for whatever reason, is left to the jobs, which say what is wrong with it.
    """
    for name in dict.fromkeys([*(name for script in scripts for name in imported(script)), *modules]):
        with suppress(Exception):  # a plugin may raise anything
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what no collection looks at is not copied
    return is_whole()


def is_whole() -> bool:
    """Whether a fork of this process can do what a program can: it has one thread, and CUDA has not begun."""
    if len([*Path("/proc/self/task").iterdir()]) > 1:
        return False
    if "torch" not in sys.modules:
        return True
    probe = os.fork()
    if probe == 0:
        os._exit(int(sys.modules["torch"].cuda._is_in_bad_fork()))  # PyTorch tells it in forks alone
    return os.waitpid(probe, 0)[1] == 0


class Server:
    """Forks for each request.

    Args:
        requests: Open file that requests come in by.
        answers: Open file that answers go out by.
        handlers: What forks do about the signals that the server ignores, as programs would.
    """

    def __init__(self, requests: int, answers: int, handlers: Mapping[int, Any]) -> None:
        self._requests, self._answers, self._rest = requests, answers, b""
        self._handlers = handlers
        self._has_client = True
        self._running: dict[int, int] = {}
        self._ended: dict[int, int] = {}
        self._unwatched: set[int] = set()
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)

    def serve(self) -> Request | None:
        """Serve until the client and all jobs have ended.

        Returns:
            In a fork the request that it is to do, in the server None, at the end.
        """
        while self._has_client or self._running:
            asks = [self._requests] if self._has_client else []
            ready = select.select([*asks, self._woken], [], [])[0]
            if self._woken in ready:
                os.read(self._woken, BLOCK)
                self._tell_ended()
            for request in self._read() if self._requests in ready else ():
                if "reap" in request:
                    self._reap(request["reap"])
                elif self._is_fork(request):
                    return request
        return None

    def tell(self, **answer: Any) -> None:
        """Give an answer, as far as there is somebody."""
        with suppress(BrokenPipeError):
            os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def _read(self) -> Iterator[Request]:
        """The requests that have come in whole."""
        block = os.read(self._requests, BLOCK)
        self._has_client = bool(block)
        *lines, self._rest = (self._rest + block).split(b"\n")
        return map(json.loads, lines)

    def _is_fork(self, request: Request) -> bool:
        """Fork; whether this is the new process."""
        server = os.getpid()
        try:
            process = os.fork()
        except OSError as error:
            self.tell(job=request["job"], failed=str(error))
            return False
        if process:
            self._running[request["job"]] = process
            self.tell(job=request["job"], process=process)
            return False
        self._leave(server)
        return True

    def _leave(self, server: int) -> None:
        """Be no part of the server any more, but end with it."""
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:  # it had ended before
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for end in (self._requests, self._answers, self._woken, self._wake):
            os.close(end)

    def _tell_ended(self) -> None:
        """Tell the statuses of jobs that have ended, which are there until they are reaped."""
        for job, process in list(self._running.items()):
            found = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None:
                self._ended[job] = self._running.pop(job)
                is_exit = found.si_code == os.CLD_EXITED
                self.tell(job=job, status=found.si_status if is_exit else -found.si_status)
                if job in self._unwatched:
                    self._reap(job)

    def _reap(self, job: int) -> None:
        """Have the system forget a job, now or as soon as it ends."""
        if job in self._running:
            self._unwatched.add(job)
        elif job in self._ended:
            os.waitpid(self._ended.pop(job), 0)
            self._unwatched.discard(job)


class Ending:
    """Ends a fork as soon as everything is done that is to be done at the end of a program.

    Taking its memory apart object by object, as Python would, takes longer than many a job. What is
    registered first with `atexit` comes last.

    Attributes:
        status: Exit status; None: end as Python does.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        atexit.register(self)

    def __call__(self) -> None:
        """End."""
        if self.status is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status)


def become(request: Request, ending: Ending) -> None:
    """Be the job of a request: run its script as Python does."""
    script = request["script"]
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    forget()
    show_as([sys.executable, script])
    sys.argv[:] = [script]
    sys.path.insert(0, str(Path(script).parent))
    ending.status = 1
    try:
        runpy.run_path(script, run_name="__main__")
        ending.status = 0
    except SystemExit as end:
        ending.status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except KeyboardInterrupt:
        ending.status = None
        raise


def forget() -> None:
    """Forget what libraries settle once a process, and forks would share: random numbers, the place of files.

    Python seeds its own generator anew after a fork; that of PyTorch has the same seed in any program.
    """
    if (shared := sys.modules.get("numpy.random")) is not None:
        shared.seed()
    tempfile.tempdir = None


def show_as(command: Sequence[str]) -> None:
    """Let `ps` show another command line for this process, as far as there is room where its own lies."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    start, stop = (int(fields[place]) for place in ARGUMENTS)
    text = b"\0".join(map(os.fsencode, command))[: max(stop - start - 1, 0)]
    if text and start:
        ctypes.memset(start, 0, stop - start)
        ctypes.memmove(start, text, len(text))


def main() -> None:
    """Import, say whether forks may begin, and serve."""
    requests, answers, wanted = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    del sys.path[0]  # the folder of this file, from which nothing is imported
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in FOR_JOBS}
    ending = Ending()
    is_ready = prepare(map(Path, wanted["scripts"]), wanted["modules"])
    server = Server(requests, answers, handlers)
    server.tell(ready=is_ready)
    request = server.serve() if is_ready else None
    if request is not None:
        become(request, ending)


if __name__ == "__main__":
    main()
