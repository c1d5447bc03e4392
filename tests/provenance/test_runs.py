# SPDX-License-Identifier: MIT
import json

import pytest

from microtome.provenance.runs import load_run, load_runs
from tests.synthetic_study import card, history, metrics, write_run

VALUES = {("01", "all", "v_rand"): 0.9, ("01", "cell", "dice"): 0.8}


def test_reads_what_was_written(tmp_path):
    folder = write_run(tmp_path / "a", card("bce", seed=3), metrics("bce", VALUES, seed=3), history())
    record = load_run(folder, labels={"bce": "U-Net, BCE"})
    assert (record.run, record.label, record.seed, record.split) == ("bce", "U-Net, BCE", 3, "published")
    assert record.metrics["sample"].tolist() == ["01", "01"]
    assert record.metrics["value"].tolist() == [0.9, 0.8]
    assert record.history["epoch"].tolist() == list(range(1, 13))
    assert record.seconds == 100.0
    assert record.data_source == "phantom"
    assert not record.is_ensemble
    assert record.folder == folder


def test_an_ensemble_has_no_history(tmp_path):
    network = {"name": "ensemble", "members": ["a", "b"]}
    record = load_run(write_run(tmp_path, card("mcdnn", network=network), metrics("mcdnn", VALUES)))
    assert record.is_ensemble
    assert record.history is None


def test_history_is_sorted(tmp_path):
    record = load_run(write_run(tmp_path, card("a"), metrics("a", VALUES), history().iloc[::-1]))
    assert record.history["epoch"].is_monotonic_increasing


@pytest.mark.parametrize("name", ["card.json", "history.tsv", "metrics.tsv"])
def test_says_which_file_is_missing(tmp_path, name):
    folder = write_run(tmp_path, card("a"), metrics("a", VALUES), history())
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_run(folder)


@pytest.mark.parametrize("name", ["history.tsv", "metrics.tsv"])
def test_refuses_empty_tables(tmp_path, name):
    folder = write_run(tmp_path, card("a"), metrics("a", VALUES), history())
    header = (folder / name).read_text().splitlines()[0]
    (folder / name).write_text(header + "\n")
    with pytest.raises(ValueError, match="no rows"):
        load_run(folder)
    (folder / name).write_text("")
    with pytest.raises(ValueError, match="is empty"):
        load_run(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"data_source": "fake"}, "fake"), ({"seconds": None}, None), ({"run": "other"}, "evaluate again")],
)
def test_refuses_wrong_cards(tmp_path, change, message):
    folder = write_run(tmp_path, card("a"), metrics("a", VALUES), history())
    changed = {**card("a"), **change}
    if message is None:
        del changed["seconds"]
        message = "lacks .'seconds'."
    (folder / "card.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match=message):
        load_run(folder)


def test_refuses_a_broken_card(tmp_path):
    folder = write_run(tmp_path, card("a"), metrics("a", VALUES), history())
    (folder / "card.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        load_run(folder)


def test_refuses_values_given_twice(tmp_path):
    frame = metrics("a", VALUES)
    folder = write_run(tmp_path, card("a"), frame.iloc[[0, 0]], history())
    with pytest.raises(ValueError, match="twice"):
        load_run(folder)


def test_refuses_epochs_given_twice(tmp_path):
    frame = history()
    folder = write_run(tmp_path, card("a"), metrics("a", VALUES), frame.iloc[[0, 1, 1]])
    with pytest.raises(ValueError, match=r"epochs .2. twice"):
        load_run(folder)


def test_refuses_missing_columns(tmp_path):
    folder = write_run(tmp_path, card("a"), metrics("a", VALUES).drop(columns="part"), history())
    with pytest.raises(ValueError, match="part"):
        load_run(folder)


def test_load_runs_labels_and_refuses_doubles(tmp_path):
    folders = [write_run(tmp_path / run, card(run), metrics(run, VALUES), history()) for run in ("a", "b")]
    records = load_runs(folders, labels={"b": "Bee"})
    assert [record.label for record in records] == ["a", "Bee"]
    with pytest.raises(ValueError, match="same"):
        load_runs([folders[0], folders[0]])
    with pytest.raises(ValueError, match="no run folders"):
        load_runs([])
