# SPDX-License-Identifier: MIT
"""GPU hours and memory of studies as published: `python -m benchmarks.gpu.hours STUDY …`, before they train.

With a GPU, bare steps of each run are measured on it. Without one their operations are counted, and an A100
is taken to do `RATE` of them a second: an estimate, not a measurement, marked by ≈. So are steps that do not
fit into the memory of the GPU.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.gpu.project import ROOT, STUDIES
from microtome import networks
from microtome.config.load import read_draft
from microtome.config.run import Run
from microtome.config.sampling import learnt_side
from microtome.config.study import Study
from microtome.training.pace import Counted, Work, count, measure

RATE = 40e12
"""Operations per second of an A100 in bf16, an eighth of its peak: assumed."""
BUSY = 0.85
"""Share of the time in which steps are computed, at least; the rest waits for data, validates and saves."""
GIB = 2**30


@dataclass(frozen=True)
class Cost:
    """What the trainings of one run take.

    Attributes:
        run: Its name.
        trainings: Splits times seeds.
        epochs: Of a training, at most.
        steps: Of an epoch.
        work: Of a step.
        counted: What a step takes by counting.
        measured: Seconds of a step; None: by the assumed rate.
    """

    run: str
    trainings: int
    epochs: int
    steps: int
    work: Work
    counted: Counted
    measured: float | None = None

    @property
    def seconds(self) -> float:
        """Of a step."""
        return self.counted.flop / RATE if self.measured is None else self.measured

    @property
    def hours(self) -> float:
        """Of all its trainings, if no epoch is saved by early stopping."""
        return self.trainings * self.epochs * self.steps * self.seconds / BUSY / 3600

    @property
    def gib(self) -> float:
        """Memory of a step in bf16: weights, gradients and moments in float32, what is kept in half."""
        return (16 * self.counted.parameters + self.counted.kept_bytes / 2) / GIB


def costs(name: str, device: torch.device | None = None) -> list[Cost]:
    """What each trained run of a shipped study takes; measured on a device if there is one.

    Raises:
        ValueError: The study is none of those whose windows are known before they are listed.
    """
    if name not in STUDIES:
        known = ", ".join(STUDIES)
        msg = f"study '{name}': its windows are known once they are listed; expected one of {known}"
        raise ValueError(msg)
    study = read_draft(name, "paper", ROOT / "config/studies").study
    known: dict[str, float | None] = {}
    found = []
    for key, run in study.runs.items():
        if not run.is_trained:
            continue
        work = work_of(study, run)
        if repr(work) not in known:
            known[repr(work)] = None if device is None else measured_seconds(work, device)
        trainings = _splits(study, key) * len(run.seeds)
        drawn = run.sampler.per_epoch if run.sampler.kind == "crops" else None
        steps = math.ceil((drawn or STUDIES[name].windows_of(key)) / run.training.batch_size)
        found.append(Cost(key, trainings, run.training.epochs, steps, work, count(work), known[repr(work)]))
    return found


def measured_seconds(work: Work, device: torch.device) -> float | None:
    """Seconds of a bare step; None where it does not fit into the memory of the device."""
    try:
        return measure(work, device).seconds
    except torch.OutOfMemoryError:
        return None


def work_of(study: Study, run: Run) -> Work:
    """The step of a run as published, on random pixels."""
    network = run.network.model_dump()
    if run.network.WINDOWS:
        with torch.device("meta"):
            side = networks.build(**network).window
    else:
        side = round(learnt_side(run.sampler, study.patches.size) * run.input.zoom)
    loss = {key: value for key, value in run.loss.model_dump().items() if value != "inverse_frequency"}
    return Work(network, loss, (run.network.in_channels, side, side), run.training, run.supervision)


def in_hours(hours: float) -> str:
    """Two digits, from ten on whole hours.

    Example:
        >>> in_hours(0.384), in_hours(19.4), in_hours(103.4)
        ('0.38', '19', '103')
    """
    return f"{hours:.2g}" if hours < 10 else f"{hours:.0f}"


def table(found: Sequence[Cost]) -> str:
    """A row for each run, and their sum."""
    most, hours = max(one.gib for one in found), sum(one.hours for one in found)
    lines = [
        "| run | trainings × epochs × steps | batch | TFLOP a step | memory, GiB | s a step | GPU hours |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        batch = " × ".join(map(str, one.work.batch))
        amounts = f"{one.trainings} × {one.epochs} × {one.steps:,} | {batch} | {one.counted.flop / 1e12:.3g}"
        seconds = f"{'≈ ' if one.measured is None else ''}{one.seconds:.2g}"
        lines.append(f"| `{one.run}` | {amounts} | {one.gib:.2g} | {seconds} | {in_hours(one.hours)} |")
    lines.append(f"| all | | | | {most:.2g} | | {in_hours(hours)} |")
    return "\n".join(lines)


def _splits(study: Study, run: str) -> int:
    """How many splits a run is trained on; folds are several."""
    splits = [study.named_splits[name] for name in study.splits_of(run)]
    return sum(split.k if split.kind == "folds" else 1 for split in splits)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each study."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.hours", description=__doc__)
    parser.add_argument("studies", nargs="+", metavar="STUDY", help=f"out of {', '.join(STUDIES)}")
    options = parser.parse_args(arguments)
    device = torch.device("cuda") if torch.cuda.is_available() else None
    how = "no GPU here: operations are counted, at 40 TFLOP/s of an A100 (assumed); "
    how += "a CPU that does 1 TFLOP/s takes forty times as long"
    print(how if device is None else f"measured on {torch.cuda.get_device_name(device)}")
    for name in options.studies:
        if name not in STUDIES:
            print(f"\n{name}: its windows are known once they are listed; no estimate")
            continue
        print(f"\n{name}: {STUDIES[name].stands_for}\n\n{table(costs(name, device))}", flush=True)


if __name__ == "__main__":
    main()
