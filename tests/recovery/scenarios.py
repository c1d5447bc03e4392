# SPDX-License-Identifier: MIT
"""Other disturbances than kills at random: each takes a complete lab, and leaves the same tables."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from microtome.files import UNFINISHED
from tests.recovery.lab import (
    LOCKED,
    RESULTS,
    SCALE,
    BrokenRecoveryError,
    Lab,
    Started,
    clear,
    no_process_left,
    wait_until,
)

MIB = 2**20
PAGE = 4096
SPARE = 8 * PAGE
"""Room on the disk that is too small."""
CHECKPOINT = "checkpoint.safetensors"
TRAINED = ("model.safetensors", "history.tsv", "card.json")
EVALUATED = ("calibration.json", "raw_predictions", "predictions", "segmentations", "metrics.tsv")
"""What is made of a trained run on the way to its metrics."""
KEPT = ("kept", "checkpoint.kept", "candidates", "selection.json", *TRAINED)
TRIES = 3
"""Of killing a prediction between two images, which are small."""
AREAS = "areas"
CALLED = ("predictions", "calls", "sections.tsv", "metrics.tsv")
"""The same of a run on slides."""


@dataclass(frozen=True)
class Run:
    """The run that is disturbed.

    Attributes:
        study: Its study.
        name: Its name; it is trained with seed 0.
        split: On which split that is; the first of several.
        evaluated: Whether it is evaluated as well.
        on_slides: Whether it keeps epochs, one of which is chosen by the sections of slides.
    """

    study: str
    name: str
    split: str = "main"
    evaluated: bool = True
    on_slides: bool = False

    @property
    def folder(self) -> str:
        """Its folder below the scale's."""
        return f"{self.study}/runs/{self.split}/{self.name}/seed-0"

    @property
    def target(self) -> str:
        """The file that is asked for."""
        return f"{RESULTS}/{SCALE}/{self.folder}/{self.made[-1]}"

    @property
    def made(self) -> tuple[str, ...]:
        """What is made on the way from the patches."""
        trained, evaluated = (KEPT, CALLED) if self.on_slides else (TRAINED, EVALUATED)
        return (*trained, *evaluated) if self.evaluated else trained

    @property
    def log(self) -> tuple[str, ...]:
        return (self.rule, self.study, self.split, self.name, "0")

    @property
    def rule(self) -> str:
        """The rule that trains it."""
        return "train_kept" if self.on_slides else "train"


def cannot_mount() -> str:
    """Why no file system can be mounted here; empty if one can."""
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    folder = Path("/run") if Path("/run").is_dir() else Path("/tmp")
    place = folder / f"recovery-{os.getpid()}"
    place.mkdir(exist_ok=True)
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True
        )
        if done.returncode == 0:
            subprocess.run(["umount", place], check=True)
    except FileNotFoundError:
        return "there is no mount command"
    finally:
        place.rmdir()
    return "" if done.returncode == 0 else f"mounting is refused here: {done.stderr.strip()}"


def full_disk(lab: Lab, run: Run) -> str:
    """Results on a disk that is too small; then on one with room."""
    _forget(lab, run)
    with _own_disk(lab) as resize:
        resize(f"size={_filled(lab.results) + SPARE}")
        before = _times(lab)
        said = _fail(lab, run)
        _require("The disk is full" in said, f"nothing is said of a full disk:\n{said[-3000:]}")
        _require(before.items() <= _times(lab).items(), "something that was computed is lost")
        resize(f"size={256 * MIB}")
        lab.finish(run.target)
        _require(before.items() <= _times(lab).items(), "something was computed twice")
        lab.require_same()
    return "the message says so; with more room the same command finished; nothing was lost"


def read_only(lab: Lab, run: Run) -> str:
    """Results on a disk that cannot be written to; then on one that can."""
    _forget(lab, run)
    with _own_disk(lab) as resize:
        resize("ro")
        said = _fail(lab, run)
        told = "Read-only file system" in said and "make it writable" in said
        _require(told, f"nothing is said of a read-only disk:\n{said[-3000:]}")
        ours = said.replace("Full Traceback", "")  # that of Snakemake itself, with --verbose
        _require("Traceback" not in ours and "Finished" not in said, f"that came late:\n{said[-3000:]}")
        resize("rw")
        lab.finish(run.target)
        lab.require_same()
    return "refused before the first job; made writable, the same command finished"


