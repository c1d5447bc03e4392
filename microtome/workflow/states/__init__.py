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


def state_of(rule: str, options: Any, modules: Iterable[str] = (), files: Iterable[str] = ()) -> str:
    """The state of a rule whose script has the rule's name; see `provenance.code.state`."""
    return code.state(f"scripts/{rule}.py", options, modules=modules, files=files)
