# SPDX-License-Identifier: MIT
"""Reading the runs of a study, however far they got."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from microtome.provenance.cards import CARD_NAME, TUNED_NAME, has_history, read_card, read_json
from microtome.provenance.runs import HISTORY_NAME, METRICS_NAME, read_history, read_metrics
from microtome.provenance.section_calls import SECTIONS_NAME, SELECTION_NAME
from microtome.report.inputs import STATUS_ORDER, ExpectedRun, RunInput
from microtome.report.products import links_to

Content = TypeVar("Content")
LINKED = (CARD_NAME, HISTORY_NAME, METRICS_NAME, SECTIONS_NAME, SELECTION_NAME, TUNED_NAME)
"""Files of a run that the page links, where it has them."""


def read_runs(folder: Path, expected: Sequence[ExpectedRun], *, root: Path) -> tuple[RunInput, ...]:
    """Read the runs a study asks for: missing ones first, then incomplete ones, then the others, in order."""
    runs = [read_run(folder, run, root=root) for run in expected]
    return tuple(sorted(runs, key=lambda run: STATUS_ORDER.index(run.status)))


def read_run(folder: Path, expected: ExpectedRun, *, root: Path) -> RunInput:
    """Read one run of a study's folder; what is missing or wrong becomes a problem with its reason."""
    place = folder / expected.folder
    card, no_card = _try(read_card, place / CARD_NAME)
    if card is None:
        return RunInput(expected, problems=(_why_no_card(place, no_card),))
    no_history = _try(read_history, place / HISTORY_NAME)[1] if has_history(card) else ""
    metrics, no_metrics = _try(read_metrics, place / METRICS_NAME)
    tuned, no_tuned = _try(read_json, place / TUNED_NAME) if (place / TUNED_NAME).is_file() else (None, "")
    problems = (*_diverged(card), *filter(None, (no_history, no_metrics, no_tuned)))
    names = {name: place / name for name in LINKED}
    told = card if tuned is None else card | {"tuned": tuned}
    return RunInput(expected, told, metrics, links_to(names, root=root), problems)


def unexpected_runs(folder: Path, runs: Sequence[RunInput]) -> tuple[str, ...]:
    """List the folders of runs that the study does not ask for (left from an older study file).

    Seeds that were trained for an ensemble alone are asked for too.
    """
    known = {run.expected.folder for run in runs}
    for run in runs:
        network = (run.card or {}).get("network") or {}
        place = Path(run.expected.folder).parent.parent
        known |= {
            (place / one["run"] / f"seed-{one['seed']}").as_posix() for one in network.get("trained") or ()
        }
    there = sorted(
        card.parent.relative_to(folder).as_posix() for card in folder.glob(f"runs/*/*/*/{CARD_NAME}")
    )
    return tuple(name for name in there if name not in known)


def flatten(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """List the entries of a nested mapping: dotted key (after `prefix`) and value as text, in order.

    Example:
        >>> flatten({"loss": {"name": "bce", "weights": [1, 2]}, "seed": 0})
        [('loss.name', 'bce'), ('loss.weights', '1, 2'), ('seed', '0')]
    """
    entries: list[tuple[str, str]] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            entries += flatten(value, f"{name}.")
        else:
            entries.append((name, _as_text(value)))
    return entries


def _as_text(value: Any) -> str:
    if value is None or value in ({}, []):
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _try(read: Callable[[Path], Content], path: Path) -> tuple[Content | None, str]:
    """Read a file; None and the reason if that fails."""
    try:
        return read(path), ""
    except FileNotFoundError:
        return None, f"{path.name} does not exist"
    except (OSError, ValueError) as error:
        return None, str(error).replace(str(path), path.name)


def _why_no_card(place: Path, reason: str) -> str:
    """Say how far a run without a card got."""
    if not place.is_dir():
        return "not trained: its folder does not exist; see the log of its training"
    names = sorted(path.name for path in place.iterdir())
    return f"not finished: {reason}; the folder holds {', '.join(names) or 'nothing'}"


def _diverged(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Say if the best validation loss is not a number."""
    loss = card.get("best_val_loss")
    if isinstance(loss, int | float) and not math.isfinite(loss):
        return (f"diverged: its best validation loss is {loss}; lower the learning rate",)
    return ()
