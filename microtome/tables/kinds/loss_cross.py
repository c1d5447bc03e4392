# SPDX-License-Identifier: MIT
"""Every model under every loss, so that a column compares models on one scale."""

from collections.abc import Mapping, Sequence

from microtome.tables.frame import Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds import metrics
from microtome.tables.kinds.loss import LOSS_FORMAT, OWN_LOSS

NEEDS = frozenset({"runs", "names"})
USES = frozenset({"patients"})
METRICS = ("loss_{loss}",)
PREFIX = OWN_LOSS.format(loss="")


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Every model under every loss",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    losses: Sequence[str] = (),
    part: str = "test",
    interval: bool = False,
) -> Table:
    """Tabulate runs × losses.

    Args:
        inputs: Run records.
        title: Caption.
        rows: Runs; all by default.
        losses: Names of losses, in order; by default all that every run was evaluated with.
        part: Part of the split that was evaluated.
        interval: Whether to add 95 % bootstrap intervals.

    Returns:
        The table; the lowest value of each column is the best, bold where it is told apart from every other.

    Raises:
        ValueError: No loss was evaluated for all runs, or a run lacks a loss asked for.
    """
    names = list(losses) or _common_losses(inputs, part)
    columns = [
        {
            "metric": PREFIX + name,
            "label": inputs.name_of("loss", name),
            "better": "low",
            "format": LOSS_FORMAT,
        }
        for name in names
    ]
    table = metrics.tabulate(inputs, columns=columns, title=title, rows=rows, part=part, interval=interval)
    note = f"Columns compare models; rows do not compare losses, which are on different scales. {table.note}"
    return Table(table.frame, table.columns, title, note, table.data_kinds)


def _common_losses(inputs: Inputs, part: str) -> list[str]:
    frames = [record.metrics[record.metrics["part"] == part]["metric"] for record in inputs.runs]
    names = [list(dict.fromkeys(name for name in frame if name.startswith(PREFIX))) for frame in frames]
    common = (
        [name.removeprefix(PREFIX) for name in names[0] if all(name in other for other in names)]
        if names
        else []
    )
    if not common:
        msg = f"no loss was evaluated for all runs in part {part!r}; evaluate metrics named {OWN_LOSS!r}"
        raise ValueError(msg)
    return common
