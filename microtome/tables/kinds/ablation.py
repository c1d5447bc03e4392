# SPDX-License-Identifier: MIT
"""Ablation of an instance study: settings of each run as check marks, its scores, published ones beside."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from microtome.provenance.runs import RunRecord
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import (
    COUNT,
    DATA,
    LABEL,
    MetricColumn,
    add_published_columns,
    read_columns,
    scores,
)
from microtome.tables.parts.claimed import claimed, told_of_brackets
from microtome.tables.parts.published import note_of, published_table
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs", "names"})
USES = frozenset({"patients"})
COLUMN_OPTIONS = ("columns",)
PUBLISHED_OPTIONS = ("published",)
DEFAULT_COLUMNS: tuple[Mapping[str, Any], ...] = (
    {"metric": "aji", "label": "AJI", "better": "high", "published": "mean_aji"},
)
MARK = "✓"
NOT_RUN = "not run at this scale"
PER_EPOCH = "{}× per epoch"
"""In place of a number of images, where each epoch augments them anew."""
CROPS = "crops"
"""Likewise, where squares of whole images are drawn."""
OUTPUTS = ("mask", "shape_marker", "centre_marker")
KINDS = ("stain", "images", "backbone", "loss", "output")
COMBINED_LOSSES = {"bce_dice": ("bce", "dice"), "dicebce": ("dice", "bce")}
PUBLISHED_OUTPUTS = {"center": "centre_marker", "shape": "shape_marker"}
NOTE = (
    "Mean ± sample sd over the images of part {part}. N: images that training draws from, augmented copies "
    "included; k× per epoch: each image is drawn k times per epoch, augmented anew; crops: squares anywhere "
    "in the images."
)

Settings = Mapping[str, tuple[Any, ...]]
"""Levels of each of `KINDS`."""


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Ablation",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    columns: Sequence[str | Mapping[str, Any]] = DEFAULT_COLUMNS,
    part: str = "test",
    interval: bool = False,
    published: str = "",
    seed: int = 0,
    remark: str = "",
) -> Table:
    """Tabulate settings and scores of runs.

    Args:
        inputs: Run records (settings are read from their cards) and published values.
        title: Caption.
        rows: Runs, as in `microtome.tables.parts.rows.select_rows`; all by default.
        columns: Metrics, as in the kind ``metrics``.
        part: Part of the split that was evaluated.
        interval: Whether to add 95 % bootstrap intervals, as in the kind ``metrics``.
        published: Published table; its values are set beside ours, and its rows without a run are shown as
            not run at this scale, with the published settings (``setting``).
        seed: Seed of the bootstrap.
        remark: What a reader must know of the rows; the last sentences of the note.

    Returns:
        One row per run and per published row without one, in the published order. Columns: a check mark for
        each setting, the metrics, their published values, n, data.

    Raises:
        ValueError: A run, a metric or a published value asked for does not exist.
    """
    printed = published_table(inputs.published, inputs.paper, published)["rows"] if published else {}
    chosen = _ordered(select_rows(inputs.runs, rows), printed)
    metrics = read_columns(columns, inputs)
    settings = _settings(chosen, printed)
    marks = _mark_columns(settings, inputs)
    pairs = zip(chosen, settings, strict=True)
    frame = pd.DataFrame([_row(row, metrics, part, inputs) | _marks(found, marks) for row, found in pairs])
    claims = claimed(frame, chosen, metrics, part, inputs=inputs, interval=interval, seed=seed)
    frame, shown = add_published_columns(claims.frame, inputs, chosen, metrics, published)
    brackets = told_of_brackets(frame, metrics, claims) if interval else ""
    marked = f"Runs marked '{NOT_RUN}' have the published settings."
    not_run = "" if all(row.records for row in chosen) else marked
    said = (NOTE.format(part=part), brackets, claims.note, not_run, remark)
    columns = (LABEL, *marks.values(), *shown, COUNT, *claims.columns, DATA)
    return Table(frame, columns, title, note_of(inputs, *said, published=published), inputs.data_kinds)


def settings_of(record: RunRecord) -> Settings:
    """Read the settings of a run from its card: levels of each of `KINDS`."""
    card = record.card
    stain, loss = card.get("stain"), str(card.get("loss", {}).get("name", ""))
    network = {"name": card["network"]["name"], **card["network"].get("options", {})}
    return {
        "stain": (stain,) if stain else (),
        "images": (_images(card),),
        "backbone": (network.get("encoder") or network["name"],),
        "loss": COMBINED_LOSSES.get(loss, (loss,)),
        "output": tuple(card.get("outputs") or ()),
    }


def _images(card: Mapping[str, Any]) -> int | str:
    """How many images training draws from."""
    sampler, samples = card.get("training", {}).get("sampler", {}), card.get("samples", {})
    if sampler.get("kind") == "crops":
        return CROPS
    if sampler.get("copies") is None:
        return PER_EPOCH.format(sampler.get("repeats", 1))
    parts = ("train", "val") if sampler.get("holdout") else ("train",)
    return sum(samples.get(part, 0) for part in parts) * (sampler["copies"] + 1)


def _published_settings(setting: Mapping[str, Any]) -> Settings:
    norm = setting.get("norm", "none")
    return {
        "stain": () if norm == "none" else (norm,),
        "images": (setting["n"],) if "n" in setting else (),
        "backbone": (setting["backbone"],) if "backbone" in setting else (),
        "loss": tuple(setting.get("loss", ())),
        "output": tuple(PUBLISHED_OUTPUTS.get(name, name) for name in setting.get("out", ())),
    }


def _ordered(rows: Sequence[Row], printed: Mapping[str, Any]) -> list[Row]:
    """Runs in the published order, with a row for each published one that no run stands for; then others."""
    by_key = {_key(row, printed): row for row in rows}
    missing = {key: Row(key, key.replace("_", " ").capitalize(), (), key) for key in printed}
    first = [by_key.get(key, missing[key]) for key in printed]
    return [*first, *(row for row in rows if row not in first)]


def _key(row: Row, printed: Mapping[str, Any]) -> str:
    return row.published if row.published in printed else row.run


def _settings(rows: Sequence[Row], printed: Mapping[str, Any]) -> list[Settings]:
    """Settings of each row; published numbers of images become those that our runs have in their place."""
    published = {key: _published_settings(row.get("setting", {})) for key, row in printed.items()}
    images = {}
    for row in rows:
        key = _key(row, printed)
        if row.records and key in published:
            pair = zip(published[key]["images"], settings_of(row.records[0])["images"], strict=False)
            images |= dict(pair)
    found = []
    for row in rows:
        if row.records:
            found.append(settings_of(row.records[0]))
            continue
        setting = published[row.run]
        found.append({**setting, "images": tuple(images.get(n, n) for n in setting["images"])})
    return found


def _mark_columns(settings: Sequence[Settings], inputs: Inputs) -> dict[tuple[str, Any], Column]:
    """A column for each level that occurs, in a fixed order."""
    orders = {"backbone": inputs.names.get("encoder", ()), "output": OUTPUTS}
    columns = {}
    for kind in KINDS:
        levels = {level for found in settings for level in found[kind]}
        known = [level for level in orders.get(kind, ()) if level in levels]
        for level in (*known, *sorted(levels - set(known), key=lambda item: (isinstance(item, str), item))):
            key = re.sub(r"\W+", "_", f"{kind}_{level}")
            columns[kind, level] = Column(key, _label(kind, level, inputs), kind="mark")
    return columns


def _label(kind: str, level: Any, inputs: Inputs) -> str:
    if kind == "images":
        return f"N = {level:,}" if isinstance(level, int) else f"N: {level}"
    if kind == "backbone":
        return inputs.name_of("encoder", inputs.name_of("network", level))
    return str(level).replace("_", " ") if kind == "output" else inputs.name_of(kind, level)


def _marks(found: Settings, columns: Mapping[tuple[str, Any], Column]) -> dict[str, str]:
    return {column.key: MARK if level in found[kind] else "" for (kind, level), column in columns.items()}


def _row(row: Row, metrics: Sequence[MetricColumn], part: str, inputs: Inputs) -> dict[str, Any]:
    values: dict[str, Any] = {"run": row.run, "label": row.label}
    if not row.records:
        nothing = dict.fromkeys([*(metric.key for metric in metrics), "n"], float("nan"))
        return values | nothing | {"data": NOT_RUN}
    return values | scores(row.records, metrics, part, inputs=inputs) | {"data": row.data}
