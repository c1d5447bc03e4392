# SPDX-License-Identifier: MIT
"""What a table of the data says of outlines that are no labels."""

from microtome.provenance import tsv
from microtome.tables.inputs import Inputs

NAME = "left_out.tsv"


def note(inputs: Inputs) -> str:
    """How many outlines are left out and why (`Inputs.files`: ``labels``); empty where there are none."""
    frames = [tsv.read(path) for path in inputs.found("labels", NAME)]
    counts: dict[str, list[int]] = {}
    for frame in frames:
        for reason, number in zip(frame["reason"], frame["outlines"], strict=True):
            counts.setdefault(reason, []).append(int(number))
    told = [f"{sum(c)} ({reason}, in {len(c)} image{'s' * (len(c) > 1)})" for reason, c in counts.items()]
    return f"Outlines that are no labels: {'; '.join(told)}." if told else ""
