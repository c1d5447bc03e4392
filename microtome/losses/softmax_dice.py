# SPDX-License-Identifier: MIT
"""The soft Dice loss that MED-Net's loss is compared with.

Kose et al., Medical Image Analysis 2021 (doi:10.1016/j.media.2020.101841), Table 5: the first part of the
modified Dice loss, of the classes alone.
"""

from microtome.config.losses.softmax_dice import SoftmaxDice
from microtome.losses._dice_variation import DiceVariationLoss


def build(options: SoftmaxDice) -> DiceVariationLoss:
    """Build the sum over classes of 1 - 2·Σqp / (Σq² + Σp² + ε), and total variation if it has a weight.

    Unlike `dice` it has squared denominators, is a sum over classes and not their mean, and is 1 for a class
    that the batch does not show.

    Example:
        >>> import torch
        >>> loss = build(SoftmaxDice())  # p = ½ of the class that is there: 1 - 2·½ / (1 + ¼)
        >>> round(loss(torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4, dtype=torch.long)).item(), 4)
        1.2
    """
    return DiceVariationLoss(options, complements=False, owner="softmax_dice", dice="dice")
