# SPDX-License-Identifier: MIT
"""How fast a network trains on a device: bare steps on made-up pixels, measured, or merely counted.

A bare step has its batch on the device already: forward pass, loss, backward pass and optimizer, and nothing
else. What training takes beyond it is waiting.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from microtome import losses, networks
from microtome.config.augment import Augment
from microtome.config.entries import model as model_of
from microtome.config.losses import activation_of
from microtome.config.sampling import Input
from microtome.config.training import Supervision, Training
from microtome.training.optimizers import build_optimizer
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import BinaryTask, Prepared
from microtome.training.trainer import Trainer

WARM_UP = 3
"""Steps before those that are measured: kernels are chosen and memory is taken in them."""
Options = Mapping[str, Any]
Shape = Sequence[int]


@dataclass(frozen=True)
class Work:
    """What a step of a run computes.

    Attributes:
        network: Name and options of the network.
        loss: Name and options of the loss.
        shape: (C, H, W) of one input, as the network takes it.
        training: Batch size, optimizer, precision.
        supervision: Which outputs of the network are trained.
    """

    network: Options
    loss: Options
    shape: tuple[int, int, int]
    training: Training = field(default_factory=Training)
    supervision: Supervision = field(default_factory=Supervision)

    @property
    def batch(self) -> tuple[int, ...]:
        """(N, C, H, W) of the inputs of a step."""
        return (self.training.batch_size, *self.shape)


LARGEST = Work(
    network={"name": "vnet", "kernel": 5, "width": 16, "bands": 16, "classes": 2},
    loss={"name": "cross_entropy"},
    shape=(16, 256, 256),
    training=Training(batch_size=8),
)
"""The step of the network with most weights, and most operations, among the published settings: V-net."""


@dataclass(frozen=True)
class Pace:
    """How fast bare steps are.

    Attributes:
        seconds: Of a step, the mean of several.
        forward: Of these, of the forward pass.
        peak_bytes: Largest memory that tensors took on the device; 0 where it does not tell (CPU).
        precision: Number format of the forward pass.
    """

    seconds: float
    forward: float
    peak_bytes: int
    precision: str


@dataclass(frozen=True)
class Counted:
    """What a step takes by counting.

    Attributes:
        flop: Operations of convolutions and matrix products, forward and backward, two per multiply-add.
        parameters: Weights of the network.
        kept_bytes: What the forward pass keeps for the backward pass, in float32.
    """

    flop: int
    parameters: int
    kept_bytes: int

    @property
    def float32_bytes(self) -> int:
        """Memory of a step in float32: weights, gradients, two moments of each (Adam), and what is kept."""
        return 16 * self.parameters + self.kept_bytes


def measure(work: Work, device: torch.device, *, steps: int = 10) -> Pace:
    """Time bare steps; the random numbers of the process go on from where they were.

    Args:
        work: What a step computes.
        device: Where.
        steps: How many are measured, after `WARM_UP` others.

    Raises:
        torch.OutOfMemoryError: The memory of the device does not suffice.
        ValueError: The options do not fit each other.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        trainer = _trainer(work, device)
        prepared = _prepared(work, trainer)
    fused = device.type == "cuda"
    optimizer = build_optimizer(trainer.model.parameters(), work.training.optimizer, fused=fused)

    def forward() -> Tensor:
        return trainer.loss_on(prepared)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        forward().backward()
        optimizer.step()

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    whole, alone = _timed(step, steps, device), _timed(forward, steps, device)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Pace(whole, min(alone, whole), peak, trainer.precision)


def count(work: Work) -> Counted:
    """Count what a step takes, without computing it or holding its tensors.

    Example:
        >>> from microtome.config.training import Training
        >>> small = {"name": "unet", "width": 8}
        >>> work = Work(small, {"name": "bce"}, (1, 64, 64), Training(batch_size=2))
        >>> found = count(work)
        >>> found.parameters, found.flop > 1e8, found.kept_bytes > 2**20
        (367105, True, True)
    """
    kept: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # views share it
        return tensor

    with torch.device("meta"):
        model = networks.build(**work.network)
        inputs = torch.empty(work.batch)
    flops = FlopCounterMode(display=False, custom_mapping=BACKWARD)
    with flops as counter, saved_tensors_hooks(keep, lambda tensor: tensor):
        found = model.levels(inputs) if work.supervision.levels == "all" else [model(inputs)]
        sum(output.sum() for output in found).backward()
    parameters = networks.parameter_count(model)
    weights = {value.untyped_storage()._cdata for value in model.parameters()}
    saved = sum(storage.nbytes() for key, storage in kept.items() if key not in weights)
    return Counted(counter.get_total_flops(), parameters, saved)


def _backward_flop(
    gradient: Shape, inputs: Shape, weight: Shape, *settings: Any, out_shape: Any, **_: Any
) -> int:
    """Operations of the backward pass of a convolution: those forward, for each gradient that is asked for.

    PyTorch's own count takes each output of a depthwise convolution for a sum over all channels.
    """
    _, _, _, _, is_transposed, _, _, asked = settings
    forward = conv_flop_count(list(inputs), list(weight), list(gradient), transposed=is_transposed)
    return forward * sum(asked[:2])


BACKWARD = {torch.ops.aten.convolution_backward: _backward_flop}
"""How operations are counted otherwise than PyTorch does."""


def _trainer(work: Work, device: torch.device) -> Trainer:
    """The network and the loss on the device, as training has them."""
    with device:
        model = networks.build(**work.network)
    built: nn.Module = losses.build(**work.loss)
    if work.supervision.levels == "all":
        built = LevelLosses(built, model.reductions, work.supervision)
    trainer = Trainer(model, built, BinaryTask(Input(), Augment()), work.training, device)
    trainer.place()
    return trainer


def _prepared(work: Work, trainer: Trainer) -> Prepared:
    """Random inputs, and a random target of their outputs as the loss takes it, all of it labelled."""
    inputs = torch.rand(work.batch, device=trainer.device)
    with torch.no_grad(), trainer.autocast:
        outputs = trainer.model(inputs)
    loss = model_of("microtome.config.losses", work.loss["name"])(**work.loss)
    if activation_of(loss) == "sigmoid":
        target = torch.randint(0, 2, outputs.shape, device=trainer.device).float()
    else:
        places = (len(outputs), *outputs.shape[2:])
        target = torch.randint(0, outputs.shape[1], places, device=trainer.device)
    return Prepared(inputs, target, None)


def _timed(call: Callable[[], object], steps: int, device: torch.device) -> float:
    """Mean seconds of a call, queued one after the other as training does."""
    for _ in range(WARM_UP):
        call()
    _finish(device)
    start = time.perf_counter()
    for _ in range(steps):
        call()
    _finish(device)
    return (time.perf_counter() - start) / steps


def _finish(device: torch.device) -> None:
    """Wait for what is queued on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
