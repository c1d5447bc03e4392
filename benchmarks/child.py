# SPDX-License-Identifier: MIT
"""One measurement in one process: `python -m benchmarks.child CASE VARIANT THREADS quick|full`."""

import gc
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

PAGE = resource.getpagesize()
MEGABYTE = 1e6
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def resident_bytes() -> int:
    """Memory in use now; where /proc is missing, the peak so far."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * PAGE if statm.exists() else peak_bytes()


def peak_bytes() -> int:
    """Largest memory in use so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT


def timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, CPU seconds and result of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def main(case: str, variant: str, threads: int, *, quick: bool) -> dict[str, float]:
    """Prepare and run a variant; seconds, CPU seconds, memory above that before the run, and error."""
    torch.set_num_threads(threads)
    prepared = importlib.import_module(f"benchmarks.{case}").CASE.variants[variant](quick)
    gc.collect()
    before = resident_bytes()
    wall, cpu, result = timed(prepared.run)
    peak = peak_bytes() - before
    if prepared.warm:
        wall, cpu, result = timed(prepared.run)
    return {
        "seconds": wall * prepared.scale,
        "cpu_seconds": cpu * prepared.scale,
        "peak_mb": peak / MEGABYTE,
        "error": float("nan") if prepared.error is None else prepared.error(result),
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    measured = main(sys.argv[1], sys.argv[2], int(sys.argv[3]), quick=sys.argv[4] == "quick")
    print(json.dumps(measured))
