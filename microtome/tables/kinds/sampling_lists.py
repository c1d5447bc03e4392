# SPDX-License-Identifier: MIT
"""Lists of windows before and after re-sampling, and the unbalance of pixels (Table 2 of the BCC paper).

Lists overlap, so their total is no number of windows: the unbalance before is of the different windows, the
one after of those that an epoch draws, on average over epochs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from microtome.config.colors import class_of_interest
from microtome.config.sampling import Lists, WindowList
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts.published import heading, note_of, published_table, remark_of
from microtome.training.patches import FRACTION
from microtome.training.window_lists import WindowLists, bounds_of, factor_of

NEEDS = frozenset({"sampling_lists"})
CLASS_OPTIONS = ("positive",)
PUBLISHED_OPTIONS = ("published",)
TOTAL, DIFFERENT, UNBALANCE = "total", "different windows", "pixel unbalance"
PRINTED_TOTALS = {TOTAL: "total", UNBALANCE: "pixel_unbalance"}
"""What published tables call the rows beside lists."""
SIDES = ("before", "after")


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Windows before and after re-sampling",
    sampler: str = "",
    positive: str = "",
    published: str = "",
    published_rows: Mapping[str, str] | None = None,
) -> Table:
    """Tabulate how many windows each list holds, and how many an epoch draws from it.

    Args:
        inputs: Patch index of the part `train` of the first split, samplers and calls by run, published
            values.
        title: Caption.
        sampler: The run whose lists these are; the first that has some by default.
        positive: Class whose pixels the unbalance compares with those of all others; by default
            the one that the run calls, else the one that the study is about.
        published: Published table with columns ``before`` and ``after``, shown beside.
        published_rows: List name to the row of the published table; by default they are of one name.

    Returns:
        A row for each list, their total, the different windows in them, and the unbalance: pixels of other
        classes for one of the class.

    Raises:
        ValueError: There are no windows, no lists, or the run, class or published table does not exist.
    """
    run, options = _options(inputs, sampler)
    index = _index(inputs)
    chosen = positive or inputs.calls.get(run, {}).get("class") or class_of_interest(inputs.classes)
    lists = WindowLists.collect(index, options)
    frame = pd.DataFrame([*_rows(lists, options), *_sums(lists, index, chosen, inputs.classes)])
    columns = [Column(side, side.capitalize(), format=",.5g") for side in SIDES]
    if published:
        rows = published_table(inputs.published, inputs.paper, published)["rows"]
        names = PRINTED_TOTALS | {name: name for name in options.lists} | dict(published_rows or {})
        found = [rows.get(names.get(name, ""), {}) for name in frame["list"]]
        for side in SIDES:
            frame[f"published_{side}"] = [float(row.get(side, np.nan)) for row in found]
            columns.append(
                Column(f"published_{side}", side.capitalize(), format=",.6g", group=heading(inputs))
            )
    shown = (Column("list", "List", kind="text"), Column("holds", "Holds", kind="text"), *columns)
    told = _told(_whose(inputs, run), options, len(index), chosen)
    note = note_of(inputs, *told, remark_of(inputs, published), published=published)
    return Table(frame.assign(data=" + ".join(inputs.data_kinds)), shown, title, note, inputs.data_kinds)


def _options(inputs: Inputs, sampler: str) -> tuple[str, Lists]:
    if sampler and sampler not in inputs.samplers:
        msg = f"run {sampler!r} has no sampler of kind 'lists'; those that have: {list(inputs.samplers)}"
        raise ValueError(msg)
    run = sampler or next(iter(inputs.samplers))
    return run, Lists.model_validate(inputs.samplers[run])


def _index(inputs: Inputs) -> pd.DataFrame:
    """The windows that are trained on in the first split."""
    parts = inputs.parts()
    frames = [pd.read_parquet(path) for path in inputs.files["patches"]]
    index = pd.concat(frames, ignore_index=True)
    learnt = index[index["sample"].map(parts) == "train"].reset_index(drop=True)
    if learnt.empty:
        msg = "the patch index holds no window of the part train; give some of its samples labels"
        raise ValueError(msg)
    return learnt


def _rows(lists: WindowLists, options: Lists) -> Iterator[dict[str, Any]]:
    for name, one in options.lists.items():
        row = {"list": name, "holds": _holds(one, options)}
        yield row | {"before": lists.sizes[name], "after": lists.per_epoch[name]}
    sums = (sum(lists.sizes.values()), len(lists))
    yield {"list": TOTAL, "holds": "", **dict(zip(SIDES, sums, strict=True))}


def _sums(
    lists: WindowLists, index: pd.DataFrame, positive: str, classes: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The different windows, and the unbalance of their pixels and of those that are drawn."""
    times = lists.expected(len(index))
    seen = (times > 0).astype(float)
    yield {"list": DIFFERENT, "holds": "", "before": int(seen.sum()), "after": np.nan}
    pixels = index["size"].to_numpy(float) ** 2
    shares = index[[f"{FRACTION}{name}" for name in classes]].to_numpy() * pixels[:, None]
    here = list(classes).index(positive)
    found = [weights @ shares for weights in (seen, times)]
    values = [(one.sum() - one[here]) / one[here] if one[here] else np.inf for one in found]
    yield {"list": UNBALANCE, "holds": "", **dict(zip(SIDES, values, strict=True))}


def _holds(one: WindowList, options: Lists) -> str:
    """In words which windows a list holds."""
    least, limit = bounds_of(one, options)
    said = [f"≥ {100 * least:g} %"] * (least > 0) + [f"< {100 * limit:g} %"] * bool(np.isfinite(limit))
    return f"{one.fraction} {' and '.join(said)}" if said else f"{one.fraction}: all"


def _whose(inputs: Inputs, run: str) -> str:
    """Of which run the sampler is, where another one has another."""
    return f" of run {run}" if any(one != inputs.samplers[run] for one in inputs.samplers.values()) else ""


def _told(whose: str, options: Lists, windows: int, positive: str) -> Iterator[str]:
    factor = factor_of(options, windows)
    apart = "share no window with each other where they are of one fraction" * (not options.overlap)
    yield f"The sampler{whose}, of the {windows:,} windows of training; lists {apart or 'may overlap'}."
    yield "What is to be drawn is drawn anew for each epoch, with replacement; the rest is there once."
    yield f"Numbers to draw are {factor:.3g} times those of the study file." if factor != 1 else ""
    yield f"Unbalance: pixels of other classes for one of {positive}, before in the different windows,"
    yield "after in those that an epoch draws on average."
