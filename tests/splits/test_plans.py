# SPDX-License-Identifier: MIT
"""Which runs are trained on which of several splits, on which batches, and what shows which records."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from microtome.config.study import Split
from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.study.splits import split_names
from microtome.workflow import needs
from microtome.workflow.asked import ask
from microtome.workflow.needs import files
from microtome.workflow.paths import Layout
from microtome.workflow.states import data, products, runs
from tests.splits.two_splits import changed, plan, rows
from tests.workflow.workspace import REPOSITORY

PAGE = REPOSITORY / "docs/how-to/own-data.md"
AT = Layout("results", "demo", ("two",))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _refusal(**changes: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        plan(changed(**changes))
    return str(caught.value)


def test_a_run_is_trained_on_the_splits_that_it_names() -> None:
    found = plan()
    assert found.split_groups == {"patients": ("patients-0", "patients-1"), "clinics": ("clinics",)}
    trained = [(split, run) for split, run, _ in found.evaluated()]
    assert trained == [
        *(("patients-0", "both"), ("patients-1", "both")),
        *(("clinics", "both"), ("clinics", "alone"), ("clinics", "mean")),
    ]


def test_a_study_of_one_split_is_as_it_was() -> None:
    one = changed(splits=None, split={"kind": "folds", "k": 2}, tables__folds__split="", tables__clinics=None)
    del one["runs"]["alone"], one["runs"]["mean"]
    listed = [{key: cell for key, cell in row.items() if key != "scenario_2"} for row in rows()]
    found = plan(one, listed)
    assert found.split_groups == {"main": ("fold-0", "fold-1")}
    assert {batch.rpartition("-")[0] for batch in found.batches} == {"fold0", "fold1"}
    assert '"splits"' not in products.entry(found, "tables", "folds")


def test_each_way_has_batches_of_its_own_which_hold_each_sample_once() -> None:
    found = plan()
    for group in found.split_groups:
        held = Counter(sample for name in found.batches_in(group) for sample in found.batches[name])
        assert held == Counter(found.samples.keys())
        for name in found.batches_in(group):
            tested = {
                tuple(found.splits[split][sample] == "test" for split in found.split_groups[group])
                for sample in found.batches[name]
            }
            assert len(tested) == 1, "a batch of samples that are tested, or of none"
            assert re.fullmatch(r"[a-z0-9]+-\d+", name)
    assert set(found.batches_in("patients")) | set(found.batches_in("clinics")) == set(found.batches)
    assert {found.group_of(name) for name in found.batches_of("clinics", "train")} == {"clinics"}


def test_another_number_of_folds_leaves_the_other_way_alone() -> None:
    before, after = plan(), plan(changed(splits__patients__k=3))
    assert before.splits["clinics"] == after.splits["clinics"]
    own = {name: before.batches[name] for name in before.batches_in("clinics")}
    assert own == {name: after.batches[name] for name in after.batches_in("clinics")}
    for name in own:
        assert data.import_images(before, name) == data.import_images(after, name)
    assert runs.train(before, "clinics", "alone", 0) == runs.train(after, "clinics", "alone", 0)
    assert products.entry(before, "tables", "clinics") == products.entry(after, "tables", "clinics")
    assert products.entry(before, "tables", "folds") != products.entry(after, "tables", "folds")


def test_a_table_reads_the_runs_of_its_split_alone() -> None:
    found = plan()
    folds, clinics = (files(found, AT, "tables", name)["metrics"] for name in ("folds", "clinics"))
    assert folds == [f"results/demo/two/runs/patients-{n}/both/seed-0/metrics.tsv" for n in (0, 1)]
    assert clinics == [
        f"results/demo/two/runs/clinics/{run}/seed-0/metrics.tsv" for run in ("both", "alone", "mean")
    ]


def test_columns_of_the_sheet_that_say_nothing_of_a_file_change_no_image() -> None:
    before, after = plan(), plan(listed=[row | {"pixels_nest": "7"} for row in rows()])
    name = before.batches_in("clinics")[0]
    assert data.import_images(before, name) == data.import_images(after, name)
    assert data.rasterize_targets(before, name) != data.rasterize_targets(after, name)
    assert "scenario_2" not in data.rasterize_targets(before, name)


def test_complete_labels_are_part_of_what_targets_are_made_of_and_of_nothing_else() -> None:
    before, after = plan(), plan(listed=[row | {"full": f"{row['sample']}-full.png"} for row in rows()])
    name = before.batches_in("clinics")[0]
    assert data.import_images(before, name) == data.import_images(after, name)
    assert data.rasterize_targets(before, name) != data.rasterize_targets(after, name)
    assert [Path(path).name for path in after.files(name, "full")] == [
        f"{sample}-full.png" for sample in after.batches[name]
    ]


def test_a_table_of_complete_labels_asks_for_them_before_any_job() -> None:
    entry = {"kind": "pooled", "runs": ["both"], "split": "clinics", "truth": "full"}
    content = changed(tables={"full": entry}, evaluate={"metrics": ["counts"]})
    only_training = [row | {"full": "f.png" * (row["scenario_2"] == "train")} for row in rows()]
    expected = (
        r"two\.yaml tables\.full\.truth: found 'full', which no evaluated sample has; expected a sample of "
    )
    with pytest.raises(ConfigurationError, match=expected):
        needs.check([plan(content, only_training)])
    needs.check([plan(content, [row | {"full": f"{row['sample']}-full.png"} for row in rows()])])


def test_what_the_page_tells_users_to_write_loads() -> None:
    """docs/how-to/own-data.md."""
    told = yaml.safe_load(
        re.search(r"```yaml\n(splits:.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    )
    found = plan(changed(**told), rows(15))
    assert len([one for one in found.evaluated() if one[1] == "both"]) == 6
    assert len([one for one in found.evaluated() if one[1] == "clinics_only"]) == 1


def test_a_trained_run_is_asked_for_by_one_of_its_splits() -> None:
    options = {"studies": ("two",), "study": "two", "export": "packed"}
    found = plan()
    for run, split in {"both": "patients-1", "alone": "clinics"}.items():
        asked = ask(Workflow(**options, run=run, split=split), {"two": found}, ("export",))
        assert (asked.run, asked.split) == (run, split)
    expected = "split 'main', seed 0; expected a trained one of run 'alone': split=clinics seed=0$"
    with pytest.raises(ConfigurationError, match=expected):
        ask(Workflow(**options, run="alone"), {"two": found}, ("export",))


def test_names_of_splits() -> None:
    assert split_names(Split(kind="folds", k=3), "patients") == ("patients-0", "patients-1", "patients-2")
    assert split_names(Split(kind="random"), "draw") == ("draw",)
    assert split_names(Split(kind="folds", k=2)) == ("fold-0", "fold-1")


BOTH = {"kind": "metrics", "runs": ["both"], "columns": ["mean_dice"]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"split": {"kind": "random", "sizes": {"train": 12}}}, "split: found `split` beside `splits`"),
        ({"runs__alone__splits": ["clinic"]}, "runs.alone.splits.0: found 'clinic'; expected 'clinics'?"),
        (
            {"runs__mean__splits": ["patients"]},
            "found patients, on which 'alone' is not trained",
        ),
        ({"splits__Clinics": {"kind": "folds"}}, "splits.Clinics: found the name 'Clinics'; expected small"),
        ({"splits__weakclinics": {"kind": "folds"}}, "found the name 'weakclinics'; expected small letters"),
        ({"splits__spare": {"kind": "folds"}, "runs__both__splits": ["patients", "clinics"]}, "no run is"),
        ({"splits__clinics__k": 3}, "splits.clinics.k: found an option of splits.clinics.kind 'folds'"),
        (
            {"splits__patients__column": "x"},
            "patients.column: found an option of splits.patients.kind",
        ),
        ({"splits__clinics__column": "label"}, "splits.clinics.column: found 'label'; expected 'part'"),
        (
            {"tables__folds": BOTH},
            "tables.folds.split: found nothing, for runs of patients and clinics; expected the one of them",
        ),
        ({"tables__folds__split": "patient"}, "tables.folds.split: found 'patient'; expected 'patients'"),
        (
            {"tables__folds__runs": ["alone"]},
            "tables.folds.runs.0: found 'alone', which is not trained on 'patients'; expected one of both",
        ),
        (
            {"splits": None, "split": {"kind": "folds", "k": 2}},
            "runs.alone.splits: found clinics; expected none, as the study divides its samples in one way",
        ),
    ],
)
def test_what_contradicts_itself_is_said_before_any_job(changes: dict[str, object], expected: str) -> None:
    assert expected in _refusal(**changes)


def test_an_unknown_split_of_a_run_is_one_fault_of_it() -> None:
    said = _refusal(runs__alone__splits=["clinic"])
    assert said.count("runs.alone.splits") == 1, said
