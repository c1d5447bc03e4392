# SPDX-License-Identifier: MIT
"""One measurement in one process: `python -m benchmarks.child CASE VARIANT THREADS quick|full`."""

import gc
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

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


def main(case: str, variant: str, threads: int, *, quick: bool) -> dict[str, float]:
    """Prepare and run a variant; seconds, CPU seconds, memory above that before the run, and error."""
    torch.set_num_threads(threads)
    prepared = importlib.import_module(f"benchmarks.{case}").CASE.variants[variant](quick)
    gc.collect()
    before = resident_bytes()
    rounds = 2 if prepared.warm else 1
    for attempt in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        result = prepared.run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = peak_bytes() - before if attempt == 0 else peak
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
