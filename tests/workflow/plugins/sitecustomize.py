# SPDX-License-Identifier: MIT
"""Looks into the processes that a test starts: forbids imports or writes them down, slows training."""

import atexit
import json
import os
import sys
import time
from importlib.abc import MetaPathFinder
from pathlib import Path

FORBIDDEN = frozenset(os.environ.get("MICROTOME_TEST_FORBIDDEN", "").split()) - {""}
RECORDS = os.environ.get("MICROTOME_TEST_IMPORTS")
EPOCH_SECONDS = float(os.environ.get("MICROTOME_TEST_EPOCH_SECONDS", "0"))
"""Added to each epoch, where its checkpoint is flushed to the disk."""


class ForbiddenImports(MetaPathFinder):
    """Stops the process at a forbidden import, so that no `except ImportError` hides it."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            sys.stderr.write(f"forbidden import: {name}\n")
            sys.stderr.flush()
            os._exit(97)


def record_imports() -> None:
    """Write the job of this process and the modules of the package that it imported."""
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if job is not None and RECORDS:
        modules = sorted(name for name in sys.modules if name.partition(".")[0] == "microtome")
        content = {"rule": job.rule, "wildcards": dict(job.wildcards.items()), "modules": modules}
        content["slurm"] = os.environ.get("SLURM_JOB_ID")
        Path(RECORDS, f"{os.getpid()}.json").write_text(json.dumps(content), encoding="utf-8")


def slow_fsync(descriptor, flush=os.fsync):
    flush(descriptor)
    time.sleep(EPOCH_SECONDS)


if FORBIDDEN:
    sys.meta_path.insert(0, ForbiddenImports())
if RECORDS:
    atexit.register(record_imports)
if EPOCH_SECONDS:
    os.fsync = slow_fsync
