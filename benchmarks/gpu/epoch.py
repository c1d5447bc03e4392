# SPDX-License-Identifier: MIT
"""Some epochs of one training, by the workflow's own code, in a process of its own; and its bare steps.

`python -m benchmarks.gpu.epoch REQUEST.json` prints one line of JSON.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import torch
from pydantic import TypeAdapter

from benchmarks.gpu.project import ROOT, Training
from microtome.config.sampling import Sampler, learnt_side
from microtome.devices import choose_device, repeatable
from microtome.stages import train as stage
from microtome.training.pace import Work, measure
from microtome.training.saving import Timing

EPOCHS = {"cuda": 3, "cpu": 2}
"""Epochs that are trained; the first, in which kernels are chosen and threads start, is not counted."""
BARE_STEPS = {"cuda": 20, "cpu": 2}


@dataclass(frozen=True)
class Epoch:
    """What training a run took.

    Attributes:
        study: Name of the study.
        run: Name of the run.
        steps: Of an epoch.
        seconds: Of an epoch without validation: the median of all but the first.
        bare_seconds: Of as many bare steps.
        forward_seconds: Of their forward passes.
        device_bytes: Largest memory of tensors on the device; 0 where it does not tell.
        host_bytes: Largest memory of the process.
        batch: (N, C, H, W) of a step.
        precision: Of the forward pass.
    """

    study: str
    run: str
    steps: int
    seconds: float
    bare_seconds: float
    forward_seconds: float
    device_bytes: int
    host_bytes: int
    batch: tuple[int, ...]
    precision: str

    @property
    def share(self) -> float:
        """The share of the time in which steps are computed."""
        return self.bare_seconds / self.seconds


def measured(training: Training, folder: Path, *, device: str, threads: int, seconds: float) -> Epoch:
    """Train a run in a child process, in the folder of its project.

    Raises:
        RuntimeError: It failed; the message has the end of what it said.
        subprocess.TimeoutExpired: It took longer than `seconds`.
    """
    request = {
        "options": training.options,
        "files": [list(map(str, paths)) for paths in vars(training.files).values()],
        "names": [training.study, training.run],
        "device": device,
        "threads": threads,
    }
    path = folder / f"{training.run}.json"
    path.write_text(json.dumps(request), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.epoch", path.name],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    if done.returncode:
        msg = f"{training.study}/{training.run} failed:\n{done.stderr[-2000:]}"
        raise RuntimeError(msg)
    found = json.loads(done.stdout.splitlines()[-1])
    return Epoch(**found | {"batch": tuple(found["batch"])})


def trained(request: Mapping[str, Any]) -> Epoch:
    """Train for some epochs, then measure bare steps of the same work."""
    study, run = request["names"]
    options = request["options"]
    options["training"] |= {"epochs": EPOCHS[request["device"]], "patience": None}
    files = stage.TrainingFiles(*(tuple(map(Path, paths)) for paths in request["files"]))
    folder = Path("trained") / run
    folder.mkdir(parents=True, exist_ok=True)
    seen: dict[str, Any] = {}
    settings = {"checkpoint": folder / "checkpoint.safetensors", "device": request["device"]}
    settings["timing"] = Timing.of_job({}, {})
    with mock.patch.object(stage, "fit", _watched(stage.fit, seen)):
        stage.train_run(options, files, folder, **settings, threads=request["threads"])
    name = "history.tsv"
    seconds = pd.read_csv(folder / name, sep="\t")["train_seconds"][1:]
    work = work_of(options, seen["window"] or _side(options, files))
    device = choose_device(request["device"])
    on_gpu = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) if on_gpu else 0
    if on_gpu:
        torch.cuda.empty_cache()
    with repeatable(request["threads"], deterministic=work.training.deterministic):
        bare = measure(work, device, steps=BARE_STEPS[device.type])
    return Epoch(
        study,
        run,
        seen["steps"],
        statistics.median(seconds),
        bare.seconds * seen["steps"],
        bare.forward * seen["steps"],
        peak,
        host_bytes(),
        work.batch,
        bare.precision,
    )


def work_of(options: Mapping[str, Any], side: int) -> Work:
    """The bare step of a training of windows of `side` pixels.

    Weights of classes, which training counts, are left out.
    """
    network = options["network"]
    channels = network.get("bands") or network["in_channels"]
    loss = {key: value for key, value in options["loss"].items() if value != "inverse_frequency"}
    training = stage.Training.model_validate(options["training"])
    supervision = stage.Supervision.model_validate(options.get("supervision", {}))
    return Work(network, loss, (channels, side, side), training, supervision)


def host_bytes() -> int:
    """Largest memory of this process, not counting the one that started it; 0 where it is not told."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _side(options: Mapping[str, Any], files: stage.TrainingFiles) -> int:
    """Pixels of a side of the network's input."""
    size = int(pd.read_parquet(files.patches[0], columns=["size"])["size"].max())
    sampler = TypeAdapter(Sampler).validate_python(options["sampler"])
    return round(learnt_side(sampler, size) * options["input"]["zoom"])


def _watched(fit: Callable[..., Any], seen: dict[str, Any]) -> Callable[..., Any]:
    """`fit`, which tells how many steps an epoch has, and the window of a network of windows."""

    def found(trainer: Any, train: Any, *others: Any, **options: Any) -> Any:
        seen.update(steps=len(train), window=getattr(trainer.model, "window", None))
        return fit(trainer, train, *others, **options)

    return found


if __name__ == "__main__":
    outcome = trained(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps(asdict(outcome)))
