# SPDX-License-Identifier: MIT
"""Measure, print a Markdown table and write results/benchmarks.tsv."""

import argparse
import csv
import importlib
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from benchmarks import design
from benchmarks.harness import METRICS, REPEATS, Case, Measured, measure, ratio, unmeasurable

CASES = (
    "machine",
    "stitching",
    "unet_prediction",
    "dense_ciresan",
    "gpu_prediction",
    "instances",
    "watershed",
    "stain",
    "stain_vectors",
    "cubes",
    "dag",
    "slide_reading",
    "slide_prediction",
    "slide_memory",
    "slide_writer",
    "slide_statistics",
    "mosaic_downsampling",
    "mosaic_prediction",
    "training_memory",
    "training",  # last: it loads torch here, and what is started then has this process's peak memory
)
GROUPS = {"slides": "slide_", "mosaics": "mosaic_"}
"""Name of several cases to what theirs begin with."""
OUTPUT = Path("results/benchmarks.tsv")
FIELDS = ("benchmark", "comparison", "metric", "ours", "peer", "ratio", "target", "met", "error", "repeats")
FIELDS += ("threads", "load", "note")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; exit code 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = ", ".join((*CASES, *GROUPS))
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"out of {known}; none: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--repeats", type=int, default=None, help=f"default {REPEATS}, with --quick 1")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch (default: all)")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    asked = [case for name in options.cases for case in expanded(name)]
    if unknown := set(asked) - set(CASES):
        parser.error(f"unknown case {', '.join(sorted(unknown))}; choose out of {', '.join(CASES)}")
    repeats = options.repeats or (1 if options.quick else REPEATS)
    print(machine(options.threads), "\n")
    lines, everything = [], {}
    for name in with_machine(asked or CASES):
        case = importlib.import_module(f"benchmarks.{name}").CASE
        measured = measure(case, quick=options.quick, threads=options.threads, repeats=repeats)
        found = compare(case, measured, threads=options.threads, quick=options.quick)
        print(markdown(case, measured, found), "\n", flush=True)
        lines += found
        everything[name] = (case, measured)
    if not options.quick:
        print(design.table(everything), "\n")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with options.output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return int(any(line["met"] == "no" for line in lines))


def with_machine(names: Sequence[str]) -> list[str]:
    """The cases, after that of the machine, if any of them has a row in the design.

    Example:
        >>> with_machine(["watershed"]), with_machine(["dag"])
        (['watershed'], ['machine', 'dag'])
    """
    if not any(row.case in names for row in design.ROWS):
        return list(names)
    return ["machine", *(name for name in names if name != "machine")]


def expanded(name: str) -> list[str]:
    """The cases that a name stands for.

    Example:
        >>> expanded("dag"), expanded("slides")[0]
        (['dag'], 'slide_prediction')
    """
    return [case for case in CASES if case.startswith(GROUPS[name])] if name in GROUPS else [name]


def compare(
    case: Case, measured: Mapping[str, Measured], *, threads: int, quick: bool
) -> list[dict[str, str]]:
    """One line for each comparison of a case."""
    lines, said = [], "quick sizes, not judged" if quick else case.note
    for comparison in case.comparisons:
        ours = measured[comparison.ours]
        peer = measured[comparison.peer] if isinstance(comparison.peer, str) else None
        value, target, metric = ratio(comparison, measured), comparison.target, comparison.metric
        amount = comparison.peer if peer is None else 0 if peer.skipped else peer.median(metric)
        judged = value is not None and target is not None and not quick
        lines.append(
            {
                "benchmark": case.name,
                "comparison": comparison.label,
                "metric": metric,
                "ours": "" if ours.skipped else f"{ours.median(metric):.4g}",
                "peer": "" if peer and peer.skipped else f"{amount:.4g}",
                "ratio": "" if value is None else f"{value:.3g}",
                "target": "" if target is None else f"{target:.3g}",
                "met": ("yes" if value >= target else "no") if judged else "",
                "error": "" if ours.skipped else f"{ours.median('error'):.2g}",
                "repeats": str(len(ours.samples)),
                "threads": str(threads),
                "load": "" if ours.skipped else f"{ours.median('load'):.1f}",
                "note": unmeasurable(comparison, measured) or said,
            }
        )
    return lines


def markdown(case: Case, measured: Mapping[str, Measured], lines: Sequence[Mapping[str, str]]) -> str:
    """A table of the variants and one of the comparisons."""
    text = [
        f"### {case.name}: {case.title}",
        "",
        case.note,
        "",
        "| variant | s (range) | s CPU | MB | error |",
    ]
    text += ["|---|---|---|---|---|"]
    for name, found in measured.items():
        if found.skipped:
            text.append(f"| {name} | skipped: {found.skipped} | | | |")
            continue
        low, high = found.range("seconds")
        numbers = (
            f"{found.median('cpu_seconds'):.3g} | {found.median('peak_mb'):.0f} | {found.median('error'):.1g}"
        )
        seconds = found.median("seconds")
        text.append(f"| {name} | {seconds:.3g} ({low:.3g} to {high:.3g}) | {numbers} |")
    text += ["", "| comparison | ratio | target | met |", "|---|---|---|---|"]
    for line in lines:
        ratio_text = line["ratio"] or line["note"] or "not measurable"
        label = f"{line['comparison']} ({METRICS[line['metric']]})"
        text.append(f"| {label} | {ratio_text} | {line['target'] or '-'} | {line['met'] or '-'} |")
    return "\n".join(text)


def machine(threads: int) -> str:
    """One line about where this is measured."""
    versions = f"Python {platform.python_version()}, torch {metadata.version('torch')}"
    processor = platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} CPUs, {threads} threads, {versions}, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
