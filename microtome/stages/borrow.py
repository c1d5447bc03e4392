# SPDX-License-Identifier: MIT
"""A run with the weights of another run."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microtome.cards import CARD_NAME, read_card
from microtome.job import finished_file, write_json

COPIED = ("model.safetensors", "history.tsv")


def borrow_weights(options: Mapping[str, Any], source: Path, folder: Path) -> None:
    """Copy weights and history, and write a card that says whose they are.

    Args:
        options: The rule's options (see `plan.StudyPlan.borrow_weights`).
        source: Folder of the trained run.
        folder: Folder of the run that borrows.

    Raises:
        ValueError: The card is damaged.
    """
    for name in COPIED:
        with finished_file(folder / name) as partial:
            shutil.copyfile(source / name, partial)
    card = read_card(source / CARD_NAME)
    own = {key: options[key] for key in ("run", "split", "seed", "view", "weights_of")}
    write_json(folder / CARD_NAME, card | own)
