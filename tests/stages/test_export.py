# SPDX-License-Identifier: MIT
"""A trained run packed for use elsewhere."""

import io
import json
import zipfile

from microtome import networks
from microtome.stages.export import export_run
from microtome.workflow.states import applied
from tests.stages.objects import ZOOM, options


def card(folder):
    return json.loads((folder / "card.json").read_text())


def packed(found, path, run="marked", members=("marked",), tuned=(), **changes):
    chosen = options(applied.export_run(found.plan, run, None)) | changes
    stains = [found.root / f"stains/{name}/target.json" for name in chosen["stains"]]
    folders = [found.runs[member] for member in members]
    metrics = [folders[0] / "metrics.tsv"]
    export_run(chosen, members=folders, stains=stains, metrics=metrics, archive=path, tuned=tuned)
    return zipfile.ZipFile(io.BytesIO(path.read_bytes()))


def test_a_package_holds_what_applying_needs(found, tmp_path):
    archive = packed(found, tmp_path / "a.zip")
    run = found.runs["marked"]
    expected = {f"marked/{name}": run / name for name in ("model.safetensors", "card.json", "history.tsv")}
    expected |= {
        "stains/spcn/target.json": found.root / "stains/spcn/target.json",
        "metrics.tsv": run / "metrics.tsv",
    }
    assert archive.namelist() == sorted([*expected, "README.md", "model.json", "run.json"])
    assert archive.testzip() is None
    for name, path in expected.items():
        assert archive.read(name) == path.read_bytes()
    settings = json.loads(archive.read("run.json"))
    assert list(settings) == ["marked"]
    assert settings["marked"]["segment"]["kind"] == "watershed"
    assert settings["marked"]["stain"] == "spcn"


def test_packing_twice_gives_the_same_bytes(found, tmp_path):
    packed(found, tmp_path / "a.zip")
    packed(found, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.zip", "b.zip"], "nothing unfinished"
    packed(found, tmp_path / "b.zip", label="Another")
    assert (tmp_path / "a.zip").read_bytes() != (tmp_path / "b.zip").read_bytes()


def test_the_readme_says_what_the_model_is_and_how_good(found, tmp_path):
    data = {"citation": "Somebody, A set of images.", "licence": "CC BY 4.0"}
    text = packed(found, tmp_path / "a.zip", dataset=data).read("README.md").decode()
    about = card(found.runs["marked"])
    parameters = networks.parameter_count(networks.build("usenet", encoder="resnet18", width=2))
    for expected in (
        "# With a marker (he, demo scale)\n",
        f"`usenet` (encoder resnet18, in_channels 3, out_channels 2, width 2), {parameters:,} parameters",
        f"trained on 2 images (phantom data), 1 epochs, best epoch {about['best_epoch']}, seed 0.",
        "Data: Somebody, A set of images. Licence: CC BY 4.0.",
        "| part | class | metric | mean | sd | images |",
    ):
        assert expected in text
    values = found.metrics["marked"].set_index(["class", "metric"])["value"]
    assert f"| test | nucleus | dice | {values['nucleus', 'dice']:.4f} | – | 1 |" in text
    assert "nan" not in text
    assert "Data:" not in packed(found, tmp_path / "b.zip").read("README.md").decode()


def test_a_package_holds_what_was_tuned(found, tmp_path):
    tuned = tmp_path / "tuned.json"
    chosen = {"values": {"mask_threshold": 0.35, "min_object_area": 20}, "metric": "aji", "class": None}
    tuned.write_text(json.dumps(chosen | {"samples": ["a", "b"]}))
    archive = packed(found, tmp_path / "a.zip", tuned=[tuned])
    assert archive.read("tuned.json") == tuned.read_bytes()
    assert "tuned.json" in json.loads(archive.read("model.json"))["files"]
    text = archive.read("README.md").decode()
    said = "- segmentation: mask_threshold 0.35, min_object_area 20, chosen by aji on 2 images that were not"
    assert said in text
    assert "- segmentation" not in packed(found, tmp_path / "b.zip").read("README.md").decode()


def test_the_package_of_an_ensemble_holds_each_member(found, tmp_path):
    members = ("marked", "marked_too")
    archive = packed(found, tmp_path / "a.zip", run="twin", members=members)
    assert {f"{member}/model.safetensors" for member in members} < set(archive.namelist())
    settings = json.loads(archive.read("run.json"))
    assert set(settings) == {"twin", *members}
    assert settings["twin"]["members"] == list(members)
    assert settings["marked_too"]["input"]["zoom"] == ZOOM
    text = archive.read("README.md").decode()
    assert "The mean of the maps of these runs:\n\n- `marked`: network" in text
    assert "\n- `marked_too`: network" in text


def test_folds_tell_of_a_run_that_learnt_from_every_image(found, tmp_path):
    """Their metrics are packed one below the other, and the README says of which trainings they are."""
    one, other = tmp_path / "one.tsv", tmp_path / "other.tsv"
    text = (found.runs["marked"] / "metrics.tsv").read_text()
    one.write_text(text)
    other.write_text(text.replace("\tmain\t", "\tfold-1\t"))
    chosen = options(applied.export_run(found.plan, "marked", None)) | {"measured_on": ["main", "fold-1"]}
    stains = [found.root / f"stains/{name}/target.json" for name in chosen["stains"]]
    archive, run = tmp_path / "a.zip", found.runs["marked"]
    export_run(chosen, members=[run], stains=stains, metrics=[one, other], archive=archive)
    packed_files = zipfile.ZipFile(archive)
    rows = packed_files.read("metrics.tsv").decode().splitlines()
    assert rows == [*text.splitlines(), *other.read_text().splitlines()[1:]]
    readme = packed_files.read("README.md").decode()
    assert "each on images that it did not see: main, fold-1." in readme
    assert "| test | nucleus | dice |" in readme
