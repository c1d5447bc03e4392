# SPDX-License-Identifier: MIT
"""What became of the images that a run was applied to: said at the end, every time it is asked for."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from microtome.files import finished_file
from microtome.provenance import tsv
from microtome.report.applied import AppliedPage, build_applied

SUMMARY = "summary.tsv"
DONE, FAILED = "done", "failed"
LISTED = 20
"""Images that a message names."""
COLUMNS = ("class", "metric", "mean", "sd", "n")


def say_applied(options: Mapping[str, Any], folder: Path) -> int:
    """Write to standard output where the results are, and which images failed; their number is returned.

    Beside the folder is written a page, `{folder}.html`; `options` are `title`, `facts`, `warnings`,
    `classes` and `colors` of `report.applied.AppliedPage`.
    """
    table = tsv.read(folder / SUMMARY, names=None)
    page = folder.with_name(f"{folder.name}.html")
    content = AppliedPage(rows=table.to_dict("records"), **options)
    with finished_file(page) as partial:
        partial.write_text(build_applied(content, folder), encoding="utf-8")
    made = [f"{one.name}{'/' * one.is_dir()}" for one in sorted(folder.iterdir()) if one.name[0] != "."]
    done = table[table["status"] != FAILED]
    names = [f"{PurePath(row.image).name} -> {row.sample}" for row in done.itertuples()]
    lines = [f"{len(names)} of {len(table)} images done:", *_listed(names, folder / SUMMARY)]
    _say("\n" + "\n".join(lines) + f"\nThe results are in {folder}: {', '.join(made)}\n")
    _say(f"A page of them: {page}\n\n")
    return _say_failed(table, folder / SUMMARY)


def say_evaluated(folder: Path) -> int:
    """Write the means of the metrics to standard output, where they are, and which images were not measured.

    The number of these is returned.
    """
    means = tsv.read(folder / "summary.tsv")
    shown = means[list(COLUMNS)].to_string(index=False, float_format="%.4f")
    _say(f"\n{shown}\n\nEvery image, and what was compared, is in {folder}\n\n")
    return _say_failed(tsv.read(folder / "images.tsv", names=None), folder / "images.tsv")


def _say_failed(table: pd.DataFrame, path: Path) -> int:
    failed = table[table["status"] == FAILED]
    if not failed.empty:
        count = f"{len(failed)} of {len(table)} image{'s' * (len(table) > 1)} failed"
        named = _listed([f"{row.image}: {row.message}" for row in failed.itertuples()], path)
        advice = "the others are done and kept. Mend or remove these and ask again:"
        _say("\n".join([f"error: {count}; {advice}", *named]) + "\n\n")
    return len(failed)


def _say(text: str) -> None:
    """Write to standard output; what its encoding does not have is escaped."""
    coding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(coding, "backslashreplace").decode(coding))


def _listed(texts: Sequence[str], path: Path) -> list[str]:
    more = [f"and {len(texts) - LISTED} more, see {path}"] if len(texts) > LISTED else []
    return [f"  {text}" for text in [*texts[:LISTED], *more]]
