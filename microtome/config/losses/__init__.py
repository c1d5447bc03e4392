# SPDX-License-Identifier: MIT
"""Options of each loss, one file each.

A model's class attributes say what the workflow has to know of the loss: `TARGET`, `sigmoid` (maps of 0 and
1) or `softmax` (class numbers), and `LABEL`, its name in tables and figures, if that is not the entry's.
"""

from microtome.registry import search_path

__path__ = search_path(__name__, __path__)
