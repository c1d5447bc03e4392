# SPDX-License-Identifier: MIT
"""Modified soft Dice loss and total variation, which MED-Net is trained with.

Kose et al., Medical Image Analysis 2021 (doi:10.1016/j.media.2020.101841), section 2.2.
"""

from microtome.config.losses.mdsc_tv import MDSCTV
from microtome.losses._dice_variation import DiceVariationLoss


def build(options: MDSCTV) -> DiceVariationLoss:
    """Build the modified Dice loss with total variation.

    Of a network with several levels each has this loss by itself.

    Example:
        >>> import torch
        >>> loss = build(MDSCTV(tv_weight=0))  # p = ½: q and its complement are alike
        >>> round(loss(torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4, dtype=torch.long)).item(), 4)
        2.4
    """
    return DiceVariationLoss(options, complements=options.complements, owner="mdsc_tv", dice="mdsc")
