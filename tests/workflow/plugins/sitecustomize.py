# SPDX-License-Identifier: MIT
"""Looks into the processes that a test starts: forbids imports, or writes down what a job imported."""

import atexit
import json
import os
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

FORBIDDEN = frozenset(os.environ.get("MICROTOME_TEST_FORBIDDEN", "").split()) - {""}
RECORDS = os.environ.get("MICROTOME_TEST_IMPORTS")


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
        Path(RECORDS, f"{os.getpid()}.json").write_text(json.dumps(content), encoding="utf-8")


if FORBIDDEN:
    sys.meta_path.insert(0, ForbiddenImports())
if RECORDS:
    atexit.register(record_imports)
