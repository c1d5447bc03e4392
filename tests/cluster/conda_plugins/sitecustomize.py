# SPDX-License-Identifier: MIT
"""Writes down for each job which Python it ran in and where each module that it imported came from."""

import atexit
import json
import os
import sys
from pathlib import Path

RECORDS = os.environ.get("MICROTOME_TEST_ORIGINS")


def record_origins() -> None:
    """Write the rule of this process, its prefix and the file of every module; nothing outside a job."""
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if job is None:
        return
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    content = {
        "rule": job.rule,
        "wildcards": dict(job.wildcards.items()),
        "prefix": sys.prefix,
        "files": {name: file for name, file in files.items() if file},
    }
    Path(RECORDS, f"{os.getpid()}.json").write_text(json.dumps(content), encoding="utf-8")


if RECORDS:
    atexit.register(record_origins)
