# SPDX-License-Identifier: MIT
"""What a sidecar says of the origin of a table, and what it leaves as it was."""

import json
from pathlib import Path

import pytest

from microtome.files import digest_of_options, sha256_of_file
from microtome.provenance import record as lineage
from tests.provenance.traced_study import MODULES, SCRIPT, folder_of, write, write_study, write_table


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_study(tmp_path / "demo/made")
    return tmp_path / "demo/made"


def _record(study: Path) -> dict:
    return json.loads((study / "tables/scores.json").read_text())["provenance"]


def test_everything_is_named_with_its_digest(study: Path) -> None:
    record = _record(study)
    tables = study / "tables"
    assert record["files"] == {
        f"scores.{suffix}": sha256_of_file(tables / f"scores.{suffix}") for suffix in ("tsv", "md", "tex")
    }
    assert (record["code"]["script"], record["code"]["modules"]) == (SCRIPT, list(MODULES))
    assert record["config"] == digest_of_options({"kind": "comparison", "modules": list(MODULES)})
    dice, _, mean = record["runs"]
    assert dice["folder"] == "../runs/main/dice/seed-0"
    assert dice["files"]["card.json"] == sha256_of_file(folder_of(study, "dice") / "card.json")
    assert sorted(dice["files"]) == ["card.json", "history.tsv", "metrics.tsv"]
    assert sorted(mean["files"]) == ["card.json", "metrics.tsv"]
    assert {"versions", "platform", "git_commit"} == set(record["environment"])


def test_a_run_s_files_are_told_with_the_run_alone(study: Path) -> None:
    paths = [item["path"] for item in _record(study)["inputs"]]
    assert paths == ["../samples.tsv", "../splits/main.tsv", "../targets/test-0"]


def test_what_is_recorded_stays_out_of_the_table(study: Path) -> None:
    """Same values, another card: another sidecar, the same table."""
    tables = study / "tables"
    before = {path.name: path.read_bytes() for path in tables.iterdir()}
    card = folder_of(study, "dice") / "card.json"
    write(card, card.read_text().replace("2026-03-01", "2026-03-02"))
    write_table(study, ("dice", "iou", "mean"))
    after = {path.name: path.read_bytes() for path in tables.iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["scores.json"]


def test_a_folder_is_its_names_sizes_and_contents(tmp_path: Path) -> None:
    for name in ("a/x", "b/x", "c/y", "d/x"):
        write(tmp_path / name, "same" if name[0] != "d" else "emas")
    found = {name: lineage.of_folder(tmp_path / name)["sha256"] for name in "abcd"}
    assert found["a"] == found["b"]
    assert len(set(found.values())) == 3


def test_hidden_files_are_not_part_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "a/deep/x", "1")
    before = lineage.of_folder(tmp_path / "a")
    write(tmp_path / "a/.partial", "2")
    write(tmp_path / "a/deep/.snakemake_timestamp", "2")
    assert lineage.of_folder(tmp_path / "a") == before
    assert (before["files"], before["bytes"]) == (1, 1)


def test_of_a_large_folder_only_names_and_sizes_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "WHOLE_BYTES", 3)
    write(tmp_path / "x", "four")
    before = lineage.of_folder(tmp_path)
    write(tmp_path / "x", "ruof")
    assert lineage.of_folder(tmp_path) == before
    write(tmp_path / "x", "five5")
    assert lineage.of_folder(tmp_path) != before


def test_an_input_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lineage.of_path(tmp_path / "none", tmp_path)
