# SPDX-License-Identifier: MIT
"""Public data sets: where they come from, and how their folders become sample sheets.

A module with a function `discover` describes the folder of one: `discover(folder)` gives its images,
`to_sheet` of these the sample sheet; `write_labels(folder, rows, labels)`, if it has one, first writes
what is not there as image files.
"""

from microtome.registry import entry_names, search_path

__path__ = search_path(__name__, __path__)


def names() -> tuple[str, ...]:
    """The data sets whose folders are known, sorted; nothing is imported to find them.

    Example:
        >>> "isbi2012" in names()
        True
    """
    return entry_names(__name__, defines="discover")
