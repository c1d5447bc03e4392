# SPDX-License-Identifier: MIT
"""Does everything compute on this device what it computes on a CPU, survive a kill, and share its work?"""

import copy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.gpu import tiny
from benchmarks.gpu.checks import Call, Check, run
from microtome import losses, networks
from microtome.config.augment import Augment
from microtome.config.entries import model as options_of
from microtome.config.losses import activation_of
from microtome.devices import repeatable

CPU = torch.device("cpu")
NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "ciresan": ({"maps": 4, "hidden": 8}, (1, 95, 95)),
    "cnn2d": ({"width": 2, "in_channels": 3}, (3, 64, 64)),
    "deeplab": ({"width": 2, "hidden": 4, "dropout": 0.0}, (1, 64, 64)),
    "dsunet": ({"width": 4}, (3, 64, 64)),
    "fcn8s": ({"width": 2, "hidden": 4, "dropout": 0.0}, (1, 64, 64)),
    "hypernet": ({"width": 2}, (16, 32, 32)),
    "mednet": ({"width": 2, "depth": 3, "blocks": 1}, (1, 64, 64)),
    "resunet": ({"width": 4, "blocks": (1, 2, 2)}, (1, 64, 64)),
    "segnet": ({"width": 2}, (1, 64, 64)),
    "spectral1d": ({"width": 4, "hidden": 8}, (16, 32, 32)),
    "unet": ({"width": 4}, (1, 64, 64)),
    "usenet": ({"width": 8, "weights": None}, (3, 64, 64)),
    "vnet": ({"width": 2, "kernel": 3}, (16, 32, 32)),
}
"""Of each network options that make it small, and the shape of an input."""
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "horizontal_flip": {"horizontal_flip": 0.5},
    "vertical_flip": {"vertical_flip": 0.5},
    "rotate90": {"rotate90": 0.5},
    "rotation": {"rotation": 30},
    "scale": {"scale": (0.8, 1.2)},
    "translate": {"translate": 0.2},
    "shear": {"shear": 0.2},
    "elastic_alpha": {"elastic_alpha": 20, "elastic_sigma": 4},
    "blur_sigma": {"blur_sigma": 1.5},
    "low_resolution": {"low_resolution": 0.5},
    "stain": {"stain": 0.1},
    "contrast": {"contrast": 0.2},
    "brightness": {"brightness": 0.2},
    "intensity_shift": {"intensity_shift": 0.1},
    "gamma": {"gamma": 0.3},
    "speckle": {"speckle": 0.2},
    "gaussian_noise": {"gaussian_noise": 0.05},
    "shares": {"gamma": 0.3, "gamma_probability": 0.5, "rotation": 30, "rotation_probability": 0.5},
    "margin": {"rotation": 45, "margin": True, "target_fill": "ignore"},
    "order": {"rotation": 30, "gamma": 0.3, "order": ("gamma", "rotation")},
}
"""One step of augmentation each, steps for a share of the images, and two ways to put steps together."""
TOLERANCE = 2e-3
"""Relative to the largest value: float32 in another order of summation, through batch normalisation."""
EPOCHS, MOST_SECONDS = 20, 180


def all_checks(device: torch.device) -> list[Check]:
    """Every check on a device."""
    found = run("network", ((name, partial(same_network, name, device)) for name in NETWORKS))
    found += run("loss", ((name, partial(same_loss, name, device)) for name in losses.names()))
    found += run("augmentation", ((name, partial(same_epoch, name, device)) for name in AUGMENTATIONS))
    with TemporaryDirectory(prefix="microtome-gpu-") as folder:
        root = Path(folder)
        files = tiny.write(root)
        kills: list[tuple[str, Call]] = [(name, partial(survives, name, root, device)) for name in tiny.RUNS]
        found += run("resume after a kill", kills)
        shared = [(name, partial(shares, name, files, root, device)) for name in ("unet", "lists")]
        found += run("two processes", shared)
    return found


def same_network(name: str, device: torch.device) -> str:
    """Loss and gradients of a network are those of the CPU, and the same twice; bf16 is finite."""
    torch.manual_seed(0)
    options, shape = NETWORKS[name]
    model = networks.build(name, **options)
    inputs = torch.rand(2, *shape)
    expected = _gradients(model, inputs, CPU)
    with repeatable(torch.get_num_threads()), _exact():
        found = [_gradients(model, inputs, device) for _ in range(2)]
    worst = max(_apart(mine, theirs) for mine, theirs in zip(found[0], expected, strict=True))
    _require(worst <= TOLERANCE, f"gradients differ from those of the CPU by {worst:.1g} of the largest")
    same = all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    own = _on(model, device)
    with torch.autocast(device.type, torch.bfloat16), torch.no_grad():
        _require(bool(own(inputs.to(device)).isfinite().all()), "outputs in bf16 are not finite")
    return f"gradients within {worst:.0e}, {'' if same else 'not '}the same twice"


