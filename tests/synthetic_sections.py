# SPDX-License-Identifier: MIT
"""Writes the run folders of a small made-up study of slides: known labels, calls and areas."""

from pathlib import Path

import numpy as np
import pandas as pd

from microtome.provenance.runs import RunRecord
from microtome.provenance.section_calls import SECTION_COLUMNS, SECTIONS_NAME
from tests.synthetic_study import card, metrics

CALLS = {"class": "tumor", "beta": 1.5, "thresholds": [0.25, 0.5, 0.75], "areas": [0.0, 1280.0, 2560.0]}


def sections(outcomes, *, part="test", units=None, threshold=0.5, least_area=1280.0):
    """Rows of `sections.tsv` from {(sample, section): outcome}; also `failed` and `unlabelled`."""
    rows = []
    for (sample, number), outcome in outcomes.items():
        label = {"t": "tumor", "n": "normal"}["t" if outcome in ("tp", "fn") else "n"]
        call = "tumor" if outcome in ("tp", "fp") else "normal"
        area = 5120.0 if call == "tumor" else 640.0 if outcome == "fn" else 0.0
        row = {"part": part, "sample": sample, "unit": (units or {}).get(sample, sample), "group": ""}
        row |= {"section": number, "label": label, "call": call, "area": area, "greatest": 0.9}
        row |= {"threshold": threshold, "least_area": least_area, "status": "done"}
        if outcome == "unlabelled":
            row |= {"label": "", "status": outcome}
        if outcome == "failed":
            row |= {"label": "", "call": "", "status": outcome}
            row |= dict.fromkeys(("section", "area", "greatest", "threshold", "least_area"), np.nan)
        rows.append(row)
    return pd.DataFrame(rows, columns=list(SECTION_COLUMNS))


def record(folder, run, frame, *, label="", seed=0, **more):
    """A run whose folder holds these sections."""
    folder = Path(folder) / run / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / SECTIONS_NAME, sep="\t", index=False)
    own = card(run, seed=seed, study="bcc", loss="softmax_focal", **more)
    rows = metrics(run, {("a", "all", "section_accuracy"): 1.0}, seed=seed)
    return RunRecord(run, label or run, seed, "published", own, None, rows, folder)


def numbered(tp, fn, fp, tn):
    """So many sections of each outcome, one a slide."""
    names = ["tp"] * tp + ["fn"] * fn + ["fp"] * fp + ["tn"] * tn
    return {(f"s{index}", 1): name for index, name in enumerate(names)}
