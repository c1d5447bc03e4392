# SPDX-License-Identifier: MIT
"""Sliding-window networks of Ciresan et al. (NIPS 2012, "Deep neural networks segment neuronal membranes").

A network looks at a square window and says which class its central pixel has: valid convolutions, each
followed by an activation and 2×2 max pooling, then two fully connected layers. The code pools before it
activates: both activations grow monotonically, so the result is the same for a quarter of the work.

* `n4`: 95-pixel window, kernels 4, 5, 4, 4 (the thesis' second "Table 2").
* `w65`: 65-pixel window, kernels 5, 5, 5; an approximation, the original's layers are not published.

The thesis names no activation. The default `tanh` is the scaled tanh 1.7159·tanh(2x/3), recalled from the
multi-column paper (doi:10.1109/CVPR.2012.6248110) and not checked there; `relu` is the alternative.

`Ciresan.dense()` evaluates all windows of an image at once, with the same parameters and the same result.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from microtome.config.networks.ciresan import Ciresan as Options
from microtome.networks._blocks import hooked

POOL = 2
TANH_GAIN, TANH_SLOPE = 1.7159, 2.0 / 3.0
"""LeCun's scaling: f(1) ≈ 1 and f(-1) ≈ -1."""

HOST_BUDGET, ACCELERATOR_BUDGET = 2**21, 2**28
"""Activations (elements) that dense evaluation holds in one piece: cache-sized on a CPU, 1 GiB of float32 on
a GPU."""


@dataclass(frozen=True)
class WindowLayout:
    """Window size in pixels and the kernel size of each convolution."""

    window: int
    kernels: tuple[int, ...]


VARIANTS = {"n4": WindowLayout(95, (4, 5, 4, 4)), "w65": WindowLayout(65, (5, 5, 5))}
LAYER_TYPES = {nn.Conv2d: "convolutional", nn.MaxPool2d: "max_pooling", nn.Linear: "fully_connected"}


class ScaledTanh(nn.Module):
    """1.7159·tanh(2x/3)."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Apply the activation to each value; same shape and dtype."""
        return torch.tanh(values * TANH_SLOPE) * TANH_GAIN


ACTIVATIONS = {"tanh": ScaledTanh, "relu": nn.ReLU}


class Ciresan(nn.Module):
    """See the module's text; made by `build`.

    Attributes:
        window: side of the window in pixels; the network classifies the pixel in its centre.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        layout, maps = VARIANTS[options.variant], options.maps
        self.window, self.in_channels = layout.window, options.in_channels
        inputs = [self.in_channels] + [maps] * (len(layout.kernels) - 1)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, maps, kernel) for before, kernel in zip(inputs, layout.kernels, strict=True)
        )
        self.activation = ACTIVATIONS[options.activation]()
        self.pool = nn.MaxPool2d(POOL)
        self.side = layout.window
        for kernel in layout.kernels:
            self.side = (self.side - kernel + 1) // POOL
        self.hidden = nn.Linear(maps * self.side**2, options.hidden)
        self.output = nn.Linear(options.hidden, options.classes)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Classify the central pixel of each window.

        Args:
            windows: (N, in_channels, window, window).

        Returns:
            (N, classes) logits.

        Raises:
            ValueError: windows of another shape.
        """
        expected = (self.in_channels, self.window, self.window)
        if windows.ndim != 4 or tuple(windows.shape[1:]) != expected:
            wanted = f"(N, {', '.join(map(str, expected))})"
            found = f"ciresan takes windows of shape {wanted}, found {tuple(windows.shape)}"
            remedy = "microtome.networks.windows.extract_windows, or use .dense() for a whole image"
            msg = f"{found}. Cut them with {remedy}."
            raise ValueError(msg)
        maps = windows
        for convolution in self.convolutions:
            maps = convolution(maps).contiguous(memory_format=torch.channels_last)
            maps = self.activation(self.pool(maps))
        return self.output(self.activation(self.hidden(maps.flatten(1))))

    def dense(self, *, budget: int | None = None) -> "DenseCiresan":
        """The same network for whole images; parameters are shared, so training either trains both.

        Args:
            budget: activations (elements) evaluated in one piece; None: 2²¹ on a CPU, 2²⁸ elsewhere. Less
                memory when smaller; the result does not depend on it.

        Returns:
            A module mapping mirrored images (N, in_channels, H + window - 1, W + window - 1) to (N, classes,
            H, W).

        Example:
            >>> network = build(Options(maps=2, hidden=3))
            >>> network.dense()(torch.zeros(1, 1, 20 + 94, 31 + 94)).shape
            torch.Size([1, 2, 20, 31])
        """
        return DenseCiresan(self, budget=budget)


