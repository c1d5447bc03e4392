# SPDX-License-Identifier: MIT
"""What the processes of the tests of distributed training do, each for itself."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from microtome import losses, networks
from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.config.training import Supervision
from microtome.training.batch_norm import synchronize
from microtome.training.launch import launch, serve
from microtome.training.loop import TrainingDivergedError, fit
from microtome.training.processes import SOLO, joined
from microtome.training.saving import Timing
from microtome.training.selection import BY_LOSS, Criterion
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import SoftmaxTask
from tests.training import problems
from tests.training.problems import CPU, KEY, Levels

MODULE = "tests.training.team_tasks"
EVERYTHING = Augment(
    horizontal_flip=0.5, rotation=20, elastic_alpha=3.0, gamma=0.2, contrast=0.2, gaussian_noise=0.05
)
ADAM, SGD = {"name": "adam", "lr": 0.02}, {"name": "sgd", "lr": 0.1, "momentum": 0.9}
EPOCHS = 5


class Precise(nn.Module):
    """A network that computes in float64, so that rounding is not what differs."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner.double()

    def forward(self, images):
        return self.inner(images.double())


def plain(outputs=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, outputs, 3, padding=1))


def unet():
    torch.manual_seed(0)
    return networks.build("unet", width=4)


def levels():
    """The plain network at three resolutions."""
    return Levels(2)


BY_IOU = Criterion("iou", "cell", ("ground", "cell"))
CASES = {
    "augmented": {"model": plain, "optimizer": ADAM, "augmentation": EVERYTHING},
    "dice of uneven shares": {"model": plain, "optimizer": ADAM, "loss": "dice", "batch_size": 5},
    "a batch of one window": {"model": plain, "optimizer": ADAM, "batch_size": 11, "grad_clip": 0.1},
    "compound": {"model": lambda: plain(2), "optimizer": ADAM, "loss": "compound", "batch_size": 5},
    "unet": {"model": unet, "optimizer": SGD, "augmentation": EVERYTHING, "side": 24, "batch_size": 4},
    "precise unet": {"model": lambda: Precise(unet()), "optimizer": ADAM, "batch_size": 5, "loss": "dicebce"},
    "levels": {"model": levels, "optimizer": SGD, "loss": "softmax_focal", "side": 24},
    "levels of mdsc_tv": {"model": levels, "optimizer": SGD, "loss": "mdsc_tv", "side": 24, "batch_size": 2},
    "best by a metric": {"model": plain, "optimizer": ADAM, "criterion": BY_IOU},
    "stopped early": {"model": plain, "optimizer": SGD | {"lr": 8.0}, "patience": 1, "epochs": 30},
}
"""Trainings that one process and two must do alike; 12 windows of 12 pixels, or 3 of 24, are an epoch."""


def trained(
    model,
    team=SOLO,
    *,
    loss="bce",
    augmentation=problems.FLIPS,
    side=12,
    batch_size=4,
    criterion=BY_LOSS,
    **settings,
):
    """Train; the model and the history without times."""
    images = problems.samples()
    train, val = ({n: images[n] for n in names} for names in (("s0", "s1", "s2"), ("s3",)))
    parts = [
        problems.PatchBatches(found, problems.windows(found, side=side), batch_size, seed=1, shuffle=shuffle)
        for found, shuffle in ((train, True), (val, False))
    ]
    settings = {"epochs": EPOCHS, "batch_size": batch_size} | settings
    base = problems.trainer(model=model(), augmentation=augmentation, **settings)
    if loss in ("compound", "softmax_focal", "mdsc_tv"):
        base = replace(base, task=SoftmaxTask(Input(), augmentation))
    built = losses.build(loss, **({"momentum": 0.5} if loss == "compound" else {}))
    if hasattr(base.model, "levels"):
        built = LevelLosses(built, base.model.reductions, Supervision(levels="all"))
    done = fit(replace(base, loss=built, team=team, criterion=criterion), *parts)
    return base.model, [{k: v for k, v in row.items() if "seconds" not in k} for row in done.history]


