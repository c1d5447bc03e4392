# SPDX-License-Identifier: MIT
"""Run cards, broken at random, through everything that reads them."""

from hypothesis import given
from hypothesis import strategies as st

from microtome.provenance import environment
from microtome.provenance.cards import CARD_NAME, TRAINED_KEYS, read_card
from microtome.provenance.runs import load_run
from microtome.report.runs import flatten
from microtome.stages.export import export_run
from microtome.stages.runs import borrow_weights, write_card
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import as_json, edited, reshaped
from tests.report.tree import card as full_card
from tests.synthetic_study import card, history, metrics, write_run

NETWORK = {
    "name": "unet",
    "options": {"width": 8, "depth": None},
    "parameters": 31030593,
    "weights": "random",
}
TREES = (
    card("a", samples={"train": 2}),
    full_card("a", 1, NETWORK, samples={"train": 2, "val": 1}),
    card("a", network={"name": "ensemble", "members": ["b", "c"]}),
)
NAMES = (
    "study",
    "run",
    "seed",
    "network",
    "options",
    "parameters",
    "seconds",
    "train",
    "validate",
    "digests",
)
ODD = ({"train": 1.0}, {"weights": None}, "ensemble", "phantom", {"name": "ensemble"}, 10**30)
WORDS = (b'"seed": 1,', b'"run": "b",', b'"network": {"name": "x"},', b"\\ud800", b"1E400", b'"digests": {},')
FILES = st.one_of(edited([*map(as_json, TREES)], WORDS), reshaped(TREES, NAMES, ODD).map(as_json))
BORROWED = {"run": "b", "split": "main", "seed": 0, "view": "raw", "weights_of": "a"}
SUMMED = {**card("mean"), "members": ["a"]}


def prepare(folder):
    """A run whose card is to be exchanged."""
    run = folder / "a" / "seed-0"
    if not run.is_dir():
        write_run(run, card("a"), metrics("a", {("s", "all", "dice"): 0.5}), history())
        (run / "model.safetensors").write_bytes(b"x")
    return run


def test_the_seeds_are_sound(folder):
    path = folder / CARD_NAME
    for tree in TREES:
        path.write_bytes(as_json(tree))
        assert read_card(path)["run"] == "a"


@fuzzed
@given(content=FILES)
def test_a_card_is_read_or_refused(content, folder, monkeypatch):
    monkeypatch.setattr(environment, "git_state", lambda: "")
    monkeypatch.setattr(environment, "versions", dict)
    run = prepare(folder)
    (run / CARD_NAME).write_bytes(content)
    with bounded(ValueError):
        found = read_card(run / CARD_NAME)
        flatten(found)
        borrow_weights(BORROWED, run, folder / "b")
        write_card(SUMMED, [run / CARD_NAME], folder / "mean.json")
    with bounded(ValueError):
        assert load_run(run).seconds >= 0


EXPORT = {
    "runs": {},
    "dataset": None,
    "label": "A",
    "study": {},
    "plugins": [],
    "rendered": False,
    "run": "a",
    "split": "main",
    "seed": 0,
}


@fuzzed
@given(content=FILES)
def test_a_run_is_packed_or_refused(content, folder):
    run = prepare(folder)
    (run / CARD_NAME).write_bytes(content)
    with bounded(ValueError):
        read_card(run / CARD_NAME, keys=TRAINED_KEYS)
        export_run(EXPORT, members=[run], stains=[], metrics=[run / "metrics.tsv"], archive=folder / "a.zip")
