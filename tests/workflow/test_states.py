# SPDX-License-Identifier: MIT
"""States of rules: each depends on exactly the options that its rule uses."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel

from microtome.config.changed import SECTIONS
from microtome.config.modalities.objects import Targets
from microtome.config.phantoms.em import EMPhantomData
from microtome.config.phantoms.he import HEPhantomData
from microtome.config.run import Run
from microtome.config.stain import Spcn
from microtome.config.study import Data, Evaluate, Patches, Study
from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.provenance import code
from microtome.registry import entry_names
from microtome.study.load import load_plans
from microtome.study.plan import StudyPlan
from microtome.workflow.states import applied, data, products, runs, stains
from tests import plan_options as table
from tests.plan_options import BATCHES, OBJECT_OPTIONS, OPTIONS
from tests.workflow.cases import listed
from tests.workflow.workspace import he_study, mini_study

Content = dict[str, Any]
NETWORKS = set(entry_names("microtome.config.networks"))
UNSETTLED = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Study files are looked for below the working directory."""
    (tmp_path / "config/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def _study() -> Content:
    """A study with a plain, a calibrated and an ensemble run."""
    return mini_study()


def _objects() -> Content:
    """A study of objects, with a run whose stains are normalized and an ensemble."""
    study = he_study()
    study["runs"]["other"] = {**copy.deepcopy(study["runs"]["marked"]), "stain": "reinhard"}
    study["runs"]["both"] = {"members": ["marked", "other"], "segment": {"mask_threshold": 0.2}}
    study["stains"]["reinhard"] = {"method": "reinhard", "target": "tile-001"}
    return study


def _plan(content: Content) -> StudyPlan:
    Path("config/studies/mini.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_plans(Workflow(studies=("mini",)))["mini"]


def _with(content: Content, **changes: object) -> Content:
    """A study with options set; keys are dotted, with `__` for the dot."""
    changed = copy.deepcopy(content)
    for keys, value in changes.items():
        *parents, last = keys.split("__")
        place = changed
        for key in parents:
            place = place.setdefault(key, {})
        if value is None and last in place:
            del place[last]
        else:
            place[last] = value
    return changed


def _states(plan: StudyPlan) -> dict[str, str]:
    """Every job of a study by name, with its state."""
    states = {
        "simulate": data.simulate(plan),
        "write_sheet": data.sheet(plan),
        "report_page": products.report({"mini": plan}),
        "crate": products.crate({"mini": plan}),
    }
    for batch in plan.batches:
        states[f"import_images {batch}"] = data.import_images(plan, batch)
        states[f"rasterize_targets {batch}"] = data.rasterize_targets(plan, batch)
        states[f"extract_patches {batch}"] = data.extract_patches(plan)
    for section, rule in (("tables", "tabulate"), ("figures", "draw")):
        for name in getattr(plan.study, section):
            states[f"{rule} {name}"] = products.entry(plan, section, name)
    for stain in plan.study.stains:
        states[f"fit_stain {stain}"] = stains.fit_stain(plan, stain)
        states[f"normalize_stain {stain}"] = stains.normalize_stain(plan, stain)
    for split in plan.splits:
        states[f"split {split}"] = data.split(plan, split)
    for split, run, seed in plan.evaluated():
        states |= {f"{rule} {run}": state for rule, state in _run_states(plan, split, run, seed).items()}
    return states


def _run_states(plan: StudyPlan, split: str, run: str, seed: int) -> dict[str, str]:
    """The states of a run, by rule."""
    both = {
        "segment": runs.segment(plan, run),
        "evaluate": runs.evaluate(plan, split, run, seed),
        "apply": applied.apply(plan, run, 0),
        "evaluate_applied": applied.evaluate_applied(plan, split, run, seed),
        "export_run": applied.export_run(plan, run, None),
        "export_objects": applied.export_objects(plan, run),
    }
    if plan.study.runs[run].tune is not None:
        both["tune"] = runs.tune(plan, split, run)
    if plan.study.runs[run].is_ensemble:
        averaged = {"average": runs.average(plan, run), "uncertainty": runs.uncertainty(plan, run)}
        return both | averaged | {"ensemble": runs.ensemble(plan, split, run, seed)}
    trained = {"train": runs.train(plan, split, run, seed), "predict": runs.predict(plan, run)}
    if plan.study.runs[run].kind == "plain":
        return both | trained
    calibrated = {
        "fit": runs.fit_calibration(plan, split, run),
        "calibrate": runs.calibrate_predictions(plan, run),
    }
    return both | trained | calibrated


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """Jobs that are new, gone, or in another state."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def _expected(keys: str, jobs: str) -> frozenset[str]:
    """A package to be used elsewhere holds all options of its runs, and what applies and measures them.

    The page shows the settings of methods and trainings that are not the defaults.
    """
    section, run, field, *_ = f"{keys}____".split("__")
    ensembles = {"dice": ["mean"], "tversky": ["mean"], "marked": ["both"]}
    names = [run, *ensembles.get(run, [])] if section == "runs" else []
    used = {job.split()[1] for job in listed(jobs) if job.split()[0] in ("apply", "evaluate_applied")}
    shown = {"report_page"} if field in SECTIONS and f"train {run}" in listed(jobs) else set()
    return listed(jobs) | {f"export_run {name}" for name in {*names, *used}} | shown


@pytest.mark.parametrize("keys", OPTIONS)
def test_an_option_changes_the_states_that_use_it(keys: str) -> None:
    value, jobs = OPTIONS[keys]
    before, after = (_states(_plan(content)) for content in (_study(), _with(_study(), **{keys: value})))
    assert _changed(before, after) == _expected(keys, jobs)


@pytest.mark.parametrize("keys", OBJECT_OPTIONS | table.OBJECT_STUDY_OPTIONS)
def test_an_option_of_objects_changes_the_states_that_use_it(keys: str) -> None:
    value, jobs = (OBJECT_OPTIONS | table.OBJECT_STUDY_OPTIONS)[keys]
    study = _objects()
    if keys == table.ALONE + "outputs":  # what must change with it, and changes other states, is there before
        two = {"outputs": ["mask", "shape_marker"], "network__out_channels": 2}
        two["segment__markers"] = "predicted"
        study = _with(study, **{table.ALONE + key: chosen for key, chosen in two.items()})
    before, after = (_states(_plan(content)) for content in (study, _with(study, **{keys: value})))
    assert _changed(before, after) == _expected(keys, jobs)


def test_the_table_above_has_every_option_of_a_run() -> None:
    """An option added to a run must say whose state it is."""
    covered = {keys.split("__")[2] for keys in [*table.RUN_OPTIONS, *table.LABELS, *OBJECT_OPTIONS]}
    of_cubes = {"view", "weights_of"}  # tests/workflow/test_cube_states.py
    of_slides = {"calls", "supervision"}  # tests/workflow/test_slide_states.py
    elsewhere = of_cubes | of_slides | {"classifier"}  # tests/workflow/test_classifiers.py
    assert covered | elsewhere | {"seeds", "splits"} == set(Run.model_fields)


@pytest.mark.parametrize(
    ("model", "prefix", "elsewhere"),
    [
        (Patches, "patches__", set()),
        (Targets, "targets__", {"kind", "regions"}),
        (Spcn, table.SPCN, {"target_image", "target_profile"}),
        (HEPhantomData, "data__phantom__", {"kind", "hospitals", "organs", "tiles", "images"}),
        (Evaluate, "evaluate__", {"parts"}),
        (EMPhantomData, "data__phantom__", {"kind", "slices", "block"}),
        (
            Data,
            "data__",
            {
                "source",
                "samples",
                "root",
                "allow_outside",
                "dataset",
                "citation",
                "licence",
                "origin",
                "group_by",
                "channels",
                "batch_size",
                "colors",
                "ignore_colors",
                "dtype",
                "mpp_from",
            },
        ),
        (Study, "", {"name", "split", "splits", "runs", "cubes", "slides", "external"}),
    ],
)
def test_the_table_above_has_every_option_of_the_study(
    model: type[BaseModel], prefix: str, elsewhere: set[str]
) -> None:
    """Options left out change which samples, splits and jobs there are; see the tests below."""
    known = OPTIONS | table.OBJECT_STUDY_OPTIONS
    covered = {keys.removeprefix(prefix).split("__")[0] for keys in known if keys.startswith(prefix)}
    assert covered & set(model.model_fields) | elsewhere == set(model.model_fields)


@pytest.mark.parametrize("option", ["target_image", "target_profile"])
def test_a_target_outside_the_sheet_changes_what_is_fitted(option: str) -> None:
    Image.new("RGB", (32, 32)).save("target_image", "PNG")
    Path("target_profile").write_text('{"method": "spcn", "parameters": {}}', encoding="utf-8")
    study = _objects()
    changes = {"stains__spcn__target": None, f"stains__spcn__{option}": option}
    after = _states(_plan(_with(study, **changes)))
    assert _changed(_states(_plan(study)), after) == {"fit_stain spcn"}


def test_colours_are_what_labels_are_read_by() -> None:
    """A phantom has none, so they are not among the options above."""
    colors, chosen = {"b": "#000000", "a": "#ff0000"}, {"a": 0, "b": 1}
    files = Data(source="files", classes=chosen, colors=colors, ignore_colors=["#ffffff"])
    found = data.target_options(SimpleNamespace(study=SimpleNamespace(data=files, targets=Targets())))
    assert found["colors"] == [("a", "#ff0000"), ("b", "#000000")], "in the order of the classes"
    assert (found["ignore_colors"], "ignore" in found) == (("#ffffff",), False)


def test_class_names_are_used_where_they_are_printed_or_counted() -> None:
    study = _with(_study(), tables__comparison__columns=["v_rand"])  # the default names classes
    before = _states(_plan(study))
    after = _states(_plan(_with(study, data__classes={"wall": 0, "cell": 255})))
    names = "{train,predict} {dice,tversky,n4} \n " + "\n".join(
        [table.ALL_EVALUATED, table.APPLIED, table.ENTRIES, f"export_run {table.RUNS}"]
    )
    expected = f"rasterize_targets {BATCHES} \n extract_patches {BATCHES} \n {names}"
    assert _changed(before, after) == listed(expected) | {"crate"}  # of the report's legend


def test_a_seed_adds_jobs_and_changes_none() -> None:
    before = _plan(_study())
    after = _plan(_with(_study(), runs__tversky__seeds=[0, 5]))
    assert runs.train(after, "main", "tversky", 0) == runs.train(before, "main", "tversky", 0)
    assert runs.train(after, "main", "tversky", 5) != runs.train(after, "main", "tversky", 0)
    assert runs.predict(after, "tversky") == runs.predict(before, "tversky")
    assert set(after.evaluated()) - set(before.evaluated()) == {("main", "tversky", 5)}
    assert after.seeds("mean") == (0,), "an ensemble has the seeds that its members share"


def test_a_test_slice_leaves_training_alone() -> None:
    before, after = (
        _plan(_study()),
        _plan(_with(_study(), data__phantom__slices={"train": 2, "val": 1, "test": 2})),
    )
    changed = _changed(_states(before), _states(after))
    prepared = "simulate \n write_sheet \n split main \n {import_images,rasterize_targets} test-0 \n"
    # Tables are told of which block the new slice is, as their intervals draw blocks.
    assert changed == listed(f"{prepared} evaluate {table.RUNS} \n tabulate {{comparison,loss}}")


def test_a_training_slice_changes_what_trains_and_calibrates() -> None:
    slices = {"train": 3, "val": 1, "test": 1}
    changed = _changed(
        _states(_plan(_study())), _states(_plan(_with(_study(), data__phantom__slices=slices)))
    )
    assert {"train dice", "train tversky", "train n4", "import_images train-0"} <= changed
    assert not {name for name in changed if name.split()[0] in ("predict", "segment", "draw")}
    # The test slice is the fifth now, and tables are told of its block.
    told = {name for name in changed if name.startswith("tabulate")}
    assert told == listed("tabulate {comparison,loss}")


def test_batches_are_the_unit_of_work() -> None:
    """Smaller batches are other jobs; what trains and evaluates does not change."""
    before, after = _plan(_study()), _plan(_with(_study(), data__batch_size=1))
    assert set(after.batches) == {"train-0", "train-1", "val-0", "test-0"}
    changed = _changed(_states(before), _states(after))
    assert changed == listed("{import_images,rasterize_targets,extract_patches} train-1") | listed(
        "{import_images,rasterize_targets} train-0"
    )


def test_a_run_is_added_without_touching_others() -> None:
    before = _states(_plan(_study()))
    after = _states(_plan(_with(_study(), runs__iou={"loss": {"name": "iou"}})))
    expected = f"{{train,predict,segment,evaluate,{table.AT_WILL}}} iou \n tabulate comparison \n report_page"
    assert _changed(before, after) == listed(expected)


def test_entries_made_of_all_runs_follow_the_runs() -> None:
    study = _study()
    del study["runs"]["n4"]
    changed = _changed(_states(_plan(_study())), _states(_plan(study)))
    gone = f"{{train,predict,segment,evaluate,fit,calibrate,{table.AT_WILL}}} n4"
    assert changed == listed(f"{gone} \n tabulate comparison \n report_page")


def test_a_new_entry_changes_no_other() -> None:
    entry = {"kind": "loss_curves", "runs": ["dice"]}
    after = _with(_study(), figures__another=entry)
    changed = _changed(_states(_plan(_study())), _states(_plan(after)))
    assert changed == {"draw another", "report_page", "crate"}


def test_an_entry_in_front_changes_no_other() -> None:
    study = _study()
    entry = {"kind": "loss_curves", "runs": ["dice"]}
    study["figures"] = {"another": entry} | study["figures"]
    changed = _changed(_states(_plan(_study())), _states(_plan(study)))
    assert changed == {"draw another", "report_page", "crate"}


def test_the_same_study_written_otherwise_has_the_same_states() -> None:
    study = _study()
    turned = dict(reversed(list(study.items())))
    turned["runs"] = copy.deepcopy(study["runs"])
    turned["runs"]["tversky"] = dict(reversed(list(study["runs"]["tversky"].items())))
    turned["runs"]["dice"]["segment"] = {"threshold": 0.5, "kind": "threshold"}
    assert _states(_plan(turned)) == _states(_plan(study))


def test_defaults_are_the_runs_own_options() -> None:
    """An option given once for all runs, or for each run, is the same."""
    study = _with(_study(), defaults__augment=None)
    for name in ("dice", "tversky", "n4", "mean"):
        study["runs"][name]["augment"] = {"horizontal_flip": 0.5}
    assert _states(_plan(study)) == _states(_plan(_study()))


@UNSETTLED
@given(alpha=st.floats(0.01, 2), beta=st.floats(0.01, 2))
def test_swapped_values_are_seen(alpha: float, beta: float) -> None:
    first, second = (
        _plan(_with(_study(), runs__tversky__loss={"name": "tversky", "alpha": a, "beta": b}))
        for a, b in ((alpha, beta), (beta, alpha))
    )
    same = runs.train(first, "main", "tversky", 0) == runs.train(second, "main", "tversky", 0)
    assert same == (alpha == beta)


@UNSETTLED
@given(one=st.floats(0, 1), other=st.floats(0, 1))
def test_states_tell_values_apart_to_the_last_bit(one: float, other: float) -> None:
    states = {
        runs.segment(_plan(_with(_study(), runs__dice__segment={"threshold": value})), "dice")
        for value in (one, other)
    }
    assert len(states) == (1 if one == other else 2)


@UNSETTLED
@given(
    train=st.integers(1, 5),
    val=st.integers(1, 3),
    test=st.integers(1, 3),
    size=st.integers(1, 4),
)
def test_batches_hold_each_sample_once_and_one_part(train: int, val: int, test: int, size: int) -> None:
    slices = {"train": train, "val": val, "test": test}
    plan = _plan(_with(_study(), data__phantom__slices=slices, data__batch_size=size))
    members = [name for names in plan.batches.values() for name in names]
    assert sorted(members) == sorted(plan.samples)
    for names in plan.batches.values():
        assert len({plan.splits["main"][name] for name in names}) == 1
        assert len(names) <= size
    for part, count in slices.items():
        assert len(plan.members("main", part)) == count
        held = {name for batch in plan.batches_of("main", part) for name in plan.batches[batch]}
        assert held == set(plan.members("main", part))


def test_states_hold_no_path_of_this_machine(tmp_path: Path) -> None:
    """A results folder can move, and a state means the same on a cluster."""
    assert not [name for name, state in _states(_plan(_study())).items() if str(tmp_path) in state]


def test_states_name_neither_device_nor_threads() -> None:
    content = yaml.safe_dump(_study(), sort_keys=False)
    Path("config/studies/mini.yaml").write_text(content, encoding="utf-8")
    here = load_plans(Workflow(studies=("mini",)))["mini"]
    there = load_plans(Workflow(studies=("mini",), device="cuda", threads={"train": 8, "predict": 4}))["mini"]
    assert _states(here) == _states(there)


def test_states_are_one_line_of_sorted_json() -> None:
    for name, state in _states(_plan(_study())).items():
        assert json.dumps(json.loads(state), sort_keys=True) == state, name


def test_kinds_of_runs() -> None:
    plan = _plan(_study())
    assert {name: run.kind for name, run in plan.study.runs.items()} == {
        "dice": "plain",
        "tversky": "plain",
        "n4": "calibrated",
        "mean": "ensemble",
    }


def test_studies_must_agree_on_the_kind_of_a_run() -> None:
    """The rules tell runs apart by name."""
    _plan(_study())
    other = _study()
    other["runs"]["dice"]["calibration"] = {"kind": "cubic"}
    Path("config/studies/other.yaml").write_text(yaml.safe_dump(other, sort_keys=False), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"other\.yaml runs\.dice"):
        load_plans(Workflow(studies=("mini", "other")))


@pytest.mark.parametrize(
    ("options", "networks"),
    [
        ({"network": {"name": "ciresan"}}, {"ciresan"}),
        ({"network": {"name": "unet", "width": 2}}, {"unet"}),
        ({}, set()),
        ({"network": "unet"}, set()),
    ],
)
def test_entries_that_build_a_network_follow_its_code(
    options: Content, networks: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of layers holds what the network's module says; without a name, any network may be meant."""
    plan = _plan(_with(_study(), tables__layers={"kind": "layers"} | options))
    seen: list[str] = []
    monkeypatch.setattr(code, "state", lambda *_, modules, **__: seen.extend(modules) or "")
    products.entry(plan, "tables", "layers")
    found = {name.rpartition(".")[2] for name in seen if name.startswith("microtome.networks.")}
    assert found == (networks or NETWORKS)
    seen.clear()
    products.entry(plan, "tables", "comparison")
    assert seen == ["microtome.tables.kinds.comparison"]
