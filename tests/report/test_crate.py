# SPDX-License-Identifier: MIT
"""The crate of a scale: complete, without dangling identifiers, honest about simulated data and terms."""

import json
from dataclasses import replace
from typing import Any

import pytest

from microtome.report.crate import MIT, build_crate
from microtome.report.crate_inputs import CrateFile, CrateInputs, CrateProduct, CrateRun, CrateStudy
from tests.crate_checks import check_graph, references

DATASET = {
    "name": "open",
    "title": "An open data set",
    "licence": "CC BY 4.0",
    "citation": "Someone (2020)",
    "doi": ["10.1000/1", "10.1000/2"],
    "homepage": "https://example.org/data",
}


def _file(path: str, sha256: str = "a" * 64) -> CrateFile:
    return CrateFile(path=path, size=3, name=path, sha256=sha256)


def _run(study: str, name: str, source: str, **card: Any) -> CrateRun:
    folder = f"{study}/runs/main/{name}/seed-0"
    trained = {
        "split": "main",
        "seed": 0,
        "data_source": source,
        "network": {"name": "unet", "parameters": 7},
        "loss": {"name": "dice"},
        "device": "cpu",
        "started": "2026-03-01T10:00:00+00:00",
        "finished": "2026-03-01T11:00:00+00:00",
    }
    files = _file(f"{folder}/card.json"), _file(f"{folder}/model.safetensors", "b" * 16)
    return CrateRun(folder=folder, label=name, card=trained | card, sources=(), files=files)


def _study(name: str = "cells", source: str = "phantom", dataset: dict | None = None) -> CrateStudy:
    one = _run(name, "one run", source)
    network = {"name": "ensemble", "parameters": 7}
    mean = {"split": "main", "seed": 0, "data_source": source, "network": network}
    product = CrateProduct(
        kind="table",
        name="scores",
        caption="Scores.",
        files=(_file(f"{name}/tables/scores.tsv"),),
        finished="2026-03-01T11:30:00+00:00",
        sources=(f"{one.folder}/", f"{name}/samples.tsv"),
    )
    return CrateStudy(
        name=name,
        title=f"Title of {name}",
        data_source=source,
        paper="A paper: with marks",
        dataset=dataset,
        files=(_file(f"{name}/samples.tsv"),),
        folders={"images": "images"},
        runs=(one, replace(_run(name, "mean", source), card=mean, sources=(one.folder,))),
        products=(product,),
    )


def _inputs(*studies: CrateStudy) -> CrateInputs:
    names = ("Snakefile", "rules/train.smk", "rules/predict.smk", "rules/evaluate.smk", "config/config.yaml")
    return CrateInputs(
        scale="demo",
        command="snakemake",
        published="2026-03-01T12:00:00+00:00",
        report=_file("report.html"),
        studies=studies or (_study(),),
        workflow=tuple(_file(f"workflow/{name}") for name in names),
        versions={"python": "3.11", "microtome": "0.1", "snakemake": "9.27"},
        machine="a machine",
        commit="git 0123",
    )


PUBLIC = _study("stack", "public", DATASET)
OWN = _study("mine", "own")


@pytest.mark.parametrize("studies", [(_study(),), (PUBLIC,), (OWN,), (_study(), PUBLIC, OWN)])
def test_nothing_dangles_and_nothing_is_told_twice(studies: tuple[CrateStudy, ...]) -> None:
    check_graph(build_crate(_inputs(*studies)))


def test_everything_is_part_of_the_root_directly_or_not() -> None:
    entities = check_graph(build_crate(_inputs(_study(), PUBLIC)))
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


def test_phantoms_are_marked_as_simulated() -> None:
    entities = check_graph(build_crate(_inputs(_study(), PUBLIC)))
    for name in ("cells/", "#data-cells"):
        assert "Simulated images (phantom)" in entities[name]["description"]
        assert entities[name]["keywords"] == "phantom, simulated"
    assert "(simulated)" in entities["cells/runs/main/one%20run/seed-0/"]["description"]
    assert "no tissue of any patient: cells." in entities["./"]["description"]
    for name in ("stack/", "#data-open", "stack/runs/main/one%20run/seed-0/"):
        assert "simulated" not in json.dumps(entities[name])
    assert "phantom" not in json.dumps(check_graph(build_crate(_inputs(PUBLIC)))["./"])


