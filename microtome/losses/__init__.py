# SPDX-License-Identifier: MIT
"""Training losses: one file each, built by name; the folder is the registry.

Every loss is called as `loss(logits, target, valid=None)` and returns a scalar. Without `valid` all entries
are valid; in the softmax family, all whose class is not `IGNORE`.

* Sigmoid family (`bce`, `bce_dice`, `dicebce`, and by default `dice`, `iou`, `tversky`, `focal`): logits
  (N, C, *S), target of the same shape with values 0 and 1, `valid` bool broadcastable to it.
* Softmax family (`cross_entropy`, `softmax_focal`, `ce_dice`, `weighted_cross_entropy`, `lovasz`, `compound`,
  `mdsc_tv`, and with the option `activation: softmax` `dice`, `iou`, `tversky`, `focal`): logits
  (N, K, *S), target (N, *S) with class numbers, `valid` bool (N, *S).

Entries that `valid` excludes have no influence on value or gradient, whatever they hold (NaN included); a
batch without any valid entry has loss 0 and gradient 0. `mdsc_tv` is the exception: its total variation is of
all pixels unless an option says otherwise. Half-precision input is computed in float32.

A loss may have a method `logged() -> dict[str, Tensor]`: what the history of training has beside the loss, of
the last batch, scalars without gradient. They stay where they are, as reading a number waits for the device;
for the same reason no size and no branch of a loss depends on the numbers in a tensor.
"""

from typing import TYPE_CHECKING, Any

from microtome.config.entries import model
from microtome.registry import entry_names, load_entry, search_path

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "names"]
__path__ = search_path(__name__, __path__)


def names() -> tuple[str, ...]:
    """Registry names of all losses, sorted; nothing is imported to find them.

    Example:
        >>> "tversky" in names()
        True
    """
    return entry_names("microtome.config.losses")


def build(name: str, **options: Any) -> "nn.Module":
    """Build a loss by its registry name.

    Args:
        name: one of `names()`.
        **options: its options, the fields of its model in `microtome.config.losses`.

    Returns:
        A module called as `loss(logits, target, valid=None)`, which returns a scalar.

    Raises:
        ValueError: unknown name (the message names the nearest one), or an option or a value that the loss
            does not have.

    Example:
        >>> import torch
        >>> loss = build("dice")
        >>> round(loss(torch.full((1, 1, 8, 8), 20.0), torch.ones(1, 1, 8, 8)).item(), 6)
        0.0
    """
    checked = model("microtome.config.losses", name)(**options)
    return load_entry(__name__, name, kind="loss").build(checked)
