# SPDX-License-Identifier: MIT
"""Snakemake's side of jobs that are forks: starts the server, asks it for forks, and waits for their end."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any

SERVER = Path(__file__).with_name("server.py")
ROOM = " " * 400
"""An argument that leaves room for the command lines of jobs, see `server.show_as`."""
LIBRARIES = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
THREADS = (*(f"{name}_NUM_THREADS" for name in LIBRARIES), "VECLIB_MAXIMUM_THREADS")
"""What tells libraries how many threads to take; they read it as they are imported."""
TEMPORARY = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")
PASSIVE = {"JE_ARROW_MALLOC_CONF": "background_thread:false", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
"""Keeps Arrow, which pandas imports, from starting a thread, and PyTorch from starting CUDA to find GPUs."""
KILLED = -9
"""Exit status of what SIGKILL ended."""
LAST_SECONDS = 1.0
"""How long the end of the server is waited for."""
Answer = Mapping[str, Any]


class ForkError(OSError):
    """A job could not be forked, and has not begun."""


def environment_of(resources: Mapping[str, Any]) -> dict[str, str]:
    """The environment that Snakemake gives a job of one thread (`snakemake.shell`).

    Args:
        resources: Those of the job; of them `tmpdir` counts.

    Example:
        >>> environment_of({"tmpdir": "/scratch"})["TMPDIR"]
        '/scratch'
    """
    place = resources.get("tmpdir")
    places = dict.fromkeys(TEMPORARY, str(place)) if place else {}
    return {**os.environ, **dict.fromkeys(THREADS, "1"), **places}


class Fork:
    """A job at work.

    Attributes:
        process: Number of its process.
    """

    def __init__(self, process: int, answers: "SimpleQueue[Answer]") -> None:
        self.process, self._answers = process, answers

    def wait(self) -> int:
        """Wait for its end; its exit status, or the number of the signal that ended it, below 0."""
        return self._answers.get().get("status", KILLED)


class Forks:
    """A process that has imported what some scripts import, and forks for jobs; for any thread.

    Args:
        scripts: Scripts whose modules it imports.
        environment: Its environment, see `environment_of`.
        modules: What it imports besides, by name.
    """

    def __init__(
        self, scripts: Iterable[Path], environment: Mapping[str, str], modules: Iterable[str] = ()
    ) -> None:
        (theirs, ours), (answers, told) = os.pipe(), os.pipe()
        wanted = json.dumps({"scripts": [str(script) for script in scripts], "modules": list(modules)})
        arguments = [str(theirs), str(told), wanted, ROOM]
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), *arguments],
            pass_fds=(theirs, told),
            env={**environment, **PASSIVE},
        )
        for end in (theirs, told):
            os.close(end)
        self._requests, self._answers = os.fdopen(ours, "wb", buffering=0), os.fdopen(answers, "rb")
        self._ready, self._lock, self._numbers = threading.Event(), threading.Lock(), count()
        self._waiting: dict[int, SimpleQueue[Answer]] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True, name="forks")
        self._listener.start()

    @property
    def is_ready(self) -> bool:
        """Whether all is imported, so that a job would begin at once."""
        return self._ready.is_set()

    @contextmanager
    def begun(self, script: str, environment: Mapping[str, str]) -> Iterator[Fork]:
        """Begin a job in the present folder; while the block runs its process can be looked at.

        Raises:
            ForkError: It could not begin.
        """
        answers = SimpleQueue[Answer]()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = answers
        request = {
            "job": number,
            "script": script,
            "folder": str(Path.cwd()),
            "environment": dict(environment),
        }
        try:
            answer = answers.get() if self._ask(request) else {}
            if "process" not in answer:
                raise ForkError(answer.get("failed", "the process to fork has ended"))
            yield Fork(answer["process"], answers)
        finally:
            with self._lock:
                del self._waiting[number]
            self._ask({"reap": number})

    def close(self) -> None:
        """End the process; jobs that still run go on to their end."""
        self._ready.clear()
        with self._lock:
            self._requests.close()
        self._listener.join(LAST_SECONDS)

    def _ask(self, request: Mapping[str, Any]) -> bool:
        """Write a request; whether there is somebody to read it."""
        try:
            with self._lock:
                text = json.dumps(request).encode() + b"\n"
                while text:
                    text = text[self._requests.write(text) :]
        except (BrokenPipeError, ValueError):  # the server has ended, or this is closed
            return False
        return True

    def _listen(self) -> None:
        """Hand out answers; at their end whoever waits is told that his job was killed with the server."""
        for answer in map(json.loads, self._answers):
            if "ready" in answer:
                if answer["ready"]:
                    self._ready.set()
            else:
                self._hand_out(answer)
        self._ready.clear()
        with self._lock:
            for waiting in self._waiting.values():
                waiting.put({"status": KILLED})
        self._answers.close()
        self._process.wait()

    def _hand_out(self, answer: Answer) -> None:
        with self._lock:
            if (answers := self._waiting.get(answer["job"])) is not None:
                answers.put(answer)