def test_terms_and_citations_of_public_data_are_told() -> None:
    entities = check_graph(build_crate(_inputs(PUBLIC)))
    assert entities["./"]["license"] == [{"@id": MIT}, {"@id": "#licence-open"}]
    assert entities["stack/"]["license"] == {"@id": "#licence-open"}
    assert entities["#licence-open"]["description"] == "CC BY 4.0"
    data = entities["#data-open"]
    assert data["description"] == "Someone (2020)"
    assert data["url"] == "https://example.org/data"
    assert data["citation"] == [{"@id": "https://doi.org/10.1000/1"}, {"@id": "https://doi.org/10.1000/2"}]
    (paper,) = references(entities["stack/"]["citation"])
    assert entities[paper]["name"] == "A paper: with marks"


def test_a_table_leads_to_its_runs_and_they_to_their_training() -> None:
    entities = check_graph(build_crate(_inputs()))
    table = entities["#table-cells-scores"]
    run = "cells/runs/main/one%20run/seed-0"
    assert table["result"] == {"@id": "cells/tables/scores.tsv"}
    assert table["object"] == [{"@id": f"{run}/"}, {"@id": "cells/samples.tsv"}]
    training = entities[f"#run-{run}"]
    assert training["result"] == {"@id": f"{run}/"}
    assert training["instrument"] == {"@id": "workflow/rules/train.smk"}
    assert training["endTime"] == "2026-03-01T11:00:00+00:00"
    mean = entities["#run-cells/runs/main/mean/seed-0"]
    assert (mean["object"], mean["instrument"]) == (
        {"@id": f"{run}/"},
        {"@id": "workflow/rules/predict.smk"},
    )
    assert "endTime" not in mean
    assert {"@id": f"#run-{run}"} in entities["./"]["mentions"]


def test_a_digest_is_whole_or_said_to_be_the_start() -> None:
    entities = check_graph(build_crate(_inputs()))
    run = "cells/runs/main/one%20run/seed-0"
    assert entities[f"{run}/card.json"]["sha256"] == "a" * 64
    weights = entities[f"{run}/model.safetensors"]
    assert "sha256" not in weights
    assert weights["identifier"] == f"sha256:{'b' * 16}"


def test_versions_are_told_of_the_software_and_the_workflow() -> None:
    entities = check_graph(build_crate(_inputs()))
    assert entities["#software-python"]["softwareVersion"] == "3.11"
    assert entities["workflow/Snakefile"]["version"] == "0.1 (git 0123)"
    assert {"@id": "#software-snakemake"} in entities["workflow/Snakefile"]["softwareRequirements"]
    assert entities["#run"]["startTime"] == "2026-03-01T10:00:00+00:00"


def test_the_same_inputs_give_the_same_crate() -> None:
    assert json.dumps(build_crate(_inputs(_study(), OWN))) == json.dumps(build_crate(_inputs(_study(), OWN)))


def test_a_crate_without_a_workflow_is_refused() -> None:
    with pytest.raises(ValueError, match="no workflow/Snakefile; copy the Snakefile"):
        build_crate(replace(_inputs(), workflow=()))


def test_two_things_of_one_name_are_refused() -> None:
    study = _study()
    twice = replace(study, files=(*study.files, replace(study.files[0], size=4)))
    with pytest.raises(ValueError, match=r"two things .* the identifier cells/samples\.tsv"):
        build_crate(_inputs(twice))


def test_a_large_study_makes_a_crate_of_reasonable_size() -> None:
    """Five splits, five seeds, nine runs, forty tables and figures of all of them: below 2 MB."""
    study = _study()
    folders = [f"runs/split-{s}/exp_{r}/seed-{i}" for s in range(5) for r in range(9) for i in range(5)]
    runs = tuple(
        replace(study.runs[0], folder=f, files=tuple(_file(f"{f}/{n}.tsv") for n in range(4)))
        for f in folders
    )
    products = tuple(
        replace(
            study.products[0],
            name=f"t{n}",
            files=tuple(_file(f"cells/tables/t{n}.{kind}") for kind in ("tsv", "md", "tex", "json")),
            sources=tuple(f"{folder}/" for folder in folders),
        )
        for n in range(40)
    )
    content = build_crate(_inputs(replace(study, runs=runs, products=products)))
    check_graph(content)
    assert len(json.dumps(content, indent=2)) < 2_000_000
