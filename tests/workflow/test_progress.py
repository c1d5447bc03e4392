# SPDX-License-Identifier: MIT
"""What is said while a workflow runs: how far it is, how long it still takes, and what came of it."""

import io
import json
import logging
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from microtome.provenance import code
from microtome.workflow.progress import lines, reasons, times, watch
from microtome.workflow.progress.jobs import Planned
from microtome.workflow.progress.state import Progress

HEADER = "s\th:m:s\tmax_rss\n"
EPOCHS = 20


def benchmark(folder: Path, name: str, *seconds: object) -> Path:
    """A benchmark file as Snakemake writes it, a row for each repeat."""
    path = folder / f"{name}.tsv"
    path.write_text(HEADER + "".join(f"{each}\t0:00:01\t10\n" for each in seconds), encoding="utf-8")
    return path


def log_of(folder: Path, *epochs: int) -> Path:
    """The log of a training after some epochs."""
    path = folder / "train.log"
    text = (
        "2026-11-30 15:47:42,467 INFO microtome.training.loop: epoch {}: train 0.5, validation nan, 1.0 s\n"
    )
    path.write_text("".join(text.format(number) for number in epochs), encoding="utf-8")
    return path


def draws(count: int, folder: Path, seconds: float) -> dict[int, Planned]:
    return {n: Planned("draw", "a", benchmark(folder, f"draw-{n}", seconds)) for n in range(count)}


def run_all(progress: Progress, until: float, *, took: float, cores: int) -> None:
    """Do jobs, so many at once, one after another."""
    waiting = sorted(progress.planned)
    for begin in range(int(until / took)):
        batch = waiting[begin * cores : (begin + 1) * cores]
        for number in batch:
            progress.start(number, progress.planned[number], "draw", None, begin * took)
        for number in batch:
            progress.finish(number, (begin + 1) * took)


@pytest.mark.parametrize(("cores", "took"), [(1, 10.0), (2, 10.0), (2, 20.0), (5, 5.0)])
def test_the_time_left_is_that_of_the_jobs_left(tmp_path: Path, cores: int, took: float) -> None:
    """By an earlier run's files, on a machine that is slower or faster now, on any number of cores."""
    progress = Progress(draws(200, tmp_path, 10.0), 0.0)
    until = 20 * took
    run_all(progress, until, took=took, cores=cores)
    left = (200 - 20 * cores) / cores * took
    assert progress.left(until) == pytest.approx(left, rel=0.15)


def test_the_time_left_is_not_guessed_of_trainings_without_any_time(tmp_path: Path) -> None:
    planned = draws(10, tmp_path, 10.0) | {n: Planned("train", "a", None, EPOCHS) for n in (10, 11, 12)}
    progress = Progress(planned, 0.0)
    run_all(progress, 100.0, took=10.0, cores=1)
    assert progress.left(100.0) is None
    log = log_of(tmp_path)
    progress.start(10, planned[10], "train", log, 100.0)
    assert progress.left(110.0) is None, "no epoch is done"
    log_of(tmp_path, 1, 2)
    assert progress.left(110.0) == pytest.approx(90 + 2 * 100), "5 s an epoch, and two more of the same kind"


def test_what_one_study_takes_is_not_what_another_takes(tmp_path: Path) -> None:
    planned = {0: Planned("predict", "a"), 1: Planned("predict", "b"), 2: Planned("predict", "b")}
    progress = Progress(planned | {3: Planned("predict", "a")}, 0.0)
    for number, begin, end in ((0, 0.0, 100.0), (1, 100.0, 102.0)):
        progress.start(number, planned[number], "", None, begin)
        progress.finish(number, end)
    assert progress.left(102.0) == pytest.approx(100 + 2)
    progress.done.add(3)
    assert progress.left(102.0) == pytest.approx(2)


