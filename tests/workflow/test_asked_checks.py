# SPDX-License-Identifier: MIT
"""What `snakemake -n` says of new images that are not like those a run was trained on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.io import images
from microtome.provenance.cards import CARD_NAME
from microtome.study.load import load_plans
from microtome.study.plan import StudyPlan
from microtome.workflow.asked import Asked, ask
from microtome.workflow.paths import Layout
from tests.synthetic_study import card
from tests.workflow.workspace import own_study

AT = Layout("results", "demo", ("own",))
RUN = Path("results/demo/own/runs/main/dice/seed-0")
SEEN = {
    **{"classes": ["membrane", "cell"], "channels": 1, "mpp": [0.5, 0.5], "dtype": "uint8"},
    **{"value_range": [0, 255], "modality": "grey", "data_kind": "real"},
}
GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, StudyPlan]:
    monkeypatch.chdir(tmp_path)
    study = own_study()
    Path("config/studies").mkdir(parents=True)
    Path("config/studies/own.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    Path("data/own").mkdir(parents=True)
    rows = [f"s{n}\ts{n}.png\ts{n}.png\tb{n}\t{part}" for n, part in enumerate(("train", "val", "test"))]
    sheet = "\n".join(["sample\timage\tlabel\tblock\tpart", *rows]) + "\n"
    Path("data/own/samples.tsv").write_text(sheet, encoding="utf-8")
    return load_plans(Workflow(studies=("own",)), look_at_files=False)


def trained(**changes: Any) -> None:
    """The run's card."""
    RUN.mkdir(parents=True, exist_ok=True)
    content = card("dice") | {"data_source": "own"} | SEEN | changes
    (RUN / CARD_NAME).write_text(json.dumps(content), encoding="utf-8")


def new(name: str, array: np.ndarray, *, mpp: float | None = None) -> None:
    Path("new").mkdir(exist_ok=True)
    if name.endswith(".png"):
        Image.fromarray(array).save(Path("new") / name)
    else:
        images.write(Path("new") / name, array, mpp=mpp)


def asked(plans: dict[str, StudyPlan], **options: Any) -> Asked:
    workflow = Workflow(**({"study": "own", "run": "dice", "images": "new"} | options))
    return ask(workflow, plans, ("images",), at=AT)


def faults(plans: dict[str, StudyPlan], **options: Any) -> list[str]:
    try:
        asked(plans, **options)
    except ConfigurationError as error:
        return [str(fault) for fault in error.faults]
    return []


def test_images_like_those_of_training_are_taken(plans: dict[str, StudyPlan]) -> None:
    trained()
    new("a.png", GREY)
    new("b.tif", GREY, mpp=0.45)
    new("deep.tif", GREY.astype(np.uint16) * 257)
    new("unit.tif", GREY.astype(np.float32) / 255)
    assert faults(plans) == []


def test_other_channels_are_named_together(plans: dict[str, StudyPlan]) -> None:
    trained()
    for number in range(7):
        new(f"{number}.png", np.zeros((6, 8, 3), np.uint8))
    (found,) = faults(plans)
    assert "found 3 channels in 0.png, 1.png, 2.png, 3.png, 4.png and 2 more; expected 1, as in" in found


def test_another_depth_is_refused_where_it_cannot_be_converted_exactly(plans: dict[str, StudyPlan]) -> None:
    trained()
    new("a.tif", GREY.astype(np.uint16) * 31)
    (found,) = faults(plans)
    assert found.startswith("--config images: found uint16 values in a.tif; expected uint8, as in the images")


