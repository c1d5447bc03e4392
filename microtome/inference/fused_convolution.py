# SPDX-License-Identifier: MIT
"""Convolutions that apply the activation behind them while their result is in the registers (CPUs)."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils import parametrize

IMAGE_DIMENSIONS = 4
SLOPE = 1e-30
"""Of a ReLU below 0, lost in rounding. With none, oneDNN makes 0 of what is no number (NaN), and the maps of
a damaged image would look sound."""
ORDERING = ("max", "min", "sort", "topk", "sign", "median", "unique")
"""In the names of functions whose result depends on the order or the sign of values, however small."""
PASSING = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Flatten)
TRACING_FAILS = (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError, KeyError)
"""What `torch.fx` raises for networks that it cannot follow."""


class ConvolutionReLU(nn.Conv2d):
    """A 2-D convolution and the ReLU behind it, for prediction.

    On a CPU, in float32 and without gradient, oneDNN does both in one pass, with the weights in the order in
    memory that it asks for. Everywhere else it is one after the other. What is no number stays so. The
    weights in that order are a copy, which the first call makes, and which is dropped where the weights are
    moved, cast or loaded.

    Attributes:
        packed: The weights in oneDNN's order; None before they are needed.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(convolution.__dict__)
        self.packed: torch.Tensor | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """ReLU of the convolution of (N, C, H, W)."""
        if not self._fits(images):
            return super().forward(images).relu()
        settings = self.padding, self.stride, self.dilation, self.groups
        if self.packed is None:
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(self.weight.detach(), *settings)
        return torch.ops.mkldnn._convolution_pointwise(
            images, self.packed, self.bias, *settings, "leaky_relu", [SLOPE], ""
        )

    def _fits(self, images: torch.Tensor) -> bool:
        """Whether oneDNN does it all at once."""
        plain = images.dtype == self.weight.dtype == torch.float32 and images.ndim == IMAGE_DIMENSIONS
        on_cpu = images.device.type == self.weight.device.type == "cpu"
        exact = not (torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"))
        return plain and on_cpu and exact and torch.backends.mkldnn.enabled

    def _apply(self, function: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> nn.Module:
        self.packed = None
        return super()._apply(function, recurse)

    def _load_from_state_dict(self, *given: Any) -> None:
        self.packed = None
        super()._load_from_state_dict(*given)

    def __getstate__(self) -> dict[str, Any]:
        """Without the packed weights, which cannot be copied."""
        return {**self.__dict__, "packed": None}


def fuse_activations(model: nn.Module) -> None:
    """Have convolutions of a network in evaluation mode apply the ReLU that alone uses their output.

    The network is changed. Pairs are found by tracing; a network that cannot be traced stays as it is, and so
    does a ReLU that is used more than once, or whose maxima something looks for: where a ReLU makes equal
    zeros, the fused one leaves an order of values as small as `SLOPE`. The names of the layers stay; a ReLU
    becomes `nn.Identity`.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 1)).eval()
        >>> fuse_activations(network)
        >>> [type(part).__name__ for part in network]
        ['ConvolutionReLU', 'Identity', 'Conv2d']
    """
    if not torch.backends.mkldnn.is_available():
        return
    try:
        graph = fx.Tracer().trace(model)
    except TRACING_FAILS:
        return
    for convolution, activation in list(_pairs(model, graph)):
        model.set_submodule(convolution, ConvolutionReLU(model.get_submodule(convolution)))
        model.set_submodule(activation, nn.Identity())


def _pairs(model: nn.Module, graph: fx.Graph) -> Iterator[tuple[str, str]]:
    """Names of convolutions and of the ReLU that alone uses their output, with nothing between them."""
    named = dict(model.named_modules())
    calls = Counter(id(named[node.target]) for node in graph.nodes if node.op == "call_module")
    direct = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}

    def layer(node: Any) -> nn.Module | None:
        return named[node.target] if isinstance(node, fx.Node) and node.op == "call_module" else None

    for node in graph.nodes:
        if type(layer(node)) is not nn.ReLU or calls[id(layer(node))] != 1:
            continue
        before = node.args[0]
        while type(layer(before)) is nn.Identity and len(before.users) == 1:
            before = before.args[0]
        convolution = layer(before)
        alone = isinstance(before, fx.Node) and len(before.users) == 1 and calls[id(convolution)] == 1
        if not alone or before.target in direct or any(_orders(user, layer) for user in node.users):
            continue
        if _fusible(convolution) and not _hooked(layer(node)):
            yield before.target, node.target


def _orders(user: fx.Node, layer: Callable[[Any], nn.Module | None]) -> bool:
    """Whether a use of values tells where the largest is, so that the order of tiny ones matters."""
    module = layer(user)
    if isinstance(module, PASSING):
        return any(_orders(after, layer) for after in user.users)
    if module is not None:
        return getattr(module, "return_indices", False)
    name = user.target if isinstance(user.target, str) else getattr(user.target, "__name__", "")
    return any(word in name for word in ORDERING)


def _fusible(layer: nn.Module | None) -> bool:
    """Whether a layer is a plain convolution with zeros around."""
    plain = type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return plain and not _hooked(layer)


def _hooked(layer: nn.Module) -> bool:
    """Whether something else happens where a layer is called."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks or parametrize.is_parametrized(layer))