def test_a_benchmark_file_is_read_with_its_repeats_or_passed_over(tmp_path: Path) -> None:
    assert times.seconds_of(benchmark(tmp_path, "two", 1.5, 2)) == 3.5
    for name, rows in (("empty", ()), ("damaged", ("-",))):
        assert times.seconds_of(benchmark(tmp_path, name, *rows)) is None
    assert times.seconds_of(tmp_path / "absent.tsv") is None
    (tmp_path / "other.tsv").write_bytes(b"\xff\xfe")
    assert times.seconds_of(tmp_path / "other.tsv") is None


def test_a_line_says_what_trains_how_far_it_is_and_how_long_it_takes(tmp_path: Path) -> None:
    planned = draws(40, tmp_path, 10.0) | {
        99: Planned("train", "nuclei", benchmark(tmp_path, "t", 100), EPOCHS)
    }
    progress = Progress(planned, 0.0)
    run_all(progress, 200.0, took=10.0, cores=1)
    progress.start(38, planned[38], "a: figure one", None, 200.0)
    progress.start(39, planned[39], "a: figure two", None, 200.0)
    progress.start(99, planned[99], "nuclei: train unet", log_of(tmp_path, 1, 2, 3, 4, 5), 200.0)
    said = lines.status(progress, 230.0)
    assert said == (
        "20 of 41 jobs done (48 %) | about 4 min left | "
        "nuclei: train unet, epoch 5 of 20, loss 0.5; a: figure one; 1 more"
    )


