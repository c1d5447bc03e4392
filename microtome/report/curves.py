# SPDX-License-Identifier: MIT
"""Training curves as small SVG drawings, one per run, all its seeds together."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from microtome.formats import number
from microtome.report.inputs import RunInput
from microtome.report.limits import CURVE_SEEDS

WIDTH, HEIGHT = 300, 170
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 26
TICK_COUNT = 3
LINES = (("train_loss", "train"), ("val_loss", "validation"))


@dataclass(frozen=True)
class Panel:
    """The curves of a run on a split.

    Attributes:
        name: Name of the run (and of the split, if there are several).
        drawing: The SVG.
        seeds: Number of seeds drawn.
        left_out: Number of seeds beyond `limits.CURVE_SEEDS`, not drawn.
    """

    name: str
    drawing: Markup
    seeds: int
    left_out: int


@dataclass(frozen=True)
class Axes:
    """Limits of a drawing: epochs and losses."""

    first: float
    last: float
    low: float
    high: float

    def x(self, epoch: float) -> float:
        """Horizontal place of an epoch, in user units."""
        span = max(self.last - self.first, 1)
        return LEFT + (WIDTH - LEFT - RIGHT) * (epoch - self.first) / span

    def y(self, loss: float) -> float:
        """Vertical place of a loss, in user units."""
        span = (self.high - self.low) or 1.0
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - loss) / span


def draw_panels(runs: Sequence[RunInput]) -> tuple[Panel, ...]:
    """Draw the training curves of a study.

    Args:
        runs: Its runs; those without a history (ensembles, runs not trained) are passed over.

    Returns:
        One panel per run and split, in order of appearance.
    """
    several = len({run.expected.split for run in runs}) > 1
    groups: dict[str, list[RunInput]] = {}
    for run in runs:
        if run.history is not None:
            name = f"{run.expected.name} · {run.expected.split}" if several else run.expected.name
            groups.setdefault(name, []).append(run)
    return tuple(_panel(name, members) for name, members in groups.items())


def _panel(name: str, runs: list[RunInput]) -> Panel:
    drawn = sorted(runs, key=lambda run: run.expected.seed)[:CURVE_SEEDS]
    return Panel(name, draw(name, drawn), len(drawn), len(runs) - len(drawn))


def draw(name: str, runs: Sequence[RunInput]) -> Markup:
    """Draw the losses of some seeds of a run.

    Args:
        name: Name of the run, for the title.
        runs: Its seeds, each with a history.

    Returns:
        An SVG with a title; infinite losses leave a gap, epochs without validation do not.
    """
    axes = _axes(runs)
    lines = [_line(run, column, kind, axes) for run in runs for column, kind in LINES]
    marks = [_best_mark(run, axes) for run in runs]
    title = f"Loss of {name} by epoch, {len(runs)} seed{'s' if len(runs) > 1 else ''}"
    body = Markup().join([_grid(axes), *marks, *lines])
    return Markup(
        '<svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}</svg>'
    ).format(WIDTH, HEIGHT, title, title, body)


def _axes(runs: Sequence[RunInput]) -> Axes:
    """Limits that hold every finite loss."""
    losses = [value for run in runs for column, _ in LINES for value in run.history[column]]
    finite = [value for value in losses if math.isfinite(value)] or [0.0, 1.0]
    epochs = [epoch for run in runs for epoch in run.history["epoch"]]
    return Axes(min(epochs), max(epochs), min(finite), max(finite))


def _line(run: RunInput, column: str, kind: str, axes: Axes) -> Markup:
    """One curve, broken where the loss is infinite."""
    known = run.history.dropna(subset=column)  # epochs that were not validated
    points = zip(known["epoch"], known[column], strict=True)
    pieces = [piece for piece in _runs_of_finite(points) if piece]
    paths = (" ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in piece) for piece in pieces)
    data = " ".join(f"M{path}" for path in paths)
    return Markup('<path class="{}" d="{}"/>').format(kind, data) if data else Markup()


def _runs_of_finite(points: Iterable[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Stretches of finite values."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            pieces[-1].append(point)
        else:
            pieces.append([])
    return pieces


def _best_mark(run: RunInput, axes: Axes) -> Markup:
    """A dot on the validation curve at the best epoch, where the card names one."""
    best = (run.card or {}).get("best_epoch")
    found = run.history.loc[run.history["epoch"] == best, "val_loss"]
    if found.empty or not math.isfinite(found.iloc[0]):
        return Markup()
    return Markup('<circle class="best" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(
        axes.x(best), axes.y(found.iloc[0])
    )


def _grid(axes: Axes) -> Markup:
    """Grid lines and their labels."""
    steps = [step / (TICK_COUNT - 1) for step in range(TICK_COUNT)]
    losses = [axes.low + (axes.high - axes.low) * step for step in steps]
    epochs = dict.fromkeys(round(axes.first + (axes.last - axes.first) * step) for step in steps)
    rows = [_row(axes.y(loss), f"{loss:.3g}") for loss in losses]
    columns = [_column(axes.x(epoch), number(int(epoch))) for epoch in epochs]
    return Markup().join([*rows, *columns])


def _row(y: float, text: str) -> Markup:
    line = Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>')
    label = Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>')
    return line.format(LEFT, WIDTH - RIGHT, y, y) + label.format(LEFT - 5, y + 4, escape(text))


def _column(x: float, text: str) -> Markup:
    label = Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>')
    return label.format(x, HEIGHT - 8, escape(text))
