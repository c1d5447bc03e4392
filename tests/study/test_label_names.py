# SPDX-License-Identifier: MIT
"""Names of classes in files of outlines, which the dry run looks at."""

import json

import numpy as np
import yaml
from PIL import Image
from pytest import fixture, raises

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.io import images
from microtome.stages.targets import rasterize_targets
from microtome.study.load import load_plans
from microtome.workflow.states.data import target_options
from tests.objects.test_features import box, layer
from tests.workflow.workspace import own_study

CLASSES = ["background", "tumor", "stroma"]
PARTS = ("train", "val", "test")


@fixture
def project(tmp_path, monkeypatch):
    """A study of three images whose labels are outlines."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/own").mkdir(parents=True)
    study = own_study()

    def load(*labels, outside="", classes=CLASSES, **features):
        rows = ["sample\tblock\tpart\timage\tlabel"]
        for part, label in zip(PARTS, [*labels, *[labels[-1]] * 3], strict=False):
            suffix = "xml" if isinstance(label, str) else "geojson"
            Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / f"data/own/{part}.png")
            text = f"<Annotations>{label}</Annotations>" if suffix == "xml" else json.dumps(label)
            (tmp_path / f"data/own/{part}.{suffix}").write_text(text, encoding="utf-8")
            rows.append(f"{part}\t{part}\t{part}\t{part}.png\t{part}.{suffix}")
        (tmp_path / "data/own/samples.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        study["targets"] = {"features": features} | ({"outside": outside} if outside else {})
        study["data"]["classes"] = classes
        study["runs"] = {}
        study["split"] = {"kind": "none"}
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
        return load_plans(Workflow(studies=["own"]), folder=tmp_path)["own"]

    return load


def faults(load, *labels, **options):
    with raises(ConfigurationError) as error:
        load(*labels, **options)
    return [str(fault) for fault in error.value.faults]


def test_every_name_that_no_class_has_is_one_fault(project):
    wrong = [box(0, 0, 5, 5, name="Tumour"), box(6, 0, 9, 5, name="stroma"), box(6, 6, 9, 9, name="other")]
    tumour, other = faults(project, wrong, wrong)
    assert "samples.tsv:2 label 'data/own/train.geojson': found 'Tumour' on 1 outline" in tumour
    assert "(names found: Tumour, other, stroma) (and in 2 further files); expected 'tumor'?" in tumour
    assert "found 'other' on 1 outline" in other
    plan = project(wrong, names={"Tumour": "tumor"}, skip=["other"])
    assert plan.has_outlines, "the images give outlines their size"


def test_files_that_cannot_be_read_are_faults(project):
    found = faults(project, "<Annotation>", [box(0, 0, 5, 5, name="tumor")], {"type": "Topology"})
    assert len(found) == 2, found
    assert "2 label: found" in found[0]
    assert "train.xml', which cannot be read (found not well-formed XML" in found[0]
    assert "test.geojson', which cannot be read (found JSON of type 'Topology'" in found[1]


def test_layers_of_imagescope_are_names_too(project):
    (fault,) = faults(project, layer("Tumour", (0, 0, 5, 5)))
    assert "found 'Tumour' on 1 outline (names found: Tumour)" in fault


def test_what_lies_outside_has_to_be_a_class(project):
    sound = [box(0, 0, 5, 5, name="tumor")]
    (fault,) = faults(project, sound, outside="backgrund")
    assert (
        "targets.outside: found 'backgrund'; expected 'background'? (known: background, stroma, tumor), or"
        in fault
    )


def test_without_a_background_the_study_says_what_lies_outside(project):
    sound = [box(0, 0, 5, 5, name="tumor")]
    (fault,) = faults(project, sound, classes=["tumor", "stroma"])
    assert "found outlines, and targets.outside is 'background', which is no class" in fault
    assert project(sound, classes=["tumor", "stroma"], outside="stroma").has_outlines


def test_what_the_dry_run_accepts_is_drawn(project, tmp_path):
    plan = project(
        [box(0, 0, 5, 5, name="tumor"), box(2, 2, 4, 4, name="Stroma")], names={"Stroma": "stroma"}
    )
    for batch in plan.batches:
        rasterize_targets(plan.rows(batch), plan.root, tmp_path / "out" / batch, targets=target_options(plan))
    (path,) = (tmp_path / "out").rglob("train.tif")
    target = images.read(path)
    assert np.bincount(target.ravel()).tolist() == [600 - 25, 21, 4]
    assert not list((tmp_path / "out").rglob("left_out.tsv"))
