# SPDX-License-Identifier: MIT
"""Tables of a study: one module per kind, each turning run records into one `Table`.

The name of a kind is the name of its module, which exposes ``tabulate(inputs, *, title, ..., **options) ->
Table``.
"""

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

from microtome.registry import entry_names, load_entry, require_choice

if TYPE_CHECKING:
    from microtome.tables.frame import Table
    from microtome.tables.inputs import TableInputs

SUPPORT = frozenset(
    {"frame", "inputs", "numbers", "published", "rates", "render", "rows", "save", "settings"}
)
"""Modules of this folder that are no kinds."""


def names() -> tuple[str, ...]:
    """List the kinds, sorted; nothing is imported to find them.

    Example:
        >>> "metrics" in names()
        True
    """
    return tuple(name for name in entry_names(__file__) if name not in SUPPORT)


def options(kind: str) -> tuple[str, ...]:
    """List the options that a kind takes.

    Args:
        kind: Name of the kind.

    Returns:
        The names of its keyword options.

    Raises:
        ValueError: The kind is unknown.
    """
    parameters = inspect.signature(_module(kind).tabulate).parameters.values()
    return tuple(item.name for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY)


def tabulate(kind: str, inputs: "TableInputs", **chosen: Any) -> "Table":
    """Make a table of a study.

    Args:
        kind: Name of the kind, one of `names()`.
        inputs: What the table is made of.
        **chosen: Options of the kind; ``title`` is one in every kind.

    Returns:
        The table.

    Raises:
        ValueError: The kind or an option is unknown, or the inputs lack what the table shows.
    """
    known = options(kind)
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        msg = f"a table of kind {kind!r} takes no option {unknown}; it takes {list(known)}"
        raise ValueError(msg)
    return _module(kind).tabulate(inputs, **chosen)


def _module(kind: str) -> ModuleType:
    require_choice("kind", kind, names(), owner="table")
    return load_entry(__name__, __file__, kind, kind="kind of table")