def compare(request, team):
    """Train every case; note histories, what the weights sum to, and whether all processes hold the same."""
    found = {}
    for name, case in CASES.items():
        model, history = trained(team=team, **case)
        flat = flattened(model)
        same = all(torch.equal(flat, other) for other in team.gather(flat))
        found[name] = {"history": history, "norm": float(flat.norm()), "same": same}
    return found | {"normalised": normalised(team), "nan": diverged(team)}


def flattened(model):
    """All parameters in one vector."""
    return torch.cat([value.detach().reshape(-1).double() for value in model.parameters()])


def normalised(team):
    """The largest differences of synchronised batch normalisation from that of the whole batch."""
    found = {}
    for layer, sides in ((nn.BatchNorm1d, ()), (nn.BatchNorm2d, (3, 4)), (nn.BatchNorm3d, (2, 3, 2))):
        torch.manual_seed(0)
        whole, shared = (nn.Sequential(layer(3, momentum=m).double()) for m in (0.3, 0.3))
        synchronize(shared, team)
        values, wanted = (torch.randn(5, 3, *sides, dtype=torch.float64) for _ in range(2))
        own = team.share(5)
        inputs = [v.clone().requires_grad_() for v in (values, values[own])]
        outputs = [whole(inputs[0]), team.whole(shared(inputs[1]))]
        for output in outputs:
            (output - wanted).square().sum().backward()
        team.add_gradients(shared.parameters())
        pairs = [(outputs[0], outputs[1]), (inputs[0].grad[own], inputs[1].grad)]
        pairs += [(a.grad, b.grad) for a, b in zip(whole.parameters(), shared.parameters(), strict=True)]
        pairs += list(zip(whole.state_dict().values(), shared.state_dict().values(), strict=True))
        pairs.append((whole.eval()(values), shared.eval()(values)))
        found[layer.__name__] = max(float((a - b).detach().abs().max()) for a, b in pairs)
    return found


def diverged(team):
    """What training says of a loss that is no number."""
    try:
        trained(plain, team, optimizer=SGD | {"lr": 1e30})
    except TrainingDivergedError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class Disturbed:
    """Batches before which something happens in an epoch."""

    batches: problems.PatchBatches
    at: int
    act: object

    def __len__(self):
        return len(self.batches)

    def drawn(self, number):
        for position, drawn in enumerate(self.batches.drawn(number)):
            if number == self.at and position == 1:
                self.act()
            yield drawn

    def read(self, drawn):
        return self.batches.read(drawn)


def refuse():
    msg = "the second process found something; remedy"
    raise ValueError(msg)


ACTS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "refuse": refuse,
    "wait": lambda: time.sleep(600),
    "tell and wait": lambda: Path(os.environ["MICROTOME_TEST_TOLD"]).touch() or time.sleep(600),
    "": lambda: None,
}


def resume(request, team):
    """Train with a checkpoint; something may happen to the second process in one of the epochs."""
    act = ACTS[request["act"] if team.rank == 1 else ""]
    train, validation = problems.parts()
    trainer = replace(problems.trainer(model=network(), epochs=EPOCHS), team=team)
    checkpoint = Path(request["checkpoint"])
    chosen = {"checkpoint": checkpoint, "key": KEY, "timing": Timing(request.get("every", 0))}
    done = fit(trainer, Disturbed(train, request["at"], act), validation, **chosen)
    return {"resumed": done.resumed}


def network():
    """With batch normalisation, without dropout, whose draws each process has for itself."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 1, 3, padding=1)
    )


def work(request, rank, size):
    torch.set_num_threads(1)
    with joined(rank, size, CPU) as team:
        found = {name: {"compare": compare, "resume": resume}[name](request, team) for name in request["do"]}
    if rank == 0:
        Path(request["result"]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1] == "launch":
    launch(MODULE, json.loads(sys.argv[2]), processes=2, threads=1)
elif __name__ == "__main__":
    serve(work)
