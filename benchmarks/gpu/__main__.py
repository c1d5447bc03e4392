# SPDX-License-Identifier: MIT
"""Check and measure the GPU of this machine, and write docs/gpu.md: `python -m benchmarks.gpu [--dry]`."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.__main__ import compare, markdown
from benchmarks.gpu import epoch, hours, page, project, smoke
from benchmarks.gpu_prediction import CASE, DRY
from benchmarks.harness import measure
from microtome.files import finished_file
from microtome.provenance import environment

PAGE = project.ROOT / "docs/gpu.md"
MOST_SECONDS = 300
"""Of one training, with its bare steps."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do all of it; exit code 1 if a check failed, or the GPU waited more than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="on the CPU, at the sizes of the demo")
    parser.add_argument("--studies", nargs="*", default=[*project.STUDIES], choices=[*project.STUDIES])
    parser.add_argument("--cores", type=int, default=environment.usable_threads())
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    if not options.dry and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device here; `--dry` (make gpu DRY=1) does the same on the CPU")
    start = time.monotonic()
    device = torch.device("cpu" if options.dry else "cuda")
    checks = smoke.all_checks(device)
    rows, failures = benchmark_rows(dry=options.dry)
    epochs, others = trained_epochs(options.studies, device.type, options.cores, dry=options.dry)
    costs = {name: hours.costs(name, None if options.dry else device) for name in options.studies}
    outcome = page.Outcome(
        machine(device),
        datetime.now(UTC).date().isoformat(),
        (environment.git_state() or {"commit": "unknown"})["commit"],
        (time.monotonic() - start) / 60,
        options.dry,
        checks,
        rows,
        epochs,
        [*failures, *others],
        costs,
    )
    with finished_file(options.output) as partial:
        partial.write_text(page.render(outcome), encoding="utf-8")
    print(f"{options.output}: {'all is well' if outcome.is_good else 'something is wrong, see the page'}")
    return int(not outcome.is_good)


def benchmark_rows(*, dry: bool) -> tuple[str, list[str]]:
    """The rows of the benchmarks that need a GPU, and what failed."""
    os.environ.update({DRY: "1"} if dry else {})
    threads = torch.get_num_threads()
    try:
        measured = measure(CASE, quick=dry, threads=threads, repeats=1 if dry else 3)
    except RuntimeError as error:
        return "", [str(error)]
    finally:
        os.environ.pop(DRY, None)
    case = replace(CASE, title="prediction by a U-Net, small, on the CPU") if dry else CASE
    return markdown(case, measured, compare(case, measured, threads=threads, quick=dry)), []


def trained_epochs(
    studies: Sequence[str], device: str, cores: int, *, dry: bool
) -> tuple[list[epoch.Epoch], list[str]]:
    """Epochs of the studies; one that fails stops no other."""
    found, failures = [], []
    for name in studies:
        with TemporaryDirectory(prefix="microtome-gpu-") as text:
            folder = Path(text)
            try:
                for one in project.prepare(folder, name, cores=cores, dry=dry):
                    found.append(
                        epoch.measured(one, folder, device=device, threads=cores, seconds=MOST_SECONDS)
                    )
                    print(found[-1], flush=True)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failures.append(str(error))
                print(error, flush=True)
    return found, failures


def machine(device: torch.device) -> str:
    """The device, its driver and what computes on it."""
    if device.type == "cpu":
        return f"{environment.cpu_model()}, {environment.usable_threads()} threads, torch {torch.__version__}"
    gpus = environment.nvidia_gpus()
    name, driver = torch.cuda.get_device_name(device), gpus[0]["driver"] if gpus else "unknown"
    more = f", {torch.cuda.device_count()} of them" if torch.cuda.device_count() > 1 else ""
    return f"{name}{more}, driver {driver}, torch {torch.__version__}, CUDA {torch.version.cuda}"


if __name__ == "__main__":
    sys.exit(main())
