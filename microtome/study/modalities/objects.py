# SPDX-License-Identifier: MIT
"""Objects as targets: a run's outputs learn masks and markers; labels may be outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study


def training(_: Study, run: Run) -> dict[str, Any]:
    """What each output of the network learns."""
    return {"outputs": run.outputs}
