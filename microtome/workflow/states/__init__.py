# SPDX-License-Identifier: MIT
"""The state string of each job: a function of a plan that names the options which make the job stale.

A state names exactly the options a rule uses, so that a change reruns what depends on it and nothing else
(see `provenance.code`).
"""

from collections.abc import Iterable
from typing import Any

from microtome.provenance import code
from microtome.registry import search_path

__path__ = search_path(__name__, __path__)


def state_of(rule: str, options: Any, modules: Iterable[str] = ()) -> str:
    """The state of a rule whose script has the rule's name.

    Args:
        rule: The script's name in `scripts/`, without its ending.
        options: JSON-serialisable options.
        modules: Dotted modules that the script imports by name at run time.
    """
    return code.state(f"scripts/{rule}.py", options, modules=tuple(modules))