def test_jobs_of_a_cluster_are_in_its_queue_until_they_log(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    progress = Progress({1: Planned("draw", "a"), 2: Planned("draw", "a")}, 0.0, is_local=False)
    progress.start(1, Planned("draw", "a"), "a: one", log, 0.0)
    progress.look(500.0)
    assert "no job is at work | 1 in the queue" in lines.status(progress, 500.0)
    log.write_text("", encoding="utf-8")
    progress.look(600.0)
    assert lines.status(progress, 601.0).endswith("| a: one")
    _, seconds = progress.finish(1, 630.0)
    assert seconds == 30, "the time in the queue is none of the job's"


def test_a_job_that_succeeds_at_last_has_not_failed(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("INFO much\n\nerror: the loss is NaN;\nlower the learning rate\n", encoding="utf-8")
    progress = Progress({1: Planned("train", "a"), 2: Planned("draw", "a"), 3: Planned("all")}, 0.0)
    for number in (1, 2):
        progress.start(number, progress.planned[number], f"a: job {number}", log, 0.0)
        progress.fail(number, "rule", log)
    assert "2 failed" in lines.status(progress, 1.0)
    progress.start(2, progress.planned[2], "a: job 2", log, 1.0)
    progress.finish(2, 2.0)
    assert lines.summary(progress, 62.0, products=["The report: /r.html"]).splitlines() == [
        "1 of 3 jobs is done, 1 failed, 1 was not run, in 1 min 2 s.",
        "  failed: a: job 1",
        "    the loss is NaN; lower the learning rate",
        f"    log: {log}",
        "Mend the cause; the same command goes on from here.",
        "The report: /r.html",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def logger() -> logging.Logger:
    """Snakemake's, with its handler of the terminal."""
    found = logging.Logger("snakemake")
    stream = logging.StreamHandler(io.StringIO())
    stream.name = watch.STREAM
    stream.setFormatter(logging.Formatter("%(message)s"))
    found.addHandler(stream)
    return found


def tell(logger: logging.Logger, event: str | None, text: str = "", **more: object) -> None:
    logger.info(text, extra={"event": event, **more})


def job_info(logger: logging.Logger, number: int, **more: object) -> None:
    told = {
        "jobid": number,
        "rule_name": "train",
        "rule_msg": "a: train unet",
        "log": [],
        "wildcards": {"study": "a"},
    }
    tell(logger, "job_info", "Rule: train", **told | more)


def test_messages_of_single_jobs_give_way_to_what_came_of_them(
    logger: logging.Logger, tmp_path: Path
) -> None:
    clock = SimpleNamespace(now=0.0)
    found = watch.attach(logger, products=lambda: ["The report: /r.html"], clock=lambda: clock.now)
    tell(logger, None, "Select jobs to execute...")
    found.begin({1: Planned("train", "a", None, EPOCHS), 2: Planned("draw", "b")}, is_local=True)
    job_info(logger, 1, log=[str(log_of(tmp_path, *range(1, EPOCHS + 1)))])
    clock.now = 90.0
    tell(logger, "job_finished", "Finished jobid: 1", job_id=1)
    tell(logger, "progress", "1 of 2 steps")
    tell(logger, None, "A word of warning")
    job_info(logger, 2, rule_name="draw", rule_msg="")
    tell(logger, "job_finished", job_id=2)
    found.end(is_complete=True)
    assert logger.handlers[0].stream.getvalue().splitlines() == [
        "2 jobs to do (1 training): a 1, b 1",
        "a: train unet: done in 1 min 30 s: 20 epochs, loss 0.5",
        "A word of warning",
        "All 2 jobs are done, in 1 min 30 s.",
        "The report: /r.html",
    ]


def test_all_that_snakemake_says_is_there_if_asked_for(logger: logging.Logger) -> None:
    found = watch.attach(logger, verbose=True)
    found.begin({1: Planned("draw", "b")}, is_local=True)
    tell(logger, "job_finished", "Finished jobid: 1", job_id=1)
    found.end(is_complete=True)
    assert "Finished jobid: 1" in logger.handlers[0].stream.getvalue()


def test_who_wants_no_progress_is_told_of_failures_alone(logger: logging.Logger, tmp_path: Path) -> None:
    found = watch.attach(logger, says=False)
    found.begin({1: Planned("train", "a"), 2: Planned("draw", "b")}, is_local=True)
    job_info(logger, 1)
    tell(logger, "job_error", "Error", jobid=1, rule_name="train", log=[str(tmp_path / "a.log")])
    found.end(is_complete=False)
    said = logger.handlers[0].stream.getvalue()
    assert "to do" not in said
    assert f"  failed: a: train unet\n    log: {tmp_path / 'a.log'}\n" in said


def test_in_a_terminal_the_line_is_written_over(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "TICK", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    logger.handlers[0].stream = Terminal()
    found = watch.attach(logger)
    found.begin({1: Planned("draw", "b")}, is_local=True)
    while not found.is_line:
        time.sleep(0.001)
    tell(logger, None, "A word of warning")
    found.end(is_complete=True)
    said = logger.handlers[0].stream.getvalue()
    assert f"{watch.CLEAR}{'0 of 1 jobs done (0 %) | no job is at work'[:29]}\r" in said
    assert f"\r{watch.CLEAR}A word of warning\n" in said
    assert said.endswith("The job is done, in 0 s.\n")


def test_where_a_plugin_writes_to_the_terminal_nobody_else_does() -> None:
    assert watch.attach(logging.Logger("snakemake")) is None


def test_a_broken_message_does_not_stop_the_workflow(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    watch.attach(logger).begin({}, is_local=True)
    tell(logger, "job_info")
    assert "AttributeError" in capsys.readouterr().err


def state_of(**options: object) -> str:
    return repr(code.state("scripts/train.py", options))


def test_changed_options_are_named_in_place_of_all(tmp_path: Path) -> None:
    old = {"training": {"epochs": 5, "rate": 0.1}, "classes": ["a", "b"], "seed": 0}
    new = {"training": {"epochs": 9, "rate": 0.1, "decay": 1}, "classes": ["a", "c"], "seed": 0}
    assert reasons.difference({state_of(**old)}, {state_of(**new)}) == (
        'classes[1]: "b" -> "c"; training.decay: none -> 1; training.epochs: 5 -> 9'
    )
    other = repr(json.dumps({"code": "0", "options": {**old, "seed": 1}}))
    assert reasons.difference({state_of(**old)}, {other}) == "its code; seed: 0 -> 1"
    many = dict.fromkeys("abcdef", 1)
    assert reasons.difference({state_of()}, {state_of(**many)}).endswith("c: none -> 1; and 3 more")


def test_other_parameters_are_shown_as_they_are() -> None:
    assert reasons.difference({"'0'", "True"}, {"'1'"}) == "'0', True -> '1'"
    assert reasons.difference((), {repr("x" * 100)}).endswith("…")
