# SPDX-License-Identifier: MIT
"""Losses of a batch whose network is shared by two processes, or that one process has whole."""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from microtome import losses
from microtome.config.training import Supervision, Training
from microtome.training.launch import serve
from microtome.training.loop import Trainer
from microtome.training.processes import SOLO, joined
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import Prepared

MODULE = "tests.losses.shared_batches"
CLASSES, WINDOWS, SIDE = 4, 5, 8
REDUCTIONS = (4, 2, 1)
CASES = {
    "published": {"name": "mdsc_tv"},
    "variation": {"name": "mdsc_tv", "tv_weight": 1e-3},
    "by windows": {"name": "mdsc_tv", "tv_weight": 1e-4, "tv": "windows"},
    "labelled neighbours": {"name": "mdsc_tv", "tv_weight": 1e-3, "tv_pixels": "labelled"},
    "dice": {"name": "softmax_dice"},
    "dice and variation": {"name": "softmax_dice", "tv_weight": 1e-3},
    "levels": {"name": "mdsc_tv", "tv_weight": 1e-3},
}


class Pyramid(nn.Module):
    """Logits at three resolutions, of logits."""

    reductions = REDUCTIONS

    def levels(self, logits):
        """Means of squares."""
        return [functional.avg_pool2d(logits, side) if side > 1 else logits for side in self.reductions]


def batch(windows=WINDOWS):
    """Logits (N, K, 8, 8), class numbers with 255 where nothing is labelled, and where something is."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(windows, CLASSES, SIDE, SIDE, generator=generator)
    valid = torch.rand(windows, SIDE, SIDE, generator=generator) < 0.6
    classes = torch.randint(0, CLASSES - 1, (windows, SIDE, SIDE), generator=generator)
    return logits, torch.where(valid, classes, 255), valid


def computed(case, team=SOLO, windows=WINDOWS):
    """Value, terms, and gradient with respect to all logits, as training computes them."""
    loss, model = losses.build(**CASES[case]), nn.Identity()
    if case == "levels":
        model, loss = Pyramid(), LevelLosses(loss, REDUCTIONS, Supervision(levels="all"))
    logits, target, valid = batch(windows)
    settings = Training(channels_last=False, precision="fp32")
    trainer = Trainer(model, loss, None, settings, torch.device("cpu"), team=team)
    logits.requires_grad_()
    value = trainer.loss_on(Prepared(logits, target, valid))
    value.backward()
    gradient = logits.grad if team.size == 1 else team.total(logits.grad)
    terms = {name: term.item() for name, term in loss.logged().items()}
    return {"value": value.item(), "terms": terms, "gradient": gradient.tolist()}


def work(request, rank, size):
    """Compute every case; the first process writes what it found."""
    torch.set_num_threads(1)
    with joined(rank, size, torch.device("cpu")) as team:
        found = {case: computed(case, team) for case in CASES}
    if rank == 0:
        Path(request["result"]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    serve(work)
