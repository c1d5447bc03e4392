# SPDX-License-Identifier: MIT
"""How alike the parts of each split are: the share of each class in the labelled pixels, by part."""

from collections.abc import Iterator, Mapping

import pandas as pd

from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts import pixels
from microtome.tables.parts.published import note_of

NEEDS = frozenset({"labels"})
USES = frozenset({"patients"})
PARTS = ("train", "val", "test")
MEGA = 1e6
OF_CLASS = "share_"
"""Before the name of a class: its share."""
WHOLE = ",.0f"


def tabulate(inputs: Inputs, *, title: str = "Balance of the splits", within: float | None = None) -> Table:
    """Tabulate the class shares of each part of each split.

    Args:
        inputs: Targets and splits.
        title: Caption.
        within: Difference of training and test that the note compares with, percentage points: what was
            published, or what is wanted; null for none.

    Returns:
        One row per split and part: images, patients, labelled pixels, the share of each class in them (%),
        and ``difference``, the largest difference of a share from that of the part `train`, in points.

    Raises:
        ValueError: There are no targets.
    """
    counts = pixels.by_image(inputs)
    found = pixels.parts_by_split(inputs)
    rows = [row for name, part_of in found.items() for row in _rows(inputs, counts, name, part_of)]
    frame = pd.DataFrame(rows).assign(data=" + ".join(inputs.data_kinds))
    share = {"unit": "%", "format": ".1f", "group": "Share"}
    columns = [
        Column("split", "Split", kind="text"),
        Column("part", "Part", kind="text"),
        Column("images", "Images", format=WHOLE),
        *[Column("units", inputs.unit_name.capitalize(), format=WHOLE)] * (inputs.unit_name != "images"),
        Column("mpx", "Labelled", unit="Mpx", format=",.2f"),
        *(Column(f"{OF_CLASS}{name}", name, **share) for name in inputs.classes),
        Column(
            "difference",
            "Largest difference from training",
            short="From training",
            unit="points",
            format=".2f",
        ),
    ]
    return Table(frame, tuple(columns), title, note_of(inputs, _note(frame, within)), inputs.data_kinds)


def _rows(
    inputs: Inputs, counts: pd.DataFrame, split: str, part_of: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    """The parts of one split, as far as they hold images with labels."""
    learnt = pixels.shares(pixels.of_parts(counts, part_of, PARTS[:1]), inputs.classes)
    for part in PARTS:
        chosen = pixels.of_parts(counts, part_of, (part,))
        if chosen.empty:
            continue
        share = pixels.shares(chosen, inputs.classes)
        away = float("nan") if part == PARTS[0] else float((share - learnt).abs().max())
        units = {inputs.units.get(sample) or sample for sample in chosen.index}
        mpx = float(chosen[list(inputs.classes)].to_numpy().sum()) / MEGA
        row = {"split": split, "part": part, "images": len(chosen), "units": len(units), "mpx": mpx}
        yield row | {f"{OF_CLASS}{name}": share[name] for name in share.index} | {"difference": away}


def _note(frame: pd.DataFrame, within: float | None) -> str:
    """How far training and test are apart at most."""
    tested = frame[frame["part"] == "test"].dropna(subset="difference")
    if tested.empty:
        return "Shares are of the labelled pixels of the images of a part together."
    worst = tested.loc[tested["difference"].idxmax()]
    told = (
        f"Shares are of the labelled pixels of the images of a part together. Shares of training and test "
        f"differ by {worst['difference']:.2f} points at most ({worst['split']})"
    )
    if within is None:
        return f"{told}."
    return f"{told}, {'not more' if worst['difference'] <= within else 'more'} than {within:g}."
