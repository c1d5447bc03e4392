# SPDX-License-Identifier: MIT
"""The record of one trained run: its card, its training history and its metrics, read from its folder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from microtome.provenance import tsv
from microtome.provenance.cards import CARD_NAME, ENSEMBLE, HISTORY_NAME, METRICS_NAME, has_history, read_card

EXTERNAL = "external"
"""What stands for the network of another tool."""
HISTORY_COLUMNS = ("epoch", "train_loss", "val_loss", "learning_rate", "seconds")
METRICS_COLUMNS = ("study", "split", "run", "seed", "part", "sample", "class", "metric", "value")


@dataclass(frozen=True)
class RunRecord:
    """One trained run (one seed, one split) and what is known about it.

    Attributes:
        run: Name of the run in its study, e.g. ``"unet_bce"``.
        label: Name to print, e.g. ``"U-Net, BCE"``.
        seed: Seed of the run.
        split: Name of the split.
        card: The run's card (``card.json``).
        history: One row per epoch (`HISTORY_COLUMNS`; losses without unit, seconds per epoch), or None
            for ensembles and pixel classifiers, which have no epochs, and where it was not read.
        metrics: Tidy metrics (`METRICS_COLUMNS`), one row per image, class and metric.
        folder: Folder the record was read from.
    """

    run: str
    label: str
    seed: int
    split: str
    card: Mapping[str, Any]
    history: pd.DataFrame | None
    metrics: pd.DataFrame
    folder: Path

    @property
    def data_source(self) -> str:
        """Where the images come from: ``"phantom"``, ``"public"`` or ``"own"``."""
        return str(self.card["data_source"])

    @property
    def is_ensemble(self) -> bool:
        """Whether the run averages other runs instead of being trained."""
        return self.card["network"].get("name") == ENSEMBLE

    @property
    def seconds(self) -> float:
        """Seconds spent on training and validation together."""
        return float(sum(self.card["seconds"].values()))


def load_run(
    folder: str | Path, *, labels: Mapping[str, str] | None = None, with_history: bool = True
) -> RunRecord:
    """Read the record of one run.

    Args:
        folder: Folder with ``card.json``, ``metrics.tsv`` and, unless the run is an ensemble or a
            pixel classifier, ``history.tsv``.
        labels: Name to print by run name; the run's own where none is given.
        with_history: Whether the history is read.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is empty, unreadable, incomplete, or belongs to another run.
    """
    folder = Path(folder)
    card = read_card(folder / CARD_NAME)
    history = read_history(folder / HISTORY_NAME) if with_history and has_history(card) else None
    metrics = read_metrics(folder / METRICS_NAME)
    _check_same_run(card, metrics, folder)
    run, label = card["run"], (labels or {}).get(card["run"], card["run"])
    return RunRecord(run, label, int(card["seed"]), card["split"], card, history, metrics, folder)


def load_runs(
    folders: Iterable[str | Path], *, labels: Mapping[str, str] | None = None, with_history: bool = True
) -> list[RunRecord]:
    """Read several runs, in the order given; see `load_run`.

    Raises:
        ValueError: No folder is given, or two folders hold the same run, split and seed.
    """
    records = [load_run(folder, labels=labels, with_history=with_history) for folder in folders]
    if not records:
        msg = "no run folders were given; name at least one run of the study"
        raise ValueError(msg)
    keys = [(record.run, record.split, record.seed) for record in records]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        msg = f"two folders hold the same (run, split, seed): {repeated}; give each run once"
        raise ValueError(msg)
    return records


def external_records(
    name: str, metrics: pd.DataFrame, folder: Path, *, data_source: str, label: str = ""
) -> list[RunRecord]:
    """What another tool made, as the records of a run that was not trained here: one for each split.

    Args:
        name: Its name.
        metrics: Its rows (`METRICS_COLUMNS`).
        folder: Where they are kept.
        data_source: Where the images come from.
        label: Name to print; empty: its name.
    """
    card = {"run": name, "data_source": data_source, "network": {"name": EXTERNAL}, "scale": "paper"}
    card["seconds"] = {}
    return [
        RunRecord(name, label or name, 0, str(split), card, None, of, folder)
        for split, of in metrics.groupby("split", sort=False)
    ]


def read_history(path: str | Path) -> pd.DataFrame:
    """Read a training history (`HISTORY_COLUMNS`, one row per epoch), sorted by epoch.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It has no row, lacks a column, or names an epoch twice.
    """
    frame = _read_tsv(path, HISTORY_COLUMNS)
    if frame["epoch"].duplicated().any():
        doubles = sorted(frame.loc[frame["epoch"].duplicated(), "epoch"].unique().tolist())
        msg = f"{path} holds epochs {doubles} twice; a resumed training must drop the epochs it repeats"
        raise ValueError(msg)
    return frame.sort_values("epoch", ignore_index=True)


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Read tidy metrics (`METRICS_COLUMNS`, one row per image, class and metric; names are strings).

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It has no row, lacks a column, or gives one value twice.
    """
    frame = _read_tsv(path, METRICS_COLUMNS)
    keys = [column for column in METRICS_COLUMNS if column != "value"]
    doubles = frame.duplicated(keys)
    if doubles.any():
        first = frame.loc[doubles, ["part", "sample", "class", "metric"]].iloc[0].to_dict()
        msg = f"{path} gives {first} twice; evaluate the run again"
        raise ValueError(msg)
    return frame


def _read_tsv(path: str | Path, columns: Iterable[str]) -> pd.DataFrame:
    """Read a table whose name-like columns stay text (a sample called ``01`` is not the number 1)."""
    if not (path := Path(path)).is_file():
        msg = f"{path} does not exist; a run folder holds {CARD_NAME}, {HISTORY_NAME} and {METRICS_NAME}"
        raise FileNotFoundError(msg)
    try:
        frame = tsv.read(path)
    except pd.errors.EmptyDataError as error:
        msg = f"{path} is empty; run its rule again"
        raise ValueError(msg) from error
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        msg = f"{path} lacks the columns {missing}; it holds {list(frame.columns)}, expected {list(columns)}"
        raise ValueError(msg)
    if frame.empty:
        msg = f"{path} has a header and no rows; run its rule again"
        raise ValueError(msg)
    return frame


def _check_same_run(card: Mapping[str, Any], metrics: pd.DataFrame, folder: Path) -> None:
    expected = (str(card["run"]), str(card["split"]), int(card["seed"]))
    found = set(metrics[["run", "split", "seed"]].itertuples(index=False, name=None))
    if found != {expected}:
        of = f"the card is of (run, split, seed) {expected}, {METRICS_NAME} of {sorted(found)}"
        msg = f"{folder}: {of}; evaluate again"
        raise ValueError(msg)
