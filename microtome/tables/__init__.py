# SPDX-License-Identifier: MIT
"""Tables of a study: one module per kind, each turning run records into one `Table`.

The name of a kind is the name of its module, which exposes ``tabulate(inputs, *, title, ..., **options) ->
Table``.
"""

from typing import TYPE_CHECKING, Any

from microtome.config.kinds import make

if TYPE_CHECKING:
    from microtome.tables.frame import Table
    from microtome.tables.inputs import Inputs


def tabulate(kind: str, inputs: "Inputs", **chosen: Any) -> "Table":
    """Make a table of a study.

    Args:
        kind: Name of the kind.
        inputs: What the table is made of.
        **chosen: Options of the kind; ``title`` is one in every kind.

    Raises:
        ValueError: The kind or an option is unknown, or the inputs lack what the table shows.
    """
    return make("tables", kind, inputs, chosen)