def second_scheduler(lab: Lab, run: Run) -> str:
    """The same command while it is at work."""
    _forget(lab, run)
    with no_process_left(lab):
        first = lab.start(run.target)
        script = first.script("train")
        script.suspend()  # so that the first one does not finish meanwhile
        second = lab.start(run.target)
        _require(second.end() != 0, "a second Snakemake went to work beside the first")
        script.resume()
        _require(LOCKED in second.said and "lock" in second.said.lower(), f"unclear:\n{second.said[-2000:]}")
        _require(first.end() == 0, f"the first one failed:\n{first.said[-3000:]}")
        lab.require_same()
    return "refused by the lock, which says what to do; the first one finished"


def damaged_checkpoint(lab: Lab, run: Run) -> str:
    """A checkpoint that is cut in half."""
    with no_process_left(lab):
        path = _checkpoint(lab, run)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        _trained_anew(lab, run, "cannot be read")
    return "says so; trained anew, same tables"


def other_checkpoint(lab: Lab, run: Run) -> str:
    """A checkpoint of the same run with another learning rate."""
    keys = f"runs.{run.name}.training.optimizer.lr"
    study = lab.workspace.study(run.study)
    with no_process_left(lab):
        lab.workspace.set_option(run.study, keys, 0.003)
        try:
            _checkpoint(lab, run)
        finally:
            lab.workspace.write_study(run.study, study)
        _trained_anew(lab, run, "is of other settings, data or code")
    return "not resumed; trained anew, same tables"


def two_writers(lab: Lab, run: Run) -> str:
    """A training that outlives its scheduler, and the same training started again."""
    _forget(lab, run)
    with no_process_left(lab):
        first = lab.start(run.target)
        orphan = first.script("train")
        _wait_for_checkpoint(lab, run, first)
        orphan.suspend()
        first.process.kill()
        first.end()
        second, unlocked = lab.resume(run.target)
        _require(unlocked, "Snakemake did not demand --unlock")
        log = lab.workspace.root / f"logs/{SCALE}/{'/'.join(run.log)}.log"
        waits = "waiting for it to end"
        wait_until(lambda: log.is_file() and waits in log.read_text(encoding="utf-8"), "a second training")
        orphan.resume()
        _require(second.end() == 0, f"the same command failed:\n{second.said[-3000:]}")
        _require("nothing left to do" in lab.log(*run.log), "what the first process had done was done again")
        lab.require_same()
    return "the second training waited for the first and took over its result"


def image_at_work(lab: Lab, run: Run) -> str:
    """A prediction of several images that is killed once the map of the first of them is done."""
    folder = lab.results / SCALE / run.folder
    for _ in range(TRIES):
        for name in EVALUATED:
            clear(folder / name)
        with no_process_left(lab):
            before = _killed_between_images(lab, run)
            lab.finish(run.target)
            after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*predictions/*/*.tif")}
            _require(before.items() <= after.items(), "an image that was done was predicted again")
            lab.require_same()
        if before:
            return f"the same command went on after {len(before)} of {len(after)} images"
    return f"left out, as {TRIES} predictions ended before they could be killed"


def _killed_between_images(lab: Lab, run: Run) -> dict[str, int]:
    """Kill a prediction after its first map; the maps that are done, none if the prediction was faster."""
    folder, workflow = lab.results / SCALE / run.folder, lab.start(run.target)
    script = workflow.script("predict")
    wait_until(lambda: _finished_maps(folder) or not script.is_running(), "a finished map", workflow)
    if script.is_running():
        script.kill()
    workflow.end()
    return _finished_maps(folder)


def _finished_maps(folder: Path) -> dict[str, int]:
    """The maps of a run's predictions that were begun, and when each was written."""
    done = folder.glob(f"*predictions/.*.{UNFINISHED}-*/[!.]*.tif")
    return {path.name: path.stat().st_mtime_ns for path in done}


