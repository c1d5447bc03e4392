# SPDX-License-Identifier: MIT
"""A table tells its chain, and what has changed since it was made."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from microtome import __main__ as commands
from microtome.provenance import code
from microtome.provenance.trace import describe, trace
from tests.provenance.traced_study import RUNS, folder_of, write, write_study, write_table

DICE = "../runs/main/dice/seed-0"
Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "demo/made"
    write_study(folder)
    return folder


@pytest.fixture
def study(original: Path, tmp_path: Path) -> Path:
    """A copy elsewhere: a results folder may be moved."""
    return Path(shutil.copytree(original, tmp_path / "moved/made"))


def _changed(study: Path) -> list[tuple[str, str]]:
    return [(step.name, step.state) for step in trace(study / "tables/scores.tsv").differences]


def test_nothing_has_changed_at_first(study: Path) -> None:
    found = trace(study / "tables/scores.tsv")
    assert found.differences == ()
    text = describe(found)
    for piece in (
        "scores.tsv: sha256 ",
        "with microtome.tables.kinds.comparison",
        "run dice (split main, seed 0)",
        f"{DICE}/model.safetensors: sha256 ",
        "training data: phantom, 2 train, 1 val, digest dddddddddddddddd",
        "microtome.losses.dice",
        "git commit: 0000000000000000000000000000000000000000 with changes",
        "../samples.tsv: sha256 ",
        "../targets/test-0: 1 files, 6 bytes, sha256 ",
        "numpy ",
    ):
        assert piece in text, text
    assert text.splitlines()[-1].startswith("all 21 digests are those")


@pytest.mark.parametrize("suffix", ["tsv", "md", "tex", "json"])
def test_any_file_of_a_table_leads_to_the_same_trace(study: Path, suffix: str) -> None:
    assert trace(study / f"tables/scores.{suffix}").steps == trace(study / "tables/scores.tsv").steps


def test_a_path_from_the_working_directory_serves(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study / "tables")
    assert trace("scores.tsv").differences == ()


def _append(name: str) -> Change:
    return lambda study: write(study / name, (study / name).read_text() + " ")


CHANGES: dict[str, tuple[Change, list[tuple[str, str]]]] = {
    "table edited by hand": (_append("tables/scores.md"), [("scores.md", "changed")]),
    "card edited": (_append("runs/main/dice/seed-0/card.json"), [(f"{DICE}/card.json", "changed")]),
    "metrics replaced": (_append("runs/main/iou/seed-0/metrics.tsv"), [(
        "../runs/main/iou/seed-0/metrics.tsv", "changed")]),
    "weights edited": (
        _append("runs/main/dice/seed-0/model.safetensors"),
        [(f"{DICE}/model.safetensors", "changed")] * 2,
    ),
    "sheet edited": (_append("samples.tsv"), [("../samples.tsv", "changed")]),
    "target edited": (_append("targets/test-0/x.tif"), [("../targets/test-0", "changed")]),
    "target added": (
        lambda study: write(study / "targets/test-0/y.tif", ""),
        [("../targets/test-0", "changed")],
    ),
    "targets deleted": (
        lambda study: shutil.rmtree(study / "targets"),
        [("../targets/test-0", "missing")],
    ),
    "table deleted": (lambda study: (study / "tables/scores.tsv").unlink(), [("scores.tsv", "missing")]),
    "weights deleted": (
        lambda study: (folder_of(study, "iou") / "model.safetensors").unlink(),
        [("../runs/main/iou/seed-0/model.safetensors", "missing")] * 2,
    ),
    "card deleted": (
        lambda study: (folder_of(study, "dice") / "card.json").unlink(),
        [(f"{DICE}/card.json", "missing")],
    ),
    "card of another run": (
        lambda study: shutil.copy(folder_of(study, "iou") / "card.json", folder_of(study, "dice")),
        [(f"{DICE}/card.json", "changed"), (f"{DICE}/model.safetensors", "changed")],
    ),
    "no card": (
        lambda study: write(folder_of(study, "dice") / "card.json", "{}"),
        [(f"{DICE}/card.json", "changed"), (f"{DICE}/model.safetensors", "missing")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_and_named(study: Path, name: str) -> None:
    """What is used twice (the weights, by their run and by the ensemble) is named twice."""
    change, expected = CHANGES[name]
    change(study)
    assert _changed(study) == expected
    assert ("MISSING" if expected[-1][1] == "missing" else "CHANGED SINCE") in describe(
        trace(study / "tables/scores.tsv")
    )


def test_changed_code_is_found(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = code.code_digest
    monkeypatch.setattr(
        code,
        "code_digest",
        lambda script, modules: "other" if "microtome.losses.iou" in modules else real(script, modules),
    )
    assert _changed(study) == [("training code", "changed")]


def test_code_that_is_gone_is_found(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "ROOT", tmp_path)
    assert _changed(study) == [("code", "missing"), *[("training code", "missing")] * 2]
    last = describe(trace(study / "tables/scores.tsv")).splitlines()[-1]
    assert last == "3 of 21 digests are not those of the making: code, training code (2 times)"


def test_members_of_an_ensemble_are_followed(study: Path) -> None:
    """A table of the ensemble alone leads to the training of each member."""
    found = trace(write_table(study, ("mean",)))
    assert found.differences == ()
    text = describe(found)
    assert [text.count(f"microtome.losses.{run}") for run in RUNS] == [1, 1]
    assert text.count("training data") == 2


def test_a_file_without_a_sidecar_is_refused(study: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"samples\.json does not exist; name a file of a table"):
        trace(study / "samples.tsv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "lacks .'files', 'config'"),
        ('{"caption": "old"}', "lacks .'files', 'config'"),
        ('{"provenance": {"files": {}}}', "lacks .'config', 'code'"),
    ],
)
def test_a_sidecar_that_tells_nothing_is_refused(study: Path, text: str, message: str) -> None:
    write(study / "tables/scores.json", text)
    with pytest.raises(ValueError, match=message):
        trace(study / "tables/scores.tsv")


def test_a_record_with_holes_is_refused(study: Path) -> None:
    sidecar = study / "tables/scores.json"
    content = json.loads(sidecar.read_text())
    del content["provenance"]["runs"][0]["files"]
    write(sidecar, json.dumps(content))
    with pytest.raises(ValueError, match=r"its provenance is not complete \(KeyError\('files'\)\)"):
        trace(sidecar)


def test_the_command_prints_and_tells_by_its_status(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(study / "tables/scores.tsv")
    monkeypatch.setattr(sys, "argv", ["microtome", "trace", path])
    with pytest.raises(SystemExit) as stopped:
        commands.main()
    assert stopped.value.code == 0
    assert capsys.readouterr().out.endswith(f"all 21 digests are those of the making of {path}\n")
    _append("tables/scores.tsv")(study)
    with pytest.raises(SystemExit) as stopped:
        commands.main(["trace", path])
    assert stopped.value.code == 1
    assert "\n1 of 21 digests are not those of the making: scores.tsv\n" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"error: .*none\.json does not exist"):
        commands.main(["trace", str(study / "tables/none.tsv")])
