# SPDX-License-Identifier: MIT
"""Listens to what Snakemake logs, and says it as a line that a person understands.

In a terminal the line stands at the end and changes; elsewhere (a file, continuous integration) a new one is
written now and then, the more seldom the longer the run. The messages about single jobs that it stands for
are left out, except in Snakemake's own log file.
"""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from microtome.workflow.progress import lines
from microtome.workflow.progress.jobs import Planned
from microtome.workflow.progress.state import Progress

STREAM = "DefaultStreamHandler"
"""Name of the handler by which Snakemake writes to the terminal; there is none if a plugin does that."""
OF_JOBS = frozenset({"job_info", "group_info", "job_started", "job_finished", "progress"})
"""Kinds of messages about single jobs."""
BEFORE = frozenset({"run_info", "resources_info", "workflow_started"})
"""Kinds of messages about the machine and what there is to do."""
SAID_OF_EACH = (
    "Select jobs to execute",
    "Using shell:",
    "Building DAG of jobs",
    "Elapsed time:",
    "Conda environments: ignored",
    "Singularity containers: ignored",
)
"""How other messages begin that are the same for each run or job."""
CALLS = "CalledProcessError"
"""In the message about a script that failed; what it said itself stands above and below that."""
IDLE = "Nothing to be done"
TICK = 1.0
"""Seconds between two looks at what the jobs do, in a terminal."""
SELDOM, OFTEN, SHARE = 600.0, 15.0, 30
"""Seconds between two lines elsewhere: at most, at least, and the share of the time since the beginning."""
CLEAR = "\r\x1b[K"
"""Empties the line of a terminal."""
Clock = Callable[[], float]


class Watch(logging.Handler):
    """Says how far a run of the workflow is, from `begin` to `end`.

    Args:
        logger: Snakemake's.
        stream: Its handler that writes to the terminal.
        products: What a person looks at first, a line each, as it is at the end.
        says: Whether it says how far the run is; failed jobs and what came of it are told anyway.
        clock: Seconds.
    """

    def __init__(
        self,
        logger: logging.Logger,
        stream: logging.StreamHandler,
        *,
        products: Callable[[], Iterable[str]] = tuple,
        says: bool = True,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self.progress: Progress | None = None
        self.is_line = False
        self._logger, self._stream, self._products, self._says, self._clock = (
            logger,
            stream,
            products,
            says,
            clock,
        )
        self._ended = threading.Event()

    @property
    def is_terminal(self) -> bool:
        """Whether a line can be written over."""
        return self._stream.stream.isatty() and os.environ.get("TERM") != "dumb"

    def begin(self, planned: Mapping[int, Planned], *, is_local: bool) -> None:
        """The first job is about to start."""
        self.progress = Progress(planned, self._clock(), is_local=is_local)
        if self._says:
            self._say(lines.planned(planned.values()))
            threading.Thread(target=self._paint, daemon=True).start()

    def end(self, *, is_complete: bool) -> None:
        """The last job has ended: say what came of them."""
        self._ended.set()
        if self.progress is None:
            return
        with self.lock:
            if is_complete:  # also where Snakemake does not tell of each
                self.progress.done |= self.progress.planned.keys()
            products = [*self._products()] if is_complete else []  # else they are of an earlier run
            text = lines.summary(self.progress, self._clock(), products=products)
        self._say(text, logging.INFO if is_complete else logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        """Hear what Snakemake tells of a job."""
        try:
            if str(record.msg).startswith(IDLE):
                self._say("\n".join(self._products()))
            elif self.progress is not None:
                self._hear(str(getattr(record, "event", "")), record, self.progress)
        except (AttributeError, KeyError, TypeError, ValueError, OSError):
            self.handleError(record)

    def leaves(self, record: logging.LogRecord) -> bool:
        """Whether a message is more than what the watch says itself; of jobs it tells once it has begun."""
        event, text = getattr(record, "event", None), str(record.msg)
        if event == "error":
            return CALLS not in text
        if event in BEFORE or text.startswith(SAID_OF_EACH):
            return False
        return event not in OF_JOBS or self.progress is None

    def close(self) -> None:
        """Say no more."""
        self._ended.set()
        super().close()

    def _hear(self, event: str, record: Any, progress: Progress) -> None:
        now = self._clock()
        if event == "job_info":
            job = Planned(record.rule_name, str(record.wildcards.get("study", "")))
            progress.start(record.jobid, job, record.rule_msg or record.rule_name, _first(record.log), now)
        elif event == "job_error":
            progress.fail(record.jobid, record.rule_name, _first(record.log))
        elif event == "job_finished":
            done = progress.finish(record.job_id, now)
            if done and done[0].job.trains and self._says:
                self._say(lines.trained(*done))

    def _say(self, text: str, level: int = logging.INFO) -> None:
        """Write a text to the terminal and to Snakemake's log."""
        if text:
            self._logger.log(level, text, extra={"event": "told"})

    def _paint(self) -> None:
        """Say how far the run is until it has ended."""
        while not self._ended.wait(self._pause()):
            with self.lock:
                now = self._clock()
                self.progress.look(now)
                text = lines.status(self.progress, now)
            if self.is_terminal:
                self._write_over(text)
            else:
                self._say(text)

    def _pause(self) -> float:
        if self.is_terminal:
            return TICK
        return min(SELDOM, max(OFTEN, (self._clock() - self.progress.began) / SHARE))

    def _write_over(self, text: str) -> None:
        """Write the line at the end of the terminal; what is written next begins at its start."""
        width = shutil.get_terminal_size().columns - 1
        self._stream.acquire()
        try:
            if not self._ended.is_set():
                self._stream.stream.write(f"{CLEAR}{text[:width]}\r")
                self._stream.stream.flush()
                self.is_line = True
        finally:
            self._stream.release()


class Plainly(logging.Formatter):
    """Snakemake's words for the terminal, without the files of a job that failed.

    Args:
        usual: Its formatter.
        watch: Where its line is emptied first, if one is there.
    """

    def __init__(self, usual: logging.Formatter, watch: Watch) -> None:
        super().__init__()
        self._usual, self._watch = usual, watch

    def format(self, record: logging.LogRecord) -> str:
        """The text of a message."""
        if getattr(record, "event", "") == "job_error":
            record = logging.makeLogRecord(record.__dict__ | {"input": [], "output": [], "msg": ""})
        text = self._usual.format(record)
        emptied, self._watch.is_line = self._watch.is_line, False
        return f"{CLEAR}{text}" if emptied and text else text


def attach(logger: logging.Logger, **settings: Any) -> Watch | None:
    """Let a watch listen to Snakemake, and have it speak in place of its messages about single jobs.

    Args:
        logger: Snakemake's.
        settings: Of `Watch`; and `verbose`, whether Snakemake says all that it has to say, too.

    Returns:
        The watch; None where a plugin writes to the terminal.
    """
    stream = next((handler for handler in logger.handlers if handler.name == STREAM), None)
    if stream is None:
        return None
    verbose = settings.pop("verbose", False)
    watch = Watch(logger, stream, **settings)
    logger.addHandler(watch)
    stream.setFormatter(Plainly(stream.formatter, watch))
    if not verbose:
        stream.addFilter(watch.leaves)
    return watch


def _first(files: Iterable[str]) -> Path | None:
    return next((Path(file) for file in files), None)