def slide_at_work(lab: Lab, run: Run) -> str:
    """A prediction of several slides that is killed once the first of them is done."""
    folder = lab.results / SCALE / run.folder / "predictions"
    for name in CALLED:
        clear(lab.results / SCALE / run.folder / name)
    with no_process_left(lab):
        workflow = lab.start(run.target)
        script = workflow.script("predict_slides")
        wait_until(lambda: _finished_slides(folder), "a finished slide", workflow)
        script.suspend()
        before = _finished_slides(folder)
        script.kill()
        workflow.end()
        lab.finish(run.target)
        after = {path.name: path.stat().st_mtime_ns for path in folder.glob(f"*/{AREAS}/*.tsv")}
        _require(before.items() <= after.items(), "a finished slide was predicted again")
        lab.require_same()
    return f"the same command went on after {len(before)} of {len(after)} slides"


def _finished_slides(folder: Path) -> dict[str, int]:
    """The last file of each slide of predictions that were begun, and when it was written."""
    done = folder.glob(f".*/{AREAS}/[!.]*.tsv")
    return {path.name: path.stat().st_mtime_ns for path in done}


def _forget(lab: Lab, run: Run) -> None:
    """Delete the run; what others make of it stays."""
    for name in (CHECKPOINT, *run.made):
        clear(lab.results / SCALE / run.folder / name)


def _fail(lab: Lab, run: Run) -> str:
    """Give the command, which must fail; what it says."""
    workflow, _ = lab.resume(run.target)
    _require(workflow.end() != 0, "the command did not fail")
    return workflow.said


def _checkpoint(lab: Lab, run: Run) -> Path:
    """Kill a training after its first epoch; the checkpoint it leaves."""
    _forget(lab, run)
    workflow = lab.start(run.target)
    script = workflow.script("train")
    path = _wait_for_checkpoint(lab, run, workflow)
    script.suspend()
    _require(path.exists(), "training was too quick to be killed in the middle")
    script.kill()
    workflow.end()
    return path


def _wait_for_checkpoint(lab: Lab, run: Run, workflow: Started) -> Path:
    path = lab.results / SCALE / run.folder / CHECKPOINT
    wait_until(path.exists, "a checkpoint", workflow)
    return path


def _trained_anew(lab: Lab, run: Run, warning: str) -> None:
    """Finish; training must warn, and begin with the first epoch."""
    lab.finish(run.target)
    log = lab.log(*run.log)
    _require(warning in log, f"training did not say that its checkpoint {warning}:\n{log[-2000:]}")
    _require(lab.card(run.folder)["resumed"] == 0, "the checkpoint was resumed")
    lab.require_same()


@contextmanager
def _own_disk(lab: Lab) -> Iterator[Callable[[str], object]]:
    """Have the results lie on a disk of their own; yields what changes its size or mode."""
    results, aside = lab.results, lab.results.with_name("results-aside")
    results.rename(aside)
    results.mkdir()
    options = f"size={256 * MIB},mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", results], check=True)
    try:
        shutil.copytree(aside, results, symlinks=True, dirs_exist_ok=True)
        yield lambda change: subprocess.run(["mount", "-o", f"remount,{change}", results], check=True)
        shutil.rmtree(aside)
        shutil.copytree(results, aside, symlinks=True)
    finally:
        with no_process_left(lab):
            subprocess.run(["umount", "--lazy", results], check=True)
        results.rmdir()
        aside.rename(results)


def _filled(folder: Path) -> int:
    """Bytes that a folder fills on a disk with pages."""
    sizes = (path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    return sum(-(-size // PAGE) * PAGE for size in sizes)


def _times(lab: Lab) -> dict[str, int]:
    """Results and when they were written; what is deleted before each job is not among them."""
    return {
        str(path): path.stat().st_mtime_ns
        for path in lab.results.rglob("*")
        if path.is_file() and "benchmarks" not in path.parts
    }


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise BrokenRecoveryError(otherwise)
