# SPDX-License-Identifier: MIT
"""The choice of another run, for a run that borrows its weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microtome.files import write_json


def borrow_selection(options: Mapping[str, Any], source: Path, path: Path) -> None:
    """Write the threshold and least area of a trained run as those of a run that borrows its weights.

    Args:
        options: `run`, and `weights_of`, the run that chose.
        source: The `selection.json` of that run.
        path: That of this one.

    Raises:
        OSError: The file cannot be read or written.
    """
    chosen = json.loads(source.read_text(encoding="utf-8"))
    write_json(path, chosen | {"run": options["run"], "weights_of": options["weights_of"]})
