# SPDX-License-Identifier: MIT
"""What `make gpu` does, as far as a CPU can tell: every entry is looked at, and what is wrong is seen."""

from dataclasses import replace

import psutil
import pytest
import torch

from benchmarks.gpu import checks, epoch, hours, page, project, smoke, tiny
from microtome import losses, networks
from microtome.config.augment import GEOMETRY, INTENSITIES
from microtome.config.training import Training
from microtome.training.pace import Counted, Work

CPU = torch.device("cpu")
EPOCH = epoch.Epoch("nuclei", "exp_9", 50, 20.0, 18.0, 6.0, 12 * 2**30, 5 * 2**30, (8, 3, 992, 992), "bf16")
WORK = Work({"name": "unet"}, {"name": "bce"}, (1, 512, 512), Training(batch_size=4))
COST = hours.Cost("bce", 2, 100, 6, WORK, Counted(4 * 10**12, 10**6, 2**30), 0.1)
PASSED = checks.Check("loss", "dice", "within 1e-7", True, 0.5)
GOOD = page.Outcome(
    "a card", "2026-11-30", "0" * 40, 12.3, False, [PASSED], "rows", [EPOCH], [], {"nuclei": [COST]}
)


def test_every_network_loss_and_augmentation_is_looked_at():
    assert set(smoke.NETWORKS) == set(networks.names())
    assert {*GEOMETRY, *INTENSITIES, "elastic_alpha"} <= set(smoke.AUGMENTATIONS)
    samplers = {run["sampler"]["kind"] for run in tiny.RUNS.values()}
    assert samplers == {"patches", "balanced_windows", "lists", "crops"}
    assert {"bce", "mdsc_tv"} <= set(losses.names())  # `all_checks` takes them all


@pytest.mark.parametrize("name", ["unet", "hypernet"])
def test_a_network_is_like_itself(name):
    assert "within 0e+00, the same twice" in smoke.same_network(name, CPU)


def test_a_network_that_differs_on_the_device_is_seen(monkeypatch):
    plain = smoke._gradients

    def gradients(model, inputs, device):
        found = plain(model, inputs, device)
        return (
            found if gradients.calls.append(device) or len(gradients.calls) == 1 else [2 * g for g in found]
        )

    gradients.calls = []
    monkeypatch.setattr(smoke, "_gradients", gradients)
    with pytest.raises(ValueError, match="gradients differ from those of the CPU by 1 of"):
        smoke.same_network("unet", CPU)


def test_a_check_that_fails_stops_no_other(capsys):
    def wrong():
        raise ValueError("bent")

    found = checks.run("group", [("a", wrong), ("b", lambda: "fine")])
    assert [(one.name, one.passed) for one in found] == [("a", False), ("b", True)]
    assert found[0].said == "ValueError: bent"


def test_a_killed_training_is_resumed(tmp_path):
    files = tiny.write(tmp_path)
    assert files.images[0].is_dir()
    assert smoke.survives("unet", tmp_path, CPU) == "weights within 0e+00"


@pytest.mark.parametrize("name", ["augmented", "plain"])
def test_an_augmentation_is_the_same_on_both_devices(name):
    assert smoke.same_epoch("rotation" if name == "augmented" else "gamma", CPU) == "losses within 0e+00"


@pytest.mark.parametrize("name", list(project.STUDIES))
@pytest.mark.parametrize("dry", [True, False])
def test_studies_are_trained_as_published_on_phantoms(tmp_path, name, dry):
    project.write(tmp_path, name, dry=dry)
    with project._inside(tmp_path):
        found = [project._training(name, run, dry=dry) for run in project.STUDIES[name].runs]
    for one in found:
        assert one.files.patches
        assert len(one.files.patches) == len(one.files.images) == len(one.files.targets)
        network = one.options["network"]
        assert "weights" not in network  # nothing is downloaded
        work = epoch.work_of(one.options, 64)
        assert work.training.batch_size == one.options["training"]["batch_size"]
    if name == "nuclei" and not dry:
        assert (found[0].options["input"]["zoom"], network["width"]) == (0.992, 64)


def test_squares_of_whole_images_are_counted_as_they_are_drawn():
    """3,000 squares an epoch, 12 a step, whatever the windows of the patch index."""
    found = {one.run: one.steps for one in hours.costs("membranes")}
    assert found["baseline"] == 250
    assert found["bce"] == 6


def test_hours_are_steps_times_seconds_at_the_share_that_is_computed():
    assert COST.hours == pytest.approx(2 * 100 * 6 * 0.1 / 0.85 / 3600)
    assert COST.gib == pytest.approx((16e6 + 2**29) / 2**30)


def test_a_page_says_what_was_measured():
    text = page.render(GOOD)
    assert GOOD.is_good
    assert "| nuclei, `exp_9` | 8 × 3 × 992 × 992 | bf16 | 50 | 2.5 | 90% | 33% | 12.0 | 5.0 |" in text
    assert "a card" in text
    assert "DRY" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"checks": [replace(PASSED, passed=False)]},
        {"failures": ["nuclei failed"]},
        {"epochs": [replace(EPOCH, bare_seconds=16.9)]},
    ],
)
def test_what_is_wrong_fails(change):
    outcome = replace(GOOD, **change)
    assert not outcome.is_good
    assert any(word in page.render(outcome) for word in ("0 of 1", "What failed", "**missed**"))


def test_a_dry_run_says_so_and_judges_no_speed():
    outcome = replace(GOOD, dry=True, epochs=[replace(EPOCH, bare_seconds=1.0)])
    assert outcome.is_good
    assert "no GPU has been measured yet" in page.render(outcome)
    assert "**missed**" not in page.render(outcome)


def test_memory_is_the_largest_of_the_process():
    held = bytearray(50_000_000)
    assert epoch.host_bytes() >= 0.9 * psutil.Process().memory_info().rss >= len(held)


def test_a_step_that_does_not_fit_is_estimated(monkeypatch):
    def refuse(*_):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(hours, "measure", refuse)
    assert hours.measured_seconds(WORK, CPU) is None
    estimated = replace(COST, measured=None)
    assert estimated.seconds == 0.1  # 4 TFLOP at 40 TFLOP/s
    assert "| ≈ 0.1 |" in hours.table([estimated])
    assert "| 0.1 |" in hours.table([COST])
