# SPDX-License-Identifier: MIT
"""Bare training steps: what is measured, and what is counted in its place."""

import pytest
import torch
from torch import nn

from benchmarks.gpu.hours import work_of
from benchmarks.gpu.project import STUDIES
from microtome import networks
from microtome.config.load import read_draft
from microtome.config.training import Supervision, Training
from microtome.training import pace
from microtome.training.pace import LARGEST, Work, count, measure
from tests.workflow.workspace import REPOSITORY

CPU = torch.device("cpu")
SMALL = {
    "unet": Work({"name": "unet", "width": 2}, {"name": "bce"}, (1, 32, 32), Training(batch_size=2)),
    "windows": Work(
        {"name": "ciresan", "variant": "w65", "maps": 2, "hidden": 4},
        {"name": "cross_entropy"},
        (1, 65, 65),
        Training(batch_size=3),
    ),
    "depthwise": Work(
        {"name": "usenet", "encoder": "efficientnet_lite0", "width": 4},
        {"name": "bce"},
        (3, 64, 64),
        Training(batch_size=2),
    ),
    "volumes": Work(
        {"name": "hypernet", "width": 1, "bands": 8},
        {"name": "compound"},
        (8, 16, 16),
        Training(batch_size=2),
    ),
    "levels": Work(
        {"name": "mednet", "width": 2, "depth": 3, "blocks": 1},
        {"name": "mdsc_tv"},
        (1, 32, 32),
        Training(batch_size=2),
        Supervision(levels="all"),
    ),
}


@pytest.mark.parametrize("name", list(SMALL))
def test_every_kind_of_network_is_measured(name, monkeypatch):
    monkeypatch.setattr(pace, "WARM_UP", 0)
    before = torch.get_rng_state()
    found = measure(SMALL[name], CPU, steps=1)
    assert 0 < found.forward <= found.seconds
    assert (found.peak_bytes, found.precision) == (0, "fp32")
    assert torch.equal(torch.get_rng_state(), before)


def test_steps_are_steps_of_the_optimizer(monkeypatch):
    """Forward, backward and optimizer, `WARM_UP` + `steps` times, and as often forward alone."""
    monkeypatch.setattr(pace, "WARM_UP", 2)
    calls = {"backward": 0, "step": 0}

    def counting(owner, name, key):
        plain = getattr(owner, name)

        def counted(*arguments, **options):
            calls[key] += 1
            return plain(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)

    counting(torch.Tensor, "backward", "backward")
    counting(torch.optim.Adam, "step", "step")
    measure(SMALL["unet"], CPU, steps=3)
    assert calls == {"backward": 5, "step": 5}


@pytest.mark.parametrize("name", list(SMALL))
def test_operations_are_three_times_those_of_the_forward_pass(name):
    """Backward has two products for each one, but for the first layer, whose input has no gradient."""
    work = SMALL[name]
    with torch.device("meta"):
        model, inputs = networks.build(**work.network), torch.empty(work.batch)
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        model(inputs)
    forward = counter.get_total_flops()
    assert 2 * forward < count(work).flop <= 3 * forward


def test_what_is_kept_is_counted_once(monkeypatch):
    """Two convolutions and a ReLU between them: the input, and the map that both ReLU and the second keep."""
    layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    monkeypatch.setattr(pace.networks, "build", lambda name: layers.to("meta"))
    found = count(Work({"name": "any"}, {"name": "bce"}, (1, 16, 16), Training(batch_size=3)))
    assert found.kept_bytes == 3 * 16 * 16 * 4 * (1 + 4)
    assert found.parameters == 4 * 9 + 4 + 4 + 1
    assert found.float32_bytes == 16 * found.parameters + found.kept_bytes


@pytest.mark.parametrize("name", STUDIES)
def test_no_published_network_is_larger_than_the_largest(name, monkeypatch):
    """By its weights; the steps of the study that has it are those that are tried."""
    monkeypatch.chdir(REPOSITORY)
    study = read_draft(name, "paper").study
    trained = [run for name, run in study.runs.items() if run.is_trained and name != "baseline"]
    works = [work_of(study, run) for run in trained]  # the baseline is in no paper
    with torch.device("meta"):
        weights = [networks.parameter_count(networks.build(**work.network)) for work in works]
        most = networks.parameter_count(networks.build(**LARGEST.network))
    assert max(weights) <= most
    if name == "melanoma":
        (same,) = [work for work, number in zip(works, weights, strict=True) if number == most]
        assert (same.batch, same.loss["name"]) == (LARGEST.batch, LARGEST.loss["name"])