class DenseCiresan(nn.Module):
    """All windows of an image in one pass, exactly (max-pooling fragments).

    Windows at even and at odd offsets meet a pooling layer on different grids. So each 2×2 pooling yields
    four fragments, one per offset, each of a quarter of the pixels, and the layers after it run on each of
    them unchanged; the outputs are interleaved at the end (Giusti et al., ICIP 2013,
    doi:10.1109/ICIP.2013.6738831). It does the same arithmetic as dilated convolutions, but with ordinary
    dense kernels, which CPUs run faster; and while the activations exceed the budget, the fragments are taken
    one after the other, which keeps memory small.
    """

    def __init__(self, network: Ciresan, *, budget: int | None = None) -> None:
        super().__init__()
        if budget is not None and budget < 1:
            msg = f"budget={budget} must be at least 1."
            raise ValueError(msg)
        self.network, self.budget = network, budget

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Classify each pixel that has a full window.

        Args:
            images: (N, in_channels, H + window - 1, W + window - 1): images mirrored by window // 2 on each
                side.

        Returns:
            (N, classes, H, W) logits, equal to those of `network` on the window around each pixel.

        Raises:
            ValueError: another number of axes or channels, or an image smaller than one window.
        """
        network = self.network
        margin = network.window - 1
        if images.ndim != 4 or images.shape[1] != network.in_channels or min(images.shape[-2:]) <= margin:
            found = f"Dense evaluation takes (N, {network.in_channels}, H + {margin}, W + {margin}), found"
            msg = f"{found} {tuple(images.shape)}. Mirror it by {network.window // 2} pixels on each side."
            raise ValueError(msg)
        height, width = images.shape[-2] - margin, images.shape[-1] - margin
        missing_rows = self._fragment_input(height) - images.shape[-2]
        missing_columns = self._fragment_input(width) - images.shape[-1]
        images = functional.pad(images, (0, missing_columns, 0, missing_rows))
        return self._evaluate(images, stage=0)[..., :height, :width]

    def _fragment_input(self, size: int) -> int:
        """Smallest input, along one axis, with fragments of equal size that cover `size` outputs."""
        kernels = [convolution.kernel_size[0] for convolution in self.network.convolutions]
        needed = -(-size // POOL ** len(kernels)) + self.network.side - 1
        for kernel in reversed(kernels):
            needed = POOL * needed + kernel
        return needed

    def _evaluate(self, maps: torch.Tensor, stage: int) -> torch.Tensor:
        """Logits of all windows, given the input of convolution number `stage`."""
        network = self.network
        if stage == len(network.convolutions):
            return self._classify(maps)
        maps = network.convolutions[stage](maps).contiguous(memory_format=torch.channels_last)
        fragments = pool_fragments(maps)
        too_large = maps.numel() > self._limit(maps.device)
        del maps
        if too_large:
            outputs = [self._evaluate(network.activation(fragment), stage + 1) for fragment in fragments]
        else:
            batch = network.activation(torch.cat(fragments))
            outputs = list(self._evaluate(batch, stage + 1).chunk(len(fragments)))
        return interleave(outputs)

    def _limit(self, device: torch.device) -> int:
        if self.budget is not None:
            return self.budget
        return HOST_BUDGET if device.type == "cpu" else ACCELERATOR_BUDGET

    def _classify(self, maps: torch.Tensor) -> torch.Tensor:
        """The fully connected layers as convolutions."""
        network = self.network
        kernel = network.hidden.weight.unflatten(1, (-1, network.side, network.side))
        hidden = network.activation(functional.conv2d(maps, kernel, network.hidden.bias))
        return functional.conv2d(hidden, network.output.weight[:, :, None, None], network.output.bias)


def pool_fragments(maps: torch.Tensor) -> list[torch.Tensor]:
    """2×2 max pooling with stride 2, starting at each of the four offsets.

    Args:
        maps: (N, C, H, W), H and W odd, so that all fragments have the same size.

    Returns:
        Fragments (N, C, H // 2, W // 2) from the offsets (0, 0), (0, 1), (1, 0), (1, 1).

    Example:
        >>> [int(fragment) for fragment in pool_fragments(torch.arange(9.0).view(1, 1, 3, 3))]
        [4, 5, 7, 8]
    """
    fragments = []
    for row in range(POOL):
        rows = maps[:, :, row : maps.shape[2] - 1 + row]
        pooled = torch.maximum(rows[:, :, 0::2], rows[:, :, 1::2])
        for column in range(POOL):
            columns = pooled[..., column : maps.shape[3] - 1 + column]
            fragments.append(torch.maximum(columns[..., 0::2], columns[..., 1::2]))
    return fragments


def interleave(fragments: list[torch.Tensor]) -> torch.Tensor:
    """Put four fragments back on the common grid; undoes the order of `pool_fragments`.

    Args:
        fragments: four tensors (N, C, H, W), from the offsets (0, 0), (0, 1), (1, 0), (1, 1).

    Returns:
        (N, C, 2H, 2W).

    Example:
        >>> interleave([torch.full((1, 1, 1, 1), k) for k in (1, 2, 3, 4)]).tolist()
        [[[[1, 2], [3, 4]]]]
    """
    batch, channels, height, width = fragments[0].shape
    stacked = torch.stack(fragments).view(POOL, POOL, batch, channels, height, width)
    return stacked.permute(2, 3, 4, 0, 5, 1).reshape(batch, channels, POOL * height, POOL * width)


def layer_table(model: Ciresan) -> list[dict[str, Any]]:
    """Layers of a built network with the sizes that a window really takes on its way through.

    Args:
        model: network made by `build`.

    Returns:
        One dict per layer with `type`, `maps`, `size` (pixels along one side, 1 after a fully connected
        layer) and `kernel` (None for the input), in order of evaluation.

    Example:
        >>> layer_table(build(Options()))[1]
        {'type': 'convolutional', 'maps': 48, 'size': 92, 'kernel': 4}
    """
    rows = [{"type": "input", "maps": model.in_channels, "size": model.window, "kernel": None}]

    def record(layer: nn.Module, _: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        kernel = getattr(layer, "kernel_size", 1)
        rows.append(
            {
                "type": LAYER_TYPES[type(layer)],
                "maps": output.shape[1],
                "size": output.shape[-1] if output.ndim == 4 else 1,
                "kernel": kernel[0] if isinstance(kernel, tuple) else kernel,
            }
        )

    layers = (layer for layer in model.modules() if type(layer) in LAYER_TYPES)
    with torch.no_grad(), hooked(layers, record):
        model(model.output.weight.new_zeros(1, model.in_channels, model.window, model.window))
    return rows


def build(options: Options) -> Ciresan:
    """Build a sliding-window network.

    Weights are PyTorch's defaults (uniform within ±1/√fan_in); seed `torch` before building to repeat them.
    At the default sizes `n4` has 219,290 parameters and `w65` 270,746.

    Returns:
        The network: windows (N, in_channels, window, window) to (N, classes) logits.

    Example:
        >>> network = build(Options(variant="w65"))
        >>> network(torch.zeros(3, 1, network.window, network.window)).shape
        torch.Size([3, 2])
    """
    return Ciresan(options)
