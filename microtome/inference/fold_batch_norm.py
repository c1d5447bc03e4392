# SPDX-License-Identifier: MIT
"""Preparing a trained network for prediction: batch normalisation folded into convolutions, channels last."""

import copy
import logging
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import fx, nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval

from microtome.inference.fused_convolution import TRACING_FAILS, fuse_activations

logger = logging.getLogger(__name__)

FOLDS = {
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
    nn.Conv3d: nn.BatchNorm3d,
    nn.ConvTranspose1d: nn.BatchNorm1d,
    nn.ConvTranspose2d: nn.BatchNorm2d,
    nn.ConvTranspose3d: nn.BatchNorm3d,
}
"""Convolutions and the normalisation that may follow them; subclasses may do more and are left alone."""
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
TOLERANCE, EXACTLY = 1e-5, 1e-9
"""Difference of outputs, in largest outputs, in the precision of a network and in float64."""
IMAGE_DIMENSIONS, VOLUME_DIMENSIONS = 4, 5


def optimize_for_inference(model: nn.Module, *, sample: torch.Tensor | None = None) -> nn.Module:
    """Copy a network into evaluation mode with batch normalisation folded and weights in channels-last order.

    Convolutions whose output goes only to a batch normalisation take over its scale and shift. They are found
    by tracing the network; where it cannot be traced, only neighbours inside `nn.Sequential` are folded.
    Whatever is not recognised stays as it is, and the log says so. The output is the same up to rounding; the
    network keeps its class and its methods. ReLUs behind convolutions are computed with them on CPUs, see
    `microtome.inference.fused_convolution`. Channels last, in 2-D networks, speeds up CPUs and tensor cores.

    Args:
        model: Any network; not changed.
        sample: An input to check the copy with; if it differs by more than 1e-5 of the largest output, and in
            float64 by more than 1e-9 (folding is wrong where a network takes its Sequentials apart), the copy
            is returned unfolded. Where float64 alone agrees, the network itself rounds by as much.

    Returns:
        The copy, for prediction only.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
        >>> [type(part).__name__ for part in optimize_for_inference(network)]
        ['ConvolutionReLU', 'Identity', 'Identity']
    """
    optimized = _folded(model)
    if sample is not None and not (_agrees(model, optimized, sample) or _agrees_exactly(model, sample)):
        logger.warning("folding changes the output of %s; it stays unfolded", type(model).__name__)
        optimized = copy.deepcopy(model).eval()
    _report(optimized)
    dimensions = {parameter.ndim for parameter in optimized.parameters()}
    if IMAGE_DIMENSIONS in dimensions and VOLUME_DIMENSIONS not in dimensions:
        optimized = optimized.to(memory_format=torch.channels_last)
    return optimized


def _folded(model: nn.Module) -> nn.Module:
    optimized = copy.deepcopy(model).eval()
    for convolution, normalisation in _pairs(optimized):
        _fold(optimized, convolution, normalisation)
    fuse_activations(optimized)
    return optimized


def _pairs(model: nn.Module) -> list[tuple[str, str]]:
    """Names of convolutions and of the normalisation that alone uses their output."""
    try:
        graph = fx.Tracer().trace(model)
    except TRACING_FAILS as error:
        logger.info("%s cannot be traced (%s); only nn.Sequential is folded", type(model).__name__, error)
        candidates = list(_sequential_pairs(model))
    else:
        candidates = list(_traced_pairs(model, graph))
    return [pair for pair in candidates if _foldable(*(model.get_submodule(name) for name in pair))]


def _traced_pairs(model: nn.Module, graph: fx.Graph) -> Iterator[tuple[str, str]]:
    """Pairs along the data flow; modules or tensors that are used more than once do not qualify."""
    named = dict(model.named_modules())
    calls = Counter(id(named[node.target]) for node in graph.nodes if node.op == "call_module")
    direct = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    for node in graph.nodes:
        if node.op != "call_module" or not node.args or not isinstance(node.args[0], fx.Node):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) != 1:
            continue
        if before.target in direct or node.target in direct:
            continue
        if all(calls[id(named[target])] == 1 for target in (before.target, node.target)):
            yield before.target, node.target


def _sequential_pairs(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Neighbours in `nn.Sequential` containers; modules that occur more than once do not qualify."""
    owners = Counter(id(part) for parent in model.modules() for part in parent.children())
    for prefix, parent in model.named_modules():
        if type(parent) is not nn.Sequential:
            continue
        for (first, before), (second, after) in pairwise(parent.named_children()):
            if owners[id(before)] == owners[id(after)] == 1:
                yield tuple(f"{prefix}.{name}".lstrip(".") for name in (first, second))


def _foldable(convolution: nn.Module, normalisation: nn.Module) -> bool:
    hooked = any(
        part._forward_hooks or part._forward_pre_hooks or parametrize.is_parametrized(part)
        for part in (convolution, normalisation)
    )
    known = FOLDS.get(type(convolution)) is type(normalisation)
    return known and not hooked and normalisation.running_mean is not None


def _fold(model: nn.Module, convolution: str, normalisation: str) -> None:
    """Replace a convolution by the folded one, and the normalisation by nothing."""
    before, after = model.get_submodule(convolution), model.get_submodule(normalisation)
    folded = fuse_conv_bn_eval(before, after, transpose=isinstance(before, TRANSPOSED))
    model.set_submodule(convolution, folded)
    model.set_submodule(normalisation, nn.Identity())


@torch.inference_mode()
def _agrees(
    model: nn.Module, optimized: nn.Module, sample: torch.Tensor, tolerance: float = TOLERANCE
) -> bool:
    """Whether two networks have the same output but for rounding."""
    expected, found = copy.deepcopy(model).eval()(sample), optimized(sample)
    return bool((expected - found).abs().max() <= tolerance * expected.abs().max())


def _agrees_exactly(model: nn.Module, sample: torch.Tensor) -> bool:
    """Whether a network folded in float64 has the same output; not where it cannot compute in float64."""
    exact = copy.deepcopy(model).double()
    try:
        return _agrees(exact, _folded(exact), sample.double(), EXACTLY)
    except RuntimeError as error:
        logger.info("%s does not compute in float64: %s", type(model).__name__, error)
        return False


def _report(model: nn.Module) -> None:
    kinds = tuple(set(FOLDS.values()))
    left = [name for name, part in model.named_modules() if isinstance(part, kinds)]
    if left:
        logger.info("%d batch normalisations are not folded: %s", len(left), ", ".join(left))
