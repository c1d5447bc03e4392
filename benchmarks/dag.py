# SPDX-License-Identifier: MIT
"""A dry run of more than 10,000 jobs, beside Snakemake's own time for as many jobs of the plainest kind."""

import contextlib
import importlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.harness import Case, Comparison, Prepared
from benchmarks.large_study import CROSS_VALIDATED, PUBLISHED, STUDY, Large, copy_workflow, write_large_study

IMAGES, QUICK_IMAGES = {CROSS_VALIDATED: 600, PUBLISHED: 700}, 50
LIMIT = 20.0
"""Seconds."""
PLAIN = """
rule all:
    input: expand("results/second/{{i}}.txt", i=range({half}))
rule first:
    output: "results/first/{{i}}.txt"
    log: "logs/first/{{i}}.log"
    benchmark: "results/benchmarks/first/{{i}}.tsv"
    params: state="x"
    script: "empty.py"
rule second:
    input: "results/first/{{i}}.txt"
    output: "results/second/{{i}}.txt"
    log: "logs/second/{{i}}.log"
    benchmark: "results/benchmarks/second/{{i}}.tsv"
    params: state="x"
    script: "empty.py"
"""
TOTAL = re.compile(r"^total\s+(\d+)", re.MULTILINE)


def _study(large: Large, quick: bool) -> Prepared:
    folder = tempfile.TemporaryDirectory()
    root = Path(folder.name)
    copy_workflow(root)
    jobs = write_large_study(root, large, images=QUICK_IMAGES if quick else IMAGES[large])
    return _prepared(folder, jobs, "--config", f"studies=[{STUDY}]")


def _plain(quick: bool) -> Prepared:
    folder = tempfile.TemporaryDirectory()
    half = (1000 if quick else 11_490) // 2
    Path(folder.name, "Snakefile").write_text(PLAIN.format(half=half), encoding="utf-8")
    Path(folder.name, "empty.py").write_text("", encoding="utf-8")
    return _prepared(folder, 2 * half + 1)


def _prepared(folder: tempfile.TemporaryDirectory, jobs: int, *options: str) -> Prepared:
    """A dry run; its error is the difference from the number of jobs expected."""
    return Prepared(_dry_run(folder, *options), error=lambda found: abs(found - jobs))


def _dry_run(folder: tempfile.TemporaryDirectory, *options: str) -> Callable[[], int]:
    """A dry run in this process, so that its time is measured; it gives the number of jobs."""

    def run() -> int:
        os.chdir(folder.name)
        sys.argv = ["snakemake", "-n", "-c1", *options]
        printed = io.StringIO()
        quiet = (contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()))
        with quiet[0], quiet[1], contextlib.suppress(SystemExit):
            importlib.import_module("snakemake.cli").main()
        counts = TOTAL.findall(printed.getvalue())
        if not counts:
            msg = f"the dry run failed:\n{printed.getvalue()[-2000:]}"
            raise RuntimeError(msg)
        return int(counts[-1])

    return run


CASE = Case(
    name="dag",
    title="`snakemake -n` of 10,000 jobs and more, one image a job",
    variants={
        "published": partial(_study, PUBLISHED),
        "folds": partial(_study, CROSS_VALIDATED),
        "plain": _plain,
    },
    comparisons=[
        Comparison("10,089 jobs: 700 slides in published parts, 12 trainings", "published", LIMIT, target=1),
        Comparison("11,491 jobs: 600 images in five folds, 40 trainings", "folds", LIMIT, target=1),
        Comparison("these beside as many plain jobs", "folds", "plain", target=None, metric="cpu_seconds"),
    ],
    note="The plain jobs have one input at most; those of the folds have 88,000 between them.",
)
