# SPDX-License-Identifier: MIT
"""The crate of a scale: complete, without dangling identifiers, honest about simulated data and terms."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from microtome.provenance import environment
from microtome.stages import crate
from microtome.stages.crate import MIT, write_crate
from tests.crate_checks import check_crate, check_graph, references

DATASET = {
    "title": "An open data set",
    "licence": "CC BY 4.0",
    "citation": "Someone (2020)",
    "doi": ["10.1000/1", "10.1000/2"],
    "homepage": "https://example.org/data",
    "files": [{"path": "a.tif", "sha256": "0" * 64, "size": 1}],
}
WRITTEN = 1_772_366_400
"""2026-03-01T12:00:00 UTC."""
STARTED, FINISHED = "2026-03-01T10:00:00+00:00", "2026-03-01T11:00:00+00:00"
RUN = "cells/runs/main/one run/seed-0"


def _write(path: Path, content: object = "x\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    os.utime(path, (WRITTEN, WRITTEN))


def _run(home: Path, folder: str, source: str = "phantom", **card: Any) -> None:
    """A run's folder, as its training leaves it."""
    study, _, split, run, seed = folder.split("/")
    trained = {
        "study": study,
        "run": run,
        "split": split,
        "seed": int(seed.removeprefix("seed-")),
        "scale": "demo",
        "data_source": source,
        "network": {"name": "unet", "parameters": 7},
        "seconds": {"train": 1.0, "validate": 1.0},
        "loss": {"name": "dice"},
        "device": "cpu",
        "started": STARTED,
        "finished": FINISHED,
        "digests": {"weights": "b" * 16},
    }
    _write(home / folder / "card.json", trained | card)
    _write(home / folder / "model.safetensors")


def _product(
    home: Path, path: str, runs: list[str], title: str = "", kinds: tuple[str, ...] = ("tsv",)
) -> None:
    """A table or a figure, and its sidecar."""
    files = [f"{Path(path).name}.{kind}" for kind in kinds]
    for name in files:
        _write((home / path).with_name(name))
    told = {"files": dict.fromkeys(files, ""), "config": "", "code": {}, "environment": {}}
    told |= {
        "runs": [{"folder": run} for run in runs],
        "inputs": [{"path": "../samples.tsv"}, {"path": "../x"}],
    }
    _write(home / f"{path}.json", {"title": title, "caption": "Scores.", "provenance": told})


def _study(home: Path, name: str = "cells", source: str = "phantom") -> dict[str, Any]:
    """A study on disk: a run, an ensemble of it, a table; what the rule's options tell of it."""
    for sheet in ("samples.tsv", "splits/main.tsv", "images/0.tif"):
        _write(home / name / sheet)
    _run(home, f"{name}/runs/main/one run/seed-0", source)
    trained = [{"run": "one run", "seed": 0}]
    network = {"name": "ensemble", "parameters": 7, "trained": trained}
    _run(home, f"{name}/runs/main/mean/seed-0", source, network=network)
    _product(home, f"{name}/tables/scores", ["../runs/main/one run/seed-0"])
    return {
        "title": f"Title of {name}",
        "paper": "p",
        "data_kind": source,
        "dataset": "open" if source == "public" else None,
        "tables": [["scores", ""]],
        "figures": [],
        "labels": {},
        "evaluated": [["main", "one run", 0], ["main", "mean", 0]],
        "splits": ["main"],
    }


def _written(home: Path, **studies: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Write the crate of studies on disk; returns its entities."""
    _write(home / "report.html")
    _write(home / "../published.yaml", yaml.safe_dump({"papers": {"p": {"title": "A paper: with marks"}}}))
    _write(home / "../datasets.yaml", yaml.safe_dump({"open": DATASET}))
    options = {"scale": "demo", "command": "snakemake", "studies": studies or {"cells": _study(home)}}
    write_crate(
        options,
        home / "ro-crate-metadata.json",
        page=home / "report.html",
        workflow=home / "workflow",
        published=home / "../published.yaml",
        catalogue=home / "../datasets.yaml",
    )
    return check_graph(json.loads((home / "ro-crate-metadata.json").read_text(encoding="utf-8")))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a report; the working directory is a project without files of its own."""
    place = tmp_path / "report"
    place.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environment, "git_state", lambda _: {"commit": "0123", "dirty": False})
    return place


