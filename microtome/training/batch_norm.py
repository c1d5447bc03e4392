# SPDX-License-Identifier: MIT
"""Batch normalisation over the windows of all processes that train together, on any device."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from microtome.training.processes import Team


class _Normalize(torch.autograd.Function):
    """(x - mean) / √(var + eps)·weight + bias with statistics of all processes; see `SyncedBatchNorm`."""

    @staticmethod
    def forward(
        context: Any,
        values: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        var: Tensor,
        eps: float,
        count: int,
        team: Team,
    ) -> Tensor:
        invert = torch.rsqrt(var + eps)
        context.save_for_backward(values, weight, mean, invert)
        context.count, context.team = count, team
        scale = _broad(weight * invert, values)
        return ((values - _broad(mean, values)) * scale + _broad(bias, values)).to(values.dtype)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, mean, invert = context.saved_tensors
        wide = gradient.to(mean.dtype)
        normal = (values - _broad(mean, values)) * _broad(invert, values)
        sums = torch.stack([wide.sum(_axes(values)), (wide * normal).sum(_axes(values))])
        means = context.team.total(sums) / context.count
        centred = wide - _broad(means[0], values) - normal * _broad(means[1], values)
        inner = (centred * _broad(weight * invert, values)).to(values.dtype)
        # those of weight and bias are summed with the gradients of all parameters
        return inner, sums[1], sums[0], None, None, None, None, None


class SyncedBatchNorm(nn.Module):
    """`nn.BatchNorm1d`, `2d` or `3d` whose training statistics are those of the whole batch of a team.

    It has the parameters and buffers of the layer it is made of, under the same names. Where every process
    has the whole batch, and in evaluation mode, it computes what that layer does.

    Attributes:
        team: The processes.
    """

    def __init__(self, layer: BatchNorm, team: Team) -> None:
        """Take over a layer's parameters and running statistics.

        Raises:
            ValueError: The layer has no weight and bias, or no running statistics.
        """
        super().__init__()
        if not (layer.affine and layer.track_running_stats):
            found = f"{layer} has no weight or no running statistics"
            msg = f"{found}, which training on several GPUs needs; set gpus to 1 for this network"
            raise ValueError(msg)
        self.weight, self.bias = layer.weight, layer.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(layer, name))
        self.eps, self.momentum, self.team = layer.eps, layer.momentum, team
        self.train(layer.training)

    def forward(self, values: Tensor) -> Tensor:
        """Normalise (N, C, …); same shape and dtype.

        Raises:
            ValueError: The whole batch has only one value per channel.
        """
        if not self.training:
            return self._local(values, share=0.0)
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        if not self.team.counts:
            return self._local(values, share=share)
        mean, var, count = self._statistics(values)
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_((var * (count / (count - 1))).to(self.running_var), share)
        return _Normalize.apply(values, self.weight, self.bias, mean, var, self.eps, count, self.team)

    def _local(self, values: Tensor, *, share: float) -> Tensor:
        """With this process's statistics, or the running ones."""
        learnt = self.running_mean, self.running_var, self.weight, self.bias
        return functional.batch_norm(values, *learnt, self.training, share, self.eps)

    @torch.no_grad()
    def _statistics(self, values: Tensor) -> tuple[Tensor, Tensor, int]:
        """Mean and variance (biased) of each channel in all processes, and how many values they are of."""
        wide = values.to(torch.promote_types(values.dtype, torch.float32))
        var, mean = torch.var_mean(wide, _axes(values), correction=0)
        count = sum(self.team.counts) * values[:1, 0].numel()
        shares = [windows / sum(self.team.counts) for windows in self.team.counts]  # numbers of the host
        parts = self.team.gather(torch.stack([mean, var]))  # (2, channels) of each process
        mean = sum(share * part[0] for share, part in zip(shares, parts, strict=True))
        spread = [part[1] + (part[0] - mean).square() for part in parts]
        return mean, sum(share * one for share, one in zip(shares, spread, strict=True)), count


def synchronize(model: nn.Module, team: Team) -> None:
    """Replace the batch normalisation of a model, in place; nothing happens for a single process.

    Raises:
        ValueError: See `SyncedBatchNorm`.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        >>> names = list(model.state_dict())
        >>> synchronize(model, Team(0, 2))
        >>> type(model[1]).__name__, list(model.state_dict()) == names
        ('SyncedBatchNorm', True)
    """
    if team.size == 1:
        return
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, BatchNorm):
                setattr(parent, name, SyncedBatchNorm(child, team))


def _axes(values: Tensor) -> list[int]:
    """All axes but that of the channels."""
    return [0, *range(2, values.dim())]


def _broad(channels: Tensor, values: Tensor) -> Tensor:
    """(C,) in a form that broadcasts with (N, C, …)."""
    return channels.view(1, -1, *[1] * (values.dim() - 2))
