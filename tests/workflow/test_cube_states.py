# SPDX-License-Identifier: MIT
"""States of the rules for cubes, the views of runs, and what is refused about them."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from microtome.config.modalities.cubes import Bands, Cubes
from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.study.load import load_plans
from microtome.study.modalities.cubes import raw_cubes
from microtome.study.plan import StudyPlan
from microtome.workflow.states import cubes, runs

STUDY: dict[str, Any] = {
    "paper": "p0_hypernet",
    "title": "Mini",
    "data": {
        "source": "phantom",
        "phantom": {"kind": "cubes", "size": 32, "images": {"train": 2, "val": 2, "test": 2}},
        "channels": 3,
        "classes": {"normal": 0, "melanoma": 255},
    },
    "cubes": {},
    "patches": {"size": 32, "stride": 32},
    "defaults": {
        "view": "bands",
        "network": {"name": "hypernet", "width": 2},
        "loss": {"name": "cross_entropy"},
        "segment": {"kind": "argmax"},
    },
    "runs": {
        "net": {},
        "rgb": {"view": "image", "network": {"name": "cnn2d", "in_channels": 3, "width": 2}},
        "raw": {"view": "raw", "weights_of": "net"},
    },
    "scales": {"demo": {}},
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def plan(**changes: object) -> StudyPlan:
    """The plan of the study with dotted options (`__` for the dot) changed."""
    content = copy.deepcopy(STUDY)
    for keys, value in changes.items():
        *parents, last = keys.split("__")
        place = content
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    Path("config/studies/mini.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_plans(Workflow(studies=("mini",)))["mini"]


def states(found: StudyPlan) -> dict[str, str]:
    return {
        "calibrate": cubes.calibrate(found, "train-0"),
        "score_bands": cubes.score_bands(found),
        "select_bands": cubes.select_bands(found, "main"),
        "cut_bands": cubes.cut_bands(found),
        "cut_raw": cubes.cut_raw(found, "train-0"),
        "borrow_weights": runs.borrow_weights(found, "main", "raw", 0),
        "train": runs.train(found, "main", "net", 0),
        "predict": runs.predict(found, "net"),
    }


OPTIONS = {
    "cubes__calibrated": (True, {"calibrate", "cut_raw"}),
    "cubes__scale": (10.0, {"calibrate", "cut_raw"}),
    "cubes__full_scale": (1023.0, {"calibrate", "cut_raw"}),
    "cubes__scale_exposure": (True, {"calibrate", "cut_raw"}),
    "cubes__bands__method": ("top", {"score_bands", "select_bands"}),
    "cubes__bands__first": (3, {"select_bands"}),
    "cubes__bands__bins": (32, {"score_bands"}),
    "cubes__bands__penalty": (0.5, {"select_bands"}),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_changes_the_states_that_use_it(option: str) -> None:
    value, expected = OPTIONS[option]
    before, after = states(plan()), states(plan(**{option: value}))
    assert {name for name in before if before[name] != after[name]} == expected


def test_the_table_has_every_option() -> None:
    covered = {key.removeprefix("cubes__") for key in OPTIONS}
    options = {name for name in Cubes.model_fields if name != "bands"}
    assert covered == options | {f"bands__{name}" for name in Bands.model_fields if name != "width"}


def test_the_width_goes_with_the_networks() -> None:
    changes = {"cubes__bands__width": 8, "defaults__network__bands": 8, "runs__rgb__network__bands": 8}
    with pytest.raises(ConfigurationError, match=r"cubes\.bands\.width = 8"):
        plan(cubes__bands__width=8)
    del changes["runs__rgb__network__bands"]
    before, after = states(plan()), states(plan(**changes))
    assert {name for name in before if before[name] != after[name]} == {"select_bands", "train", "predict"}


def test_views_name_the_folders() -> None:
    found = plan()
    assert found.seen("main", "net") == "bands/main/images/{batch}"
    assert found.seen("main", "rgb") == "images/{batch}"
    assert found.seen("main", "raw") == "bands/main/raw/{batch}"
    assert [found.study.runs[name].kind for name in ("net", "raw")] == ["plain", "borrowed"]


def test_another_view_trains_again() -> None:
    assert runs.train(plan(), "main", "net", 0) != runs.train(plan(runs__net__view="raw"), "main", "net", 0)


def test_raw_cubes_are_those_of_the_evaluated_parts() -> None:
    found = plan()
    assert list(raw_cubes(found)) == found.members("main", "test")
    assert raw_cubes(plan(cubes__calibrated=True)) == {}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"cubes": None}, "as the study has no `cubes`"),
        ({"data__downsample": 2}, "found 2; expected 1, as cubes are seen with all their pixels"),
        ({"runs__raw__weights_of": "nett"}, "expected 'net'"),
        ({"runs__raw__weights_of": "rgb"}, "a run of the same network and seeds"),
        ({"runs__raw__weights_of": "raw"}, "found 'raw'"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        plan(**changes)
