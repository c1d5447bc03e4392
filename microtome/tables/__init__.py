# SPDX-License-Identifier: MIT
"""Tables of a study: one module per kind, each turning run records into one `Table`.

The name of a kind is the name of its module, which exposes ``tabulate(inputs, *, title, ..., **options) ->
Table``.
"""

from typing import TYPE_CHECKING, Any

from microtome.registry import Kinds

if TYPE_CHECKING:
    from microtome.tables.frame import Table
    from microtome.tables.inputs import Inputs

KINDS = Kinds(f"{__name__}.kinds", function="tabulate", thing="table")
names = KINDS.names
options = KINDS.options


def tabulate(kind: str, inputs: "Inputs", **chosen: Any) -> "Table":
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
    return KINDS.make(kind, inputs, chosen)
