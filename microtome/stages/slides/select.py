# SPDX-License-Identifier: MIT
"""Choose the epoch of a run, and the thresholds by which it calls sections."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.files import DIGEST, finished_file, sha256_of_file, write_json
from microtome.io.section_boxes import read_table
from microtome.provenance.cards import (
    CARD_NAME,
    KEPT_NAME,
    TRAINED_KEYS,
    WEIGHTS_NAME,
    kept_weights,
    read_card,
    read_json,
)
from microtome.provenance.section_calls import SAME, SELECTION_NAME, find, read_areas
from microtome.slides.calls import Candidate, best, candidates

Options = Mapping[str, Any]

BEST_VALUE, BEST_LOSS = "best_val_", "best_val_loss"
"""What keys of a card on the validation of its epoch begin with, and that of the loss."""
IDENTITY = ("study", "run", "split", "seed")


def select_epoch(
    options: Options, kept: Path, found: Sequence[Path], sections: Sequence[Path], folder: Path
) -> None:
    """Choose among the kept epochs and the grid of thresholds by F_β on the sections of the validation part.

    Sections count that have a label; they are positive if it is the called class.

    Args:
        options: `study`, `run`, `split`, `seed`; `samples`, the names of the validation part; `calls`, as in
            the study.
        kept: Folder of the kept epochs: `kept.json`, `card.json`, `{epoch:04d}.safetensors`.
        found: Batch folders with the areas of each epoch, `{epoch:04d}/{sample}.tsv`.
        sections: Batch folders of the boxes.
        folder: Gets `selection.json`, `model.safetensors` and, last, `card.json`.

    Raises:
        FileNotFoundError: A table is missing.
        ValueError: The labelled sections are of one class, or areas are of other sections or thresholds.
    """
    calls, epochs = options["calls"], {entry["epoch"]: entry for entry in read_json(kept / KEPT_NAME)}
    labelled = _labelled(options["samples"], sections)
    truth = np.array([label == calls["class"] for label in labelled.values()], bool)
    areas = {epoch: _areas(epoch, labelled, found, calls["thresholds"]) for epoch in epochs}
    grid = {"thresholds": calls["thresholds"], "least_areas": calls["areas"]}
    tried = candidates(areas, truth, **grid)
    chosen = best(tried, beta=calls["beta"])
    identity = {key: options[key] for key in IDENTITY}
    write_json(folder / SELECTION_NAME, identity | told(chosen, tried, calls))
    with finished_file(folder / WEIGHTS_NAME) as partial:
        shutil.copyfile(kept / kept_weights(chosen.epoch), partial)
    _write_card(read_card(kept / CARD_NAME, keys=TRAINED_KEYS), epochs[chosen.epoch], folder)


def told(chosen: Candidate, tried: Sequence[Candidate], calls: Options) -> dict[str, Any]:
    """What `selection.json` says of a choice, and of what it was chosen from.

    Example:
        >>> one = Candidate(epoch=2, threshold=0.5, least_area=0.0, tp=3, fp=0, fn=1, tn=4)
        >>> found = told(one, [one], {"class": "tumor", "beta": 1.0, "connectivity": 8})
        >>> found["epoch"], found["sensitivity"], found["candidates"]["rows"]
        (2, 0.75, [[2, 0.5, 0.0, 3, 0, 1, 4]])
    """
    names = [field.name for field in fields(Candidate)]
    rates = {
        "f_beta": float(chosen.f_beta(calls["beta"])),
        "accuracy": (chosen.tp + chosen.tn) / (chosen.tp + chosen.fp + chosen.fn + chosen.tn),
        "sensitivity": float(chosen.sensitivity),
        "specificity": chosen.tn / (chosen.tn + chosen.fp),
    }
    return {
        **{key: calls[key] for key in ("class", "beta", "connectivity")},
        **{name: getattr(chosen, name) for name in names},
        **rates,
        "candidates": {"columns": names, "rows": [list(astuple(one)) for one in tried]},
    }


def _labelled(samples: Sequence[str], sections: Sequence[Path]) -> dict[tuple[str, int], str]:
    """The label of each section that has one, by slide and number."""
    return {
        (sample, box.section): box.label
        for sample in samples
        for box in read_table(find(sections, f"{sample}.tsv"))
        if box.label
    }


def _areas(
    epoch: int, labelled: Mapping[tuple[str, int], str], found: Sequence[Path], thresholds: Sequence[float]
) -> NDArray[np.float64]:
    """Areas (S, T) µm² of the largest regions of sections at an epoch."""
    samples = dict.fromkeys(sample for sample, _ in labelled)
    tables = {sample: find(found, f"{epoch:04d}/{sample}.tsv") for sample in samples}
    by_section = {sample: _by_section(path, thresholds) for sample, path in tables.items()}
    rows = []
    for sample, section in labelled:
        if section not in by_section[sample].index:
            msg = f"{tables[sample]} has no section {section}; predict the slide again"
            raise ValueError(msg)
        rows.append(by_section[sample].loc[section].to_numpy())
    return np.array(rows, np.float64).reshape(len(labelled), len(thresholds))


def _by_section(path: Path, thresholds: Sequence[float]) -> pd.DataFrame:
    """The areas of a slide, a row for each section and a column for each threshold."""
    areas = read_areas(path).pivot_table(index="section", columns="threshold", values="area")
    if areas.shape[1] != len(thresholds) or not np.allclose(areas.columns, thresholds, rtol=0, atol=SAME):
        msg = f"{path} has the thresholds {list(areas.columns)}, expected {list(thresholds)}; predict again"
        raise ValueError(msg)
    return areas


def _write_card(card: Mapping[str, Any], entry: Mapping[str, Any], folder: Path) -> None:
    """The card of the kept epochs, of the chosen one."""
    digest = sha256_of_file(folder / WEIGHTS_NAME)[:DIGEST]
    of_epoch = {
        "best_epoch": entry["epoch"],
        **{key: entry[name] for key, name in _values(card).items() if name in entry},
        "network": card["network"] | entry.get("told", {}),
        "digests": card.get("digests", {}) | {"weights": digest},
    }
    write_json(folder / CARD_NAME, {**card, **of_epoch})


def _values(card: Mapping[str, Any]) -> dict[str, str]:
    """The values of the best epoch that a card holds, and what `kept.json` calls them."""
    return {key: "val_loss" if key == BEST_LOSS else "metric" for key in card if key.startswith(BEST_VALUE)}
