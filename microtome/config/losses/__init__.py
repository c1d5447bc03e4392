# SPDX-License-Identifier: MIT
"""Options of each loss, one file each.

A model's class attributes say what the workflow has to know of the loss: `TARGET`, `sigmoid` (maps of 0 and
1) or `softmax` (class numbers), and `LABEL`, its name in tables and figures, if that is not the entry's. A
loss that has both forms has an option `activation` beside (`config.losses._classes.Activated`).
"""

from typing import Literal

from microtome.config.section import Section
from microtome.registry import search_path

__path__ = search_path(__name__, __path__)


def activation_of(loss: Section) -> Literal["sigmoid", "softmax"]:
    """What makes probabilities of the logits that a loss is trained on."""
    return getattr(loss, "activation", None) or loss.TARGET
