# SPDX-License-Identifier: MIT
"""Weights averaged over the steps of a training: an exponential moving average.

After step t each value becomes d·average + (1 - d)·value, d = min(decay, (1 + t) / (10 + t)): so the average
follows at first, and a short training is not left with its start (the warm-up of TensorFlow's
`ExponentialMovingAverage`). Running statistics of batch normalisation are averaged like the weights that they
belong to; counters are taken over. Averages are kept in the precision of the weights.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

WARM_UP = 10


def decay_at(step: int, decay: float) -> float:
    """How much of the average a step leaves.

    Args:
        step: From 1.
        decay: What it grows to.

    Example:
        >>> [round(decay_at(step, 0.999), 3) for step in (1, 10, 100, 10_000)]
        [0.182, 0.55, 0.918, 0.999]
    """
    return min(decay, (1 + step) / (WARM_UP + step))


class AveragedWeights:
    """The moving average of a model's state, whose tensors must stay the same ones.

    Attributes:
        steps: How many steps are in it.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.fill_(1.0)
        >>> averaged = AveragedWeights(model, decay=0.5)
        >>> _ = model.weight.data.fill_(2.0)
        >>> averaged.update()  # 2/11 of 1, and the rest of 2
        >>> round(averaged.state["weight"].item(), 4)
        1.8182
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self._model, self._decay, self.steps = model, decay, 0
        current = model.state_dict()
        self._average = {name: value.detach().clone() for name, value in current.items()}
        moving = [name for name, value in current.items() if value.is_floating_point()]
        self._moving = [[state[name] for name in moving] for state in (self._average, current)]
        self._counters = [(self._average[name], current[name]) for name in current.keys() - set(moving)]

    @property
    def state(self) -> dict[str, Tensor]:
        """The averages by the names of the model's state; they change with the next step."""
        return dict(self._average)

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's state after a step into the average; no number is read from the device."""
        self.steps += 1
        torch._foreach_lerp_(*self._moving, 1 - decay_at(self.steps, self._decay))
        for average, value in self._counters:
            average.copy_(value)

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on from an average, as `state` and `steps` had it."""
        self.steps = steps
        for name, value in self._average.items():
            value.copy_(state[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have the model hold the averages while a block runs, and afterwards what it had, bit by bit."""
        trained = {name: value.detach().clone() for name, value in self._model.state_dict().items()}
        _fill(self._model, self._average)
        try:
            yield
        finally:
            _fill(self._model, trained)


@torch.no_grad()
def _fill(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    for name, value in model.state_dict().items():
        value.copy_(state[name])