def same_loss(name: str, device: torch.device) -> str:
    """Value and gradient of a loss are those of the CPU, with and without unlabelled pixels."""
    options = options_of("microtome.config.losses", name)(name=name)
    worst = 0.0
    for classes, is_whole in ((3, True), (3, False)):
        loss = losses.build(name)
        logits, target = _example(activation_of(options), classes)
        valid = torch.ones_like(target, dtype=torch.bool)
        valid[..., :5] = is_whole
        expected = _value(loss, logits, target, valid)
        on_device = losses.build(name).to(device)
        found = _value(on_device, *(one.to(device) for one in (logits, target, valid)))
        worst = max([worst, *(_apart(mine, theirs) for mine, theirs in zip(found, expected, strict=True))])
    _require(worst <= TOLERANCE, f"value or gradient differ from those of the CPU by {worst:.1g}")
    return f"within {worst:.0e}"


def same_epoch(name: str, device: torch.device) -> str:
    """An epoch with an augmentation has the loss that it has on the CPU: the same windows, changed alike."""
    augment = Augment(**AUGMENTATIONS[name])
    with repeatable(torch.get_num_threads()), _exact():
        both = [tiny.fitted(augment, place, channels=3).history[-1] for place in (device, CPU)]
    apart = max(abs(1 - both[0][column] / both[1][column]) for column in ("train_loss", "val_loss"))
    _require(apart <= TOLERANCE, f"losses differ from those of the CPU by {apart:.1g}")
    return f"losses within {apart:.0e}"


def survives(name: str, root: Path, device: torch.device) -> str:
    """A training that is killed after a checkpoint ends with the weights of one that is not."""
    undisturbed, killed = (root / f"{name}-{how}" for how in ("undisturbed", "killed"))
    _finish(root, name, undisturbed, device)
    victim = _started(root, name, killed, device)
    while not list(killed.glob("checkpoint*")) and victim.poll() is None:
        time.sleep(0.01)
    is_killed = victim.poll() is None
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    _require(is_killed, "the training ended before its first checkpoint was seen")
    _finish(root, name, killed, device)
    worst = _weights_apart(undisturbed, killed)
    least = 1e-6 if device.type == "cpu" else TOLERANCE
    _require(worst <= least, f"weights differ by {worst:.1g} from those of an undisturbed training")
    return f"weights within {worst:.0e}"


def shares(name: str, files: Any, root: Path, device: torch.device) -> str:
    """Two processes, on the CPU or on a GPU each, have the losses of one."""
    if device.type == "cuda" and torch.cuda.device_count() < 2:
        return "not run: one GPU"
    histories = []
    for processes in (1, 2):
        folder = root / f"{name}-{processes}"
        tiny.train(files, name, folder, device=device.type, processes=processes, epochs=1)
        histories.append(pd.read_csv(folder / "history.tsv", sep="\t")["train_loss"].to_numpy())
    apart = float(abs(1 - histories[1] / histories[0]).max())
    _require(apart <= TOLERANCE, f"losses of two processes differ from those of one by {apart:.1g}")
    return f"losses within {apart:.0e}"


def _finish(root: Path, name: str, folder: Path, device: torch.device) -> None:
    done = _started(root, name, folder, device)
    _, errors = done.communicate(timeout=MOST_SECONDS)
    _require(done.returncode == 0, f"training failed: {errors[-500:]}")


def _started(root: Path, name: str, folder: Path, device: torch.device) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.gpu.victim", str(root), name, str(folder), device.type]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _weights_apart(first: Path, second: Path) -> float:
    found, expected = (load_file(folder / "model.safetensors") for folder in (second, first))
    return max(_apart(found[name].float(), expected[name].float()) for name in expected)


def _gradients(model: nn.Module, inputs: Tensor, device: torch.device) -> list[Tensor]:
    """The loss of a copy of a network, in training mode on a device, and its gradients."""
    own = _on(model, device)
    weight = torch.linspace(-1, 1, 7)
    output = own(inputs.to(device))
    factors = weight.repeat(-(-output.numel() // 7))[: output.numel()].view(output.shape).to(device)
    loss = (output * factors).square().mean()
    loss.backward()
    found = [parameter.grad for parameter in own.parameters() if parameter.grad is not None]
    return [loss.detach().cpu(), *(gradient.cpu() for gradient in found)]


def _on(model: nn.Module, device: torch.device) -> nn.Module:
    """A copy of a network on a device."""
    return copy.deepcopy(model).to(device).train()


def _example(activation: str, classes: int) -> tuple[Tensor, Tensor]:
    """Logits (2, classes, 24, 24) and a target of them, as a loss of that activation takes it."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 24, 24, generator=generator)
    if activation == "sigmoid":
        return logits, torch.randint(0, 2, logits.shape, generator=generator).float()
    return logits, torch.randint(0, classes, (2, 24, 24), generator=generator)


def _value(
    loss: Callable[..., Tensor], logits: Tensor, target: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor]:
    """A loss and its gradient by the logits."""
    logits = logits.detach().requires_grad_()
    value = loss(logits, target, valid)
    value.backward()
    return value.detach().cpu(), logits.grad.cpu()


def _apart(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest value expected."""
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12))


@contextmanager
def _exact() -> Iterator[None]:
    """Without TF32, whose ten bits would hide what else differs."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
