# SPDX-License-Identifier: MIT
"""A made-up study whose table tells what it was made from: two runs, and the mean of both."""

import json
from pathlib import Path

import pandas as pd

from microtome.files import sha256_of_file
from microtome.provenance import code as provenance
from microtome.provenance import environment, record
from microtome.provenance.runs import load_runs
from microtome.tables.frame import Column, Table
from microtome.tables.parts.save import save_table

SCRIPT = "scripts/tabulate.py"
MODULES = ("microtome.tables.kinds.comparison",)
RUNS = ("dice", "iou")


def write_study(folder: Path) -> Path:
    """Write ``folder`` as a study; returns the TSV of its table."""
    for run in (*RUNS, "mean"):
        _write_run(folder, run)
    for name, text in {"samples.tsv": "sample\nx\n", "splits/main.tsv": "sample\tpart\nx\ttest\n"}.items():
        write(folder / name, text)
    write(folder / "targets/test-0/x.tif", "pixels")
    return write_table(folder, (*RUNS, "mean"))


def write_table(folder: Path, runs: tuple[str, ...]) -> Path:
    """Write a table of some runs; returns its TSV."""
    records = load_runs([folder_of(folder, run) for run in runs])
    options = {"kind": "comparison", "modules": MODULES}
    told = [folder_of(folder, "dice") / "card.json"]
    inputs = [*told, *(folder / name for name in ("samples.tsv", "splits/main.tsv", "targets/test-0"))]
    origin = record.record(
        options,
        script=SCRIPT,
        code=provenance.code_digest(SCRIPT, MODULES),
        runs=records,
        inputs=inputs,
        home=folder / "tables",
    )
    frame = pd.DataFrame({"run": list(runs), "value": [0.5] * len(runs)})
    table = Table(frame, (Column("run", "Run", kind="text"), Column("value", "Value")), "A caption")
    return save_table(table, folder / "tables/scores", title="Scores", provenance=origin)["tsv"]


def folder_of(folder: Path, run: str) -> Path:
    return folder / f"runs/main/{run}/seed-0"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_run(folder: Path, run: str) -> None:
    place = folder_of(folder, run)
    row = {"study": "made", "split": "main", "run": run, "seed": 0, "part": "test", "sample": "x"}
    place.mkdir(parents=True)
    pd.DataFrame([row | {"class": "all", "metric": "dice", "value": 0.5}]).to_csv(
        place / "metrics.tsv", sep="\t", index=False
    )
    write(place / "card.json", json.dumps(_card(folder, run)))
    if run in RUNS:
        write(
            place / "history.tsv",
            "epoch\ttrain_loss\tval_loss\tlearning_rate\tseconds\n1\t0.1\t0.1\t0.1\t1\n",
        )


def _card(folder: Path, run: str) -> dict:
    versions = {"versions": environment.versions(), "git_commit": {"commit": "0" * 40, "dirty": True}}
    identity = {"study": "made", "run": run, "split": "main", "seed": 0, "scale": "demo"}
    common = identity | versions | {"data_source": "phantom", "seconds": {"train": 1.0, "validate": 0.0}}
    if run not in RUNS:
        weights = [sha256_of_file(folder_of(folder, member) / "model.safetensors")[:16] for member in RUNS]
        trained = [{"run": member, "seed": 0} for member in RUNS]
        network = {"name": "ensemble", "members": list(RUNS), "trained": trained, "parameters": 2}
        return common | {"network": network, "digests": {"members": weights}}
    weights = folder_of(folder, run) / "model.safetensors"
    write(weights, f"weights of {run}")
    code = provenance.code_digest("scripts/train.py", ("microtome.networks.unet", f"microtome.losses.{run}"))
    return common | {
        "network": {"name": "unet", "options": {}, "parameters": 1},
        "loss": {"name": run},
        "samples": {"train": 2, "val": 1},
        "device": "cpu",
        "started": "2026-03-01T10:00:00+00:00",
        "finished": f"2026-03-01T10:0{len(run)}:00+00:00",
        "digests": {
            "config": "c" * 16,
            "data": "d" * 16,
            "code": code,
            "weights": sha256_of_file(weights)[:16],
        },
    }
