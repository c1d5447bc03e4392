# SPDX-License-Identifier: MIT
"""The best epoch by a metric, and the weights of the epochs that are kept, whatever is killed when."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from microtome.config.training import Training
from microtome.metrics.overlap import confusion_counts, score
from microtome.training import checkpoint as checkpoints
from microtome.training.kept import KeptWeights
from microtome.training.loop import fit
from microtome.training.processes import SOLO
from microtome.training.selection import BY_LOSS, ConfusionCounts, Criterion, criterion_of
from tests.training import problems
from tests.training.problems import CPU, KEY, Interrupted, StoppedError
from tests.training.test_resume import assert_same_end

CLASSES = ("ground", "cell", "pen")
KEPT = Criterion("iou", "cell", ("ground", "cell"), keep=2)
SGD = {"name": "sgd", "lr": 3.0, "momentum": 0.9}
"""Steps so large that epochs get better and worse."""


def trainer(criterion=KEPT, **settings):
    settings = {"epochs": 7, "optimizer": SGD, "seed": 1} | settings
    return replace(problems.trainer(augmentation=problems.FLIPS, **settings), criterion=criterion)


@pytest.mark.parametrize("metric", ["iou", "dice"])
@pytest.mark.parametrize("class_name", [None, "cell"])
def test_the_metric_is_that_of_all_pixels_together(metric, class_name):
    generator = np.random.default_rng(0)
    criterion = Criterion(metric, class_name, CLASSES)
    counts, truths, found = criterion.counts(CPU), [], []
    for _ in range(3):
        logits = torch.from_numpy(generator.normal(size=(2, 3, 5, 7)))
        target = torch.from_numpy(generator.integers(0, 3, (2, 5, 7)))
        valid = torch.from_numpy(generator.random((2, 5, 7)) < 0.8)
        counts.add(logits, target, valid)
        truths.append(torch.where(valid, target, 255).numpy())
        found.append(logits.argmax(1).numpy())
    table = confusion_counts(np.stack(truths), np.stack(found), classes=CLASSES)
    name = {"class_name": class_name} if class_name else {}
    wanted = score(table, metric if class_name else f"mean_{metric}", **name)
    assert criterion.values(counts) == {f"val_{metric}": pytest.approx(wanted)}


def test_a_sigmoid_output_says_the_second_class():
    counts = ConfusionCounts(2, CPU)
    logits = torch.tensor([2.0, -1.0, 3.0, -2.0]).view(1, 1, 2, 2)
    target = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
    both = [torch.cat([values, values], 1) for values in (logits, target)]  # a second output does not count
    counts.add(*both, torch.tensor([True, True, True, False]).view(1, 1, 2, 2).expand(1, 2, 2, 2))
    assert counts.table.tolist() == [[0, 1], [1, 1]]


def test_classes_that_nobody_has_leave_the_mean_alone():
    counts = ConfusionCounts(3, CPU)
    counts.table[0, 0], counts.table[1, 0], counts.table[1, 1] = 4, 2, 2
    assert Criterion("iou", None, CLASSES).values(counts) == {"val_iou": pytest.approx((4 / 6 + 2 / 4) / 2)}
    with pytest.raises(
        ValueError, match="no labelled pixel of the validation windows is of 'pen', whose iou"
    ):
        Criterion("iou", "pen", CLASSES).values(counts)


def rows(*values, column="val_iou"):
    return [{"epoch": n, "val_loss": 1.0, column: value} for n, value in enumerate(values, start=1)]


def test_the_best_epochs_in_order():
    nan = float("nan")
    assert KEPT.best(rows(0.1, 0.7, 0.7, 0.3)) == 2
    assert KEPT.kept(rows(0.1, 0.7, 0.7, 0.3)) == [2, 3]
    assert KEPT.kept(rows(nan, 0.2)) == [2]
    assert (KEPT.best(rows(nan, nan)), KEPT.kept(rows(nan, nan))) == (2, [])
    assert BY_LOSS.best(rows(0.4, 0.2, 0.2, column="val_loss")) == 2
    assert BY_LOSS.kept(rows(0.4, column="val_loss")) == []


def test_of_equals_the_loss_decides():
    """A class that no epoch finds has an IoU of 0 in all of them, and the first epochs are the worst."""
    epochs = [row | {"val_loss": loss} for row, loss in zip(rows(0, 0, 0, 0), (4, 2, 1, 2), strict=True)]
    assert (KEPT.best(epochs), KEPT.kept(epochs)) == (3, [3, 2])


def test_options_say_how_epochs_are_compared():
    select = {"metric": "dice", "class": "cell", "keep": 3}
    made = criterion_of(Training.model_validate({"select": select}), CLASSES)
    assert made == Criterion("dice", "cell", CLASSES, 3)
    assert criterion_of(Training.model_validate({"select": {}}), CLASSES) == Criterion(
        "iou", None, CLASSES, 0
    )
    assert criterion_of(Training(), CLASSES) is BY_LOSS


LAST = Criterion("last", None, CLASSES)


def test_the_last_epochs_whatever_they_are():
    losses = rows(0.4, 0.1, float("nan"), 0.3, column="val_loss")
    assert (LAST.best(losses), LAST.best(losses[:3]), LAST.column) == (4, 3, "val_loss")
    assert replace(LAST, keep=2).kept(losses) == [4, 2]
    assert LAST.counts(CPU) is None
    assert criterion_of(Training.model_validate({"select": {"metric": "last"}}), CLASSES) == LAST


def test_the_last_epoch_is_the_model():
    """Its weights are not those of the epoch of the least validation loss."""
    done = fit(trainer(LAST, epochs=6), *problems.parts())
    losses = [row["val_loss"] for row in done.history]
    assert done.best_epoch == len(losses) == 6
    assert int(np.argmin(losses)) + 1 != 6, "the case should tell the last epoch from the best"
    assert "val_iou" not in done.history[0]
    best = fit(trainer(BY_LOSS, epochs=6), *problems.parts())
    assert [row["val_loss"] for row in best.history] == losses
    assert any(not torch.equal(best.weights[name], value) for name, value in done.weights.items())


@pytest.mark.parametrize("averages", [False, True])
def test_nothing_need_be_kept_apart_where_epochs_are_not_compared(tmp_path, averages):
    """The weights are those of a run that is validated, and a stopped run goes on to the same."""
    last, (train, validation) = replace(LAST, averages=averages), problems.parts()
    expected = fit(trainer(last), train, validation).weights
    with pytest.raises(StoppedError):
        fit(trainer(last), Interrupted(train, at=4), None, checkpoint=tmp_path / "c", key=KEY)
    done = fit(trainer(last), train, None, checkpoint=tmp_path / "c", key=KEY)
    assert (done.resumed, done.best_epoch) == (1, 7)
    assert all(np.isnan(row["val_loss"]) for row in done.history)
    assert all(torch.equal(done.weights[name], value) for name, value in expected.items())


@pytest.mark.parametrize("criterion", [BY_LOSS, KEPT])
def test_epochs_are_not_compared_without_validation(criterion):
    with pytest.raises(ValueError, match="no batches to validate by, expected some, or training"):
        fit(trainer(criterion), problems.parts()[0], None)


def test_the_best_epoch_is_that_of_the_metric(tmp_path):
    """It has the highest value in the history, and its weights are those after that epoch."""
    done = fit(trainer(), *problems.parts(), checkpoint=tmp_path / "c.safetensors", key=KEY)
    values = [row["val_iou"] for row in done.history]
    losses = [row["val_loss"] for row in done.history]
    assert done.best_epoch == int(np.argmax(values)) + 1
    assert np.argmax(values) != np.argmin(losses), "the case should tell metric and loss apart"
    assert list(done.history[0])[-1] == "val_iou"
    until = fit(trainer(epochs=done.best_epoch), *problems.parts()).history
    assert [row["val_iou"] for row in until] == values[: done.best_epoch]
    kept = load_file(KeptWeights.beside(tmp_path / "c.safetensors").path(done.best_epoch))
    assert all(torch.equal(value, done.weights[name]) for name, value in kept.items())


def test_by_the_loss_nothing_is_counted_or_kept(tmp_path):
    done = fit(trainer(BY_LOSS), *problems.parts(), checkpoint=tmp_path / "c.safetensors", key=KEY)
    assert done.best_epoch == int(np.argmin([row["val_loss"] for row in done.history])) + 1
    assert "val_iou" not in done.history[0]
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


def test_patience_counts_from_the_best_by_the_metric():
    done = fit(trainer(epochs=30, patience=3), *problems.parts())
    assert len(done.history) == done.best_epoch + 3


def test_epochs_without_validation_have_no_value():
    done = fit(trainer(epochs=4, validate_every=3), *problems.parts())
    assert [np.isnan(row["val_iou"]) for row in done.history] == [True, True, False, False]


def kept_files(path):
    return sorted(found.name for found in KeptWeights.beside(path).folder.iterdir())


def test_the_checkpoint_names_the_files_of_the_best_epochs(tmp_path):
    path = tmp_path / "c.safetensors"
    done = fit(trainer(), *problems.parts(), checkpoint=path, key=KEY)
    named = checkpoints.load(path, KEY).kept
    order = sorted(done.history, key=lambda row: -row["val_iou"])[:2]
    assert sorted(named) == kept_files(path) == sorted(f"{row['epoch']:04d}.safetensors" for row in order)


@pytest.mark.parametrize("damage", ["", "gone", "changed", "stray"])
def test_stopped_and_gone_on_with(tmp_path, caplog, damage):
    """The same files of the same bytes; what the checkpoint names and is not there costs the run."""
    train, validation = problems.parts()
    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    fit(trainer(), train, validation, checkpoint=whole, key=KEY)
    with pytest.raises(StoppedError):
        fit(trainer(), Interrupted(train, at=5), validation, checkpoint=stopped, key=KEY)
    kept = KeptWeights.beside(stopped)
    file = sorted(kept.folder.iterdir())[0]
    if damage == "gone":
        file.unlink()
    if damage == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    if damage == "stray":  # of an epoch after which the process was killed before it wrote the checkpoint
        kept.write(6, {"weight": torch.zeros(2)}, KEY)
    done = fit(trainer(), train, validation, checkpoint=stopped, key=KEY)
    assert done.resumed == (0 if damage in ("gone", "changed") else 1)
    assert ("gone or changed; training starts from the beginning" in caplog.text) == (done.resumed == 0)
    assert_same_end(whole, stopped)
    assert kept_files(whole) == kept_files(stopped)
    for name in kept_files(whole):
        files = [KeptWeights.beside(path).folder / name for path in (whole, stopped)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_killed_at_any_write(tmp_path):
    """SIGKILL before some flush to the disk, of weights or of a checkpoint, costs an epoch at most."""
    whole, path = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    done = fit(trainer(), *problems.parts(), checkpoint=whole, key=KEY)
    repository = Path(__file__).resolve().parents[2]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)}
    command = [sys.executable, "-m", "tests.training.test_selection", str(path)]
    epochs = []
    for writes in (2, 1, 3):
        process = subprocess.run([*command, str(writes)], cwd=repository, env=environment, check=False)
        assert process.returncode == -signal.SIGKILL
        found = checkpoints.load(path, KEY)
        epochs.append(found.epoch)
        KeptWeights.beside(path).require(found.kept)
    again = fit(trainer(), *problems.parts(), checkpoint=path, key=KEY)
    assert epochs == [1, 1, 2]  # killed while writing weights of epoch 2, then its checkpoint, then that of 3
    assert again.resumed == 2  # of the second time nothing was left to be told of
    assert [row["val_iou"] for row in again.history] == [row["val_iou"] for row in done.history]
    assert_same_end(whole, path)
    assert kept_files(whole) == kept_files(path)


def killed(path, writes):
    """Train until the process kills itself at a write."""
    torch.set_num_threads(1)
    left = iter(range(writes))
    os.fsync = lambda _: next(left, None) is None and os.kill(os.getpid(), signal.SIGKILL)
    fit(trainer(), *problems.parts(), checkpoint=path, key=KEY)


def test_only_the_first_process_writes(tmp_path):
    team = replace(SOLO, rank=1)
    fit(replace(trainer(epochs=1), team=team), *problems.parts(), checkpoint=tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    killed(Path(sys.argv[1]), int(sys.argv[2]))
