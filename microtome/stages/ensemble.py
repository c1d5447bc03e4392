# SPDX-License-Identifier: MIT
"""Ensembles: runs made of other runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome import environment, images, probability_calibration
from microtome.job import finished_folder, write_json
from microtome.stages.folders import find_sample, read_map

IDENTITY = ("study", "run", "split", "seed", "scale", "data_source")


def average_batch(members: Sequence[Path], folder: Path) -> None:
    """Average the probability maps of several runs.

    Args:
        members: The same batch folder of each run.
        folder: Gets the means.
    """
    with finished_folder(folder) as partial:
        for path in sorted(members[0].glob("*.tif")):
            maps = [read_map(find_sample([member], path.stem)) for member in members]
            images.write(
                partial / path.name, probability_calibration.ensemble(maps), mpp=images.header(path).mpp
            )


def write_card(options: Mapping[str, Any], cards: Sequence[Path], path: Path) -> None:
    """Write the card of an ensemble: its members and the sums of their parameters and times.

    Args:
        options: The rule's options (see `plan.StudyPlan.ensemble`).
        cards: Cards of the members.
        path: `card.json`.
    """
    found = [json.loads(card.read_text(encoding="utf-8")) for card in cards]
    seconds = {part: sum(card["seconds"][part] for card in found) for part in ("train", "validate")}
    parameters = sum(card["network"]["parameters"] for card in found)
    content = {key: options[key] for key in IDENTITY} | {
        "network": {
            "name": "ensemble",
            "members": list(options["members"]),
            "options": {},
            "parameters": parameters,
        },
        "seconds": seconds,
        "digests": {"members": [card["digests"]["weights"] for card in found]},
        "git_commit": environment.git_state(Path.cwd()),
        "versions": environment.versions(),
    }
    write_json(path, content)
