# SPDX-License-Identifier: MIT
"""Study files, broken at random."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.study.load import load_plans
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import edited, reshaped
from tests.workflow.workspace import he_study

SMALL = {
    "paper": "p4_unet_isbi",
    "title": "t",
    "data": {
        "source": "phantom",
        "group_by": "block",
        "classes": {"membrane": 0, "cell": 255},
        "phantom": {"slices": {"train": 4, "val": 1, "test": 1}, "block": 1},
    },
    "split": {"kind": "folds", "k": 3},
    "defaults": {"network": {"name": "unet", "width": 4}, "loss": {"name": "bce"}},
    "runs": {"a": {"label": "A"}, "b": {"loss": {"name": "tversky", "alpha": 0.2}, "seeds": [0, 1]}},
    "scales": {"demo": {"runs": {"b": "omit"}}, "local": {"defaults.training.epochs": 3}},
}
WINDOWS = {
    "paper": "p4_unet_isbi",
    "title": "t",
    "data": {"source": "files", "samples": "none.tsv", "group_by": "sample", "classes": {"a": 0, "b": 1}},
    "runs": {
        "w": {
            "network": {"name": "ciresan", "variant": "n4"},
            "loss": {"name": "cross_entropy"},
            "sampler": {"kind": "balanced_windows"},
        },
        "u": {"network": {"name": "unet"}, "loss": {"name": "dice"}},
        "m": {"members": ["w", "u"]},
    },
    "tables": {"t": {"kind": "comparison", "runs": "all"}},
    "figures": {"f": {"kind": "loss_curves", "runs": ["w"]}},
}
TREES = (SMALL, WINDOWS, he_study())
NAMES = (
    *("name", "kind", "members", "label", "weights_of", "view", "stain", "stains", "cubes", "seeds", "omit"),
    *(
        "network.width",
        "training.epochs",
        "<<",
        "a.b",
        ".",
        "k",
        "sizes",
        "samples",
        "root",
        "options",
        "images",
    ),
)
ODD = (
    "omit",
    "all",
    "a",
    "unet",
    "dice",
    "he",
    "files",
    {"a": None},
    [0],
    {"train": 100_000},
    {"kind": "folds"},
)
WORDS = (
    *(
        b"&a ",
        b"*a",
        b"<<: *a\n",
        b"!!binary ",
        b"!!python/object:os.system ",
        b"!!timestamp ",
        b"!!set ",
        b"!!int ",
    ),
    *(
        b"!!float ",
        b"!!null ",
        b"!!omap ",
        b"!<x> ",
        b"%YAML 1.1\n",
        b"---\n",
        b"...\n",
        b"? ",
        b"- ",
        b"| ",
        b">- ",
    ),
    *(
        b"2026-02-30",
        b"1:60",
        b"0b_",
        b"0x_",
        b"0o9",
        b".inf",
        b".nan",
        b"~",
        b'"\\ud800"',
        b'"\\0"',
        b"k: 99999\n",
    ),
    *(b"a: &a [x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\n", b"&a {b: *a}", b"#", b"@", b"`", b"\t- "),
)


def dump(tree):
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")


FILES = st.one_of(edited([*map(dump, TREES)], WORDS), reshaped(TREES, NAMES, ODD).map(dump))


@pytest.mark.parametrize("tree", [SMALL, he_study()])
def test_the_seeds_are_sound(tree, folder):
    (folder / "x.yaml").write_bytes(dump(tree))
    assert load_plans(Workflow(studies=("x",), scale="paper"), folder=folder)


@fuzzed
@given(content=FILES, scale=st.sampled_from(["paper", "demo"]))
def test_a_study_is_loaded_or_refused(content, scale, folder):
    (folder / "x.yaml").write_bytes(content)
    with bounded(ConfigurationError):
        plan = load_plans(Workflow(studies=("x",), scale=scale), folder=folder)["x"]
        plan.study.model_dump_json()