SOURCES = {"cells": "phantom", "stack": "public", "mine": "own"}


@pytest.mark.parametrize("names", [["cells"], ["stack"], ["mine"], [*SOURCES]])
def test_nothing_dangles_and_nothing_is_told_twice(home: Path, names: list[str]) -> None:
    _written(home, **{name: _study(home, name, SOURCES[name]) for name in names})
    check_crate(home)


def test_a_study_without_a_paper_cites_none(home: Path) -> None:
    told = {paper: _written(home, cells=_study(home) | {"paper": paper}) for paper in ("p", None)}
    assert told["p"]["cells/"]["citation"] == {"@id": "#paper-A%20paper%3A%20with%20marks"}
    assert "citation" not in told[None]["cells/"]
    assert not [name for name in told[None] if "paper" in name]
    check_crate(home)


def test_everything_is_part_of_the_root_directly_or_not(home: Path) -> None:
    entities = _written(home, cells=_study(home), stack=_study(home, "stack", "public"))
    for study in ("cells", "stack"):
        parts = {*references(entities[f"{study}/"]["hasPart"])}
        assert parts >= {f"{study}/samples.tsv", f"{study}/tables/scores.tsv", f"{study}/images/"}
        assert f"{study}/runs/main/one%20run/seed-0/" in parts
    assert f"{RUN}/card.json".replace(" ", "%20") in references(
        entities["cells/runs/main/one%20run/seed-0/"]["hasPart"]
    )
    reached, waiting = set(), ["./"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting += [other for other in references(entities[name].get("hasPart", [])) if other not in reached]
    assert {
        name
        for name, entity in entities.items()
        if {"File", "Dataset"}
        & {*([entity["@type"]] if isinstance(entity["@type"], str) else entity["@type"])}
        and not name.startswith("#")
    } == reached


def test_phantoms_are_marked_as_simulated(home: Path) -> None:
    entities = _written(home, cells=_study(home), stack=_study(home, "stack", "public"))
    for name in ("cells/", "#data-cells"):
        assert "Simulated images (phantom)" in entities[name]["description"]
        assert entities[name]["keywords"] == "phantom, simulated"
    assert "(simulated)" in entities["cells/runs/main/one%20run/seed-0/"]["description"]
    assert "no tissue of any patient: cells." in entities["./"]["description"]
    for name in ("stack/", "#data-open", "stack/runs/main/one%20run/seed-0/"):
        assert "simulated" not in json.dumps(entities[name])
    assert "phantom" not in json.dumps(_written(home, stack=_study(home, "stack", "public"))["./"])


def test_terms_and_citations_of_public_data_are_told(home: Path) -> None:
    entities = _written(home, stack=_study(home, "stack", "public"))
    assert entities["./"]["license"] == [{"@id": MIT}, {"@id": "#licence-open"}]
    assert entities["stack/"]["license"] == {"@id": "#licence-open"}
    assert entities["#licence-open"]["description"] == "CC BY 4.0"
    data = entities["#data-open"]
    assert data["description"] == "Someone (2020)"
    assert data["url"] == "https://example.org/data"
    assert data["citation"] == [{"@id": "https://doi.org/10.1000/1"}, {"@id": "https://doi.org/10.1000/2"}]
    (paper,) = references(entities["stack/"]["citation"])
    assert entities[paper]["name"] == "A paper: with marks"


def test_a_table_leads_to_its_runs_and_they_to_their_training(home: Path) -> None:
    entities = _written(home)
    table = entities["#table-cells-scores"]
    run = RUN.replace(" ", "%20")
    assert [*references(table["result"])] == ["cells/tables/scores.tsv", "cells/tables/scores.json"]
    assert table["object"] == [{"@id": f"{run}/"}, {"@id": "cells/samples.tsv"}]
    assert table["endTime"] == "2026-03-01T12:00:00+00:00"
    training = entities[f"#run-{run}"]
    assert training["result"] == {"@id": f"{run}/"}
    assert training["instrument"] == {"@id": "workflow/rules/train.smk"}
    assert training["object"] == [{"@id": "cells/samples.tsv"}, {"@id": "cells/splits/main.tsv"}]
    assert training["endTime"] == FINISHED
    mean = entities["#run-cells/runs/main/mean/seed-0"]
    assert (mean["object"], mean["instrument"]) == (
        [{"@id": f"{run}/"}],
        {"@id": "workflow/rules/predict.smk"},
    )
    assert "endTime" not in mean
    assert {"@id": f"#run-{run}"} in entities["./"]["mentions"]


def test_a_run_with_the_weights_of_another_is_made_from_it(home: Path) -> None:
    study = _study(home) | {"evaluated": [["main", "one run", 0], ["main", "two", 0]]}
    _run(home, "cells/runs/main/two/seed-0", weights_of="one run")
    entities = _written(home, cells=study)
    assert entities["#run-cells/runs/main/two/seed-0"]["object"] == [{"@id": f"{RUN.replace(' ', '%20')}/"}]


def test_a_digest_is_whole_or_said_to_be_the_start(home: Path) -> None:
    entities = _written(home)
    run = RUN.replace(" ", "%20")
    assert entities[f"{run}/card.json"]["sha256"] == crate.sha256_of_file(home / RUN / "card.json")
    weights = entities[f"{run}/model.safetensors"]
    assert "sha256" not in weights
    assert weights["identifier"] == f"sha256:{'b' * 16}"


def test_versions_are_told_of_the_software_and_the_workflow(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {"python": "3.11", "microtome": "0.1", "snakemake": "9.27"}
    monkeypatch.setattr(environment, "versions", versions.copy)
    entities = _written(home)
    assert entities["#software-python"]["softwareVersion"] == "3.11"
    assert entities["workflow/Snakefile"]["version"] == "0.1 (git 0123)"
    assert {"@id": "#software-snakemake"} in entities["workflow/Snakefile"]["softwareRequirements"]
    (language,) = references(entities["workflow/Snakefile"]["programmingLanguage"])
    assert entities[language]["version"] == "9.27"
    assert entities["#run"]["startTime"] == STARTED
    assert entities["#run"]["endTime"] == "2026-03-01T12:00:00+00:00"


def test_the_same_results_give_the_same_crate(home: Path) -> None:
    studies = {name: _study(home, name, source) for name, source in SOURCES.items()}
    _written(home, **studies)
    first = (home / "ro-crate-metadata.json").read_bytes()
    _written(home, **studies)
    assert (home / "ro-crate-metadata.json").read_bytes() == first


def test_a_crate_without_a_workflow_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crate, "COPIED", ("LICENSE",))
    with pytest.raises(FileNotFoundError, match="workflow/Snakefile"):
        _written(home)


def test_two_things_of_one_name_are_refused(home: Path) -> None:
    twice = _study(home) | {"tables": [["scores", "One"], ["scores", "Another"]]}
    with pytest.raises(ValueError, match=r"two things .* the identifier cells/tables/scores\.tsv"):
        _written(home, cells=twice)


def test_a_large_study_makes_a_crate_of_reasonable_size(home: Path) -> None:
    """Five splits, five seeds, nine runs, forty tables and figures of all of them: below 2 MB."""
    runs = [[f"split-{s}", f"exp_{r}", i] for s in range(5) for r in range(9) for i in range(5)]
    folders = [f"runs/{split}/{run}/seed-{seed}" for split, run, seed in runs]
    study = _study(home) | {"evaluated": runs, "tables": [[f"t{n}", ""] for n in range(40)]}
    for folder in folders:
        _run(home, f"cells/{folder}")
        for name in ("history.tsv", "metrics.tsv"):
            _write(home / "cells" / folder / name)
    for name, _ in study["tables"]:
        _product(home, f"cells/tables/{name}", [f"../{f}" for f in folders], kinds=("tsv", "md", "tex"))
    entities = _written(home, cells=study)
    assert len(entities["#table-cells-t39"]["object"]) == len(runs) + 1
    assert (home / "ro-crate-metadata.json").stat().st_size < 2_000_000