def test_a_damaged_image_says_nothing_of_the_depth_of_others(plans: dict[str, StudyPlan]) -> None:
    trained()
    deep = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    for name, array in (("a.png", deep), ("b.png", deep // 16 * 257)):
        new(name, array)
    whole = Path("new/a.png").read_bytes()
    Path("new/a.png").write_bytes(whole[: len(whole) // 2])
    assert faults(plans) == []
    new("b.png", deep)
    (found,) = faults(plans)
    assert "uint16 values in a.png, b.png" in found


def test_one_image_that_cannot_be_converted_does_not_stop_the_others(plans: dict[str, StudyPlan]) -> None:
    trained()
    new("a.tif", np.where(GREY > 40, np.nan, GREY / 255).astype(np.float32))
    assert "float32 values in a.tif" in faults(plans)[0]
    new("b.tif", (GREY / 255).astype(np.float32))
    assert faults(plans) == []


def test_another_pixel_size_is_refused_and_can_be_put_right(plans: dict[str, StudyPlan]) -> None:
    trained()
    new("a.tif", GREY, mpp=0.25)
    (found,) = faults(plans)
    assert "found 0.25 µm per pixel in a.tif; expected 0.5 µm, as in the images" in found
    assert faults(plans, mpp=0.5) == []
    assert asked(plans, mpp=0.5).rows()[0]["mpp"] == 0.5
    trained(mpp=[0.25, 0.5])
    assert faults(plans) == []
    assert asked(plans).rows()[0]["mpp"] == 0.25, "the file's own"


def test_pixel_sizes_are_those_of_files_where_networks_see_larger_pixels(plans: dict[str, StudyPlan]) -> None:
    study = yaml.safe_load(Path("config/studies/own.yaml").read_text(encoding="utf-8"))
    study["data"] |= {"downsample": 4, "mpp": 0.5}
    Path("config/studies/own.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    reduced = load_plans(Workflow(studies=("own",)), look_at_files=False)
    new("a.tif", GREY, mpp=0.5)
    assert faults(reduced) == [], "before training, the study says it"
    trained(mpp=[2.0, 2.0])
    assert faults(reduced) == []
    new("b.tif", GREY, mpp=2.0)
    (found,) = faults(reduced)
    assert "found 2 µm per pixel in b.tif; expected 0.5 µm, as in the images" in found
    (found,) = faults(plans)
    assert "found 0.5 µm per pixel in a.tif; expected 2 µm" in found


def test_a_run_of_a_phantom_is_refused_unless_it_is_meant(plans: dict[str, StudyPlan]) -> None:
    trained(data_kind="phantom", data_source="phantom")
    new("a.png", GREY)
    (found,) = faults(plans)
    assert found.startswith("--config phantom_model: found a run that was trained on simulated images")
    assert faults(plans, phantom_model=True) == []


def test_before_training_the_study_says_what_it_takes(plans: dict[str, StudyPlan]) -> None:
    new("a.png", np.zeros((6, 8, 3), np.uint8))
    (found,) = faults(plans)
    assert "found 3 channels in a.png; expected 1" in found


def test_a_chosen_name_is_not_shared(plans: dict[str, StudyPlan]) -> None:
    trained()
    new("a.png", GREY)
    folder = RUN / "applied/trial"
    folder.mkdir(parents=True)
    (folder / "summary.tsv").write_text("image\tsample\nother/a.png\ta\n", encoding="utf-8")
    (found,) = faults(plans, name="trial")
    assert found.startswith(
        "--config name: found 'trial', which holds the results of other; expected another"
    )
    (folder / "summary.tsv").write_text("image\tsample\nnew/a.png\ta\n", encoding="utf-8")
    assert faults(plans, name="trial") == []


def test_results_by_other_labels_are_not_replaced(plans: dict[str, StudyPlan]) -> None:
    trained()
    new("a.png", GREY)
    for name in ("first", "second"):
        Path(name).mkdir()
        images.write_png(Path(name, "a.png"), GREY)

    def labelled(labels: str, **options: str) -> str:
        workflow = Workflow(study="own", run="dice", images="new", labels=labels, **options)
        return ask(workflow, plans, ("images", "labels"), at=AT).folder

    name = labelled("first")
    folder = RUN / "evaluated" / name
    folder.mkdir(parents=True)
    (folder / "images.tsv").write_text("image\tlabel\nnew/a.png\tfirst/a.png\n", encoding="utf-8")
    assert labelled(str(Path("first").absolute())) == name, "the same labels, perhaps corrected"
    with pytest.raises(ConfigurationError, match=r"'second' for images .* by the labels in first") as told:
        labelled("second")
    assert f"(name=…); or delete {folder}" in str(told.value)
    assert labelled("second", name="b") == "b"


def test_a_packed_model_stands_alone(plans: dict[str, StudyPlan]) -> None:
    Path("a.zip").write_bytes(b"no archive")
    new("a.png", GREY)
    with pytest.raises(ValueError, match=r"a\.zip: a damaged archive"):
        asked(plans, model="a.zip")
    with pytest.raises(FileNotFoundError, match=r"b\.zip does not exist; expected a packed model"):
        asked(plans, model="b.zip")


def test_numbers_of_objects_do_not_say_which_class_each_has(plans: dict[str, StudyPlan]) -> None:
    def named(classes: list[str], label: str) -> list[str]:
        study = own_study()
        study["data"]["classes"] = classes
        study["targets"] = {"kind": "instances"}
        study["runs"]["dice"]["loss"] = {"name": "cross_entropy"}
        study["runs"]["dice"]["segment"] = {"kind": "watershed", "markers": "distance"}
        Path("config/studies/own.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        several = load_plans(Workflow(studies=("own",)), look_at_files=False)
        Path("truth").mkdir(exist_ok=True)
        (Path("truth") / label).touch()
        workflow = Workflow(study="own", run="dice", images="new", labels="truth")
        try:
            ask(workflow, several, ("images", "labels"), at=AT)
        except ConfigurationError as error:
            return [str(fault) for fault in error.faults]
        return []

    new("a.png", GREY)
    (found,) = named(["background", "tumor", "stroma"], "a.png")
    assert found.startswith(
        "--config labels: found numbers of objects, without their classes, in a.png; expected"
    )
    assert named(["background", "nucleus"], "a.png") == []
    Path("truth/a.png").unlink()
    assert named(["background", "tumor", "stroma"], "a.geojson") == []
