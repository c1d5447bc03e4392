# SPDX-License-Identifier: MIT
"""Packed models: what was packed comes out again, and nothing else is taken for one."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microtome.io import images
from microtome.io.views import read_map
from microtome.provenance.archives import MODEL, ArchiveError, packed_study, read_archive, unpack
from microtome.stages.apply import Trained, apply_run, unpacked
from microtome.workflow.states import applied
from tests.stages.objects import options
from tests.stages.test_apply import new_images, objects_root, rows_of
from tests.stages.test_export import packed


@pytest.fixture(scope="module")
def archive(found, tmp_path_factory):
    """An ensemble, packed: one member sees normalized stains, the other images as they are."""
    path = tmp_path_factory.mktemp("packed") / "he-twin.zip"
    packed(found, path, run="twin", members=("marked", "marked_too"))
    return path


def changed(archive, path, edit):
    """The archive with its files, name to content, edited."""
    with zipfile.ZipFile(archive) as source:
        content = {name: source.read(name) for name in source.namelist()}
    edit(content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in content.items():
            target.writestr(name, data)
    return path


def model(content, **changes):
    content[MODEL] = json.dumps(json.loads(content[MODEL]) | changes).encode()


def test_the_packed_study_asks_for_the_same(found, archive):
    """What applying and measuring depend on is what it is in the study."""
    read = read_archive(archive)
    assert (read.run, read.split, read.seed) == ("twin", "main", 0)
    assert read.expected.classes == ("background", "nucleus")
    assert (read.expected.channels, read.expected.dtype, read.expected.modality) == (3, "uint8", "rgb")
    assert read.expected.data_kind == "phantom"
    assert 0 <= read.expected.value_range[0] < read.expected.value_range[1] <= 255
    plan = replace(found.plan, study=read.study)
    assert applied.apply(plan, "twin", 0) == applied.apply(found.plan, "twin", 0)
    states = [applied.evaluate_applied(one, "main", "twin", 0) for one in (plan, found.plan)]
    assert states[0] == states[1]


def test_classes_keep_their_order(found, archive, tmp_path):
    """Which class a map is of follows from it; keys of JSON are sorted."""
    data = found.plan.study.data.model_copy(update={"classes": {"tissue": 0, "nucleus": 1, "gland": 7}})
    study = packed_study(found.plan.study.model_copy(update={"data": data}), ["twin", "marked", "marked_too"])
    again = changed(archive, tmp_path / "a.zip", lambda content: model(content, study=study))
    with zipfile.ZipFile(again) as opened:
        stated = json.dumps(json.loads(opened.read(MODEL)), sort_keys=True)
    last = changed(again, tmp_path / "b.zip", lambda content: content.update({MODEL: stated.encode()}))
    assert list(read_archive(last).study.data.classes.items()) == [
        ("tissue", 0),
        ("nucleus", 1),
        ("gland", 7),
    ]


def test_a_packed_model_predicts_as_the_run(found, archive, tmp_path):
    objects_root(tmp_path).symlink_to(found.root)
    paths = new_images(tmp_path)
    chosen = options(applied.apply(found.plan, "twin", 0, rows_of(paths)))
    run = Trained(
        [found.runs[name] for name in ("marked", "marked_too")], [found.root / "stains/spcn/target.json"]
    )
    apply_run(chosen, run, tmp_path / "inside", device="cpu", threads=1)
    with unpacked(chosen, archive, tmp_path / "outside") as trained:
        apply_run(chosen, trained, tmp_path / "outside", device="cpu", threads=1)
    for path in paths:
        first, second = (
            read_map(tmp_path / place / f"predictions/{path.stem}.tif") for place in ("inside", "outside")
        )
        assert np.array_equal(first, second)
    assert not list(tmp_path.glob(".model-*")), "nothing unpacked is left"


def test_a_packed_model_segments_with_what_was_tuned(found, tmp_path):
    objects_root(tmp_path).symlink_to(found.root)
    paths = new_images(tmp_path)
    tuned = tmp_path / "tuned.json"
    tuned.write_text(
        json.dumps({"values": {"mask_threshold": 0.6}, "metric": "aji", "class": None, "samples": []})
    )
    packed(found, tmp_path / "a.zip", run="alone", members=("alone",), tuned=[tuned])
    chosen = options(applied.apply(found.plan, "alone", 0, rows_of(paths)))
    with unpacked(chosen, tmp_path / "a.zip", tmp_path / "outside") as trained:
        assert [path.name for path in trained.tuned] == ["tuned.json"]
        apply_run(chosen, trained, tmp_path / "outside", device="cpu", threads=1)
    chosen["segment"]["mask_threshold"] = 0.6
    apply_run(chosen, Trained([found.runs["alone"]]), tmp_path / "inside", device="cpu", threads=1)
    for path in paths:
        name = f"segmentations/instances/{path.stem}.tif"
        first, second = (images.read(tmp_path / place / name) for place in ("inside", "outside"))
        assert np.array_equal(first, second)


def test_exchanged_weights_are_refused(archive, tmp_path):
    def edit(content):
        weights = bytearray(content["marked/model.safetensors"])
        weights[-1] ^= 1
        content["marked/model.safetensors"] = bytes(weights)

    read = read_archive(changed(archive, tmp_path / "a.zip", edit))
    with pytest.raises(ArchiveError, match=r"marked/model\.safetensors with other content than listed"):
        unpack(read, tmp_path / "out")


def renamed(content, name):
    """A normalization whose name leads out of the folder of results."""
    study = json.loads(content[MODEL])["study"]
    study["stains"][name] = study["stains"]["spcn"]
    model(content, study=study)


def big(content):
    content["metrics.tsv"] = bytes(40 * 2**20)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda c: c.pop("stains/spcn/target.json"), "not as listed .stains/spcn/target.json"),
        (lambda c: c.update({"more.json": b"{}"}), r"not as listed .more\.json"),
        (lambda c: c.update({"../up.json": b"{}"}), r"a file called '\.\./up\.json'"),
        (lambda c: c.update({"/etc/up.json": b"{}"}), r"a file called '/etc/up\.json'"),
        (lambda c: c.update({"run.py": b"import os"}), r"a file called 'run\.py'"),
        (lambda c: c.update({"weights.pkl": b"x"}), r"a file called 'weights\.pkl'"),
        (lambda c: c.update({"a.json": b"{}", "a.json/b.json": b"{}"}), "a file and a folder of one name"),
        (lambda c: c.update({"RUN.json": b"{}"}), "a file twice"),
        (lambda c: model(c, split="../up"), r"a part of its study called '\.\./up'"),
        (lambda c: renamed(c, "../up"), r"a part of its study called '\.\./up'"),
        (big, r"metrics\.tsv of 41943040 bytes, packed to"),
        (lambda c: c.pop(MODEL), r"no model\.json"),
        (lambda c: model(c, format=2), r"model\.json is not what this version writes .format"),
        (lambda c: model(c, more=1), r"not what this version writes .more"),
        (lambda c: model(c, study={}), "this version cannot use the model .name: Field required.*packed by"),
        (lambda c: model(c, run="other"), "no run 'other'"),
        (lambda c: c.update({MODEL: b'{"format": 1, "format": 1}'}), "a key stands there more than once"),
    ],
)  # fmt: skip
def test_what_is_no_packed_model_is_refused(archive, tmp_path, edit, expected):
    with pytest.raises(ArchiveError, match=expected):
        read_archive(changed(archive, tmp_path / "a.zip", edit))


def test_a_network_of_a_plugin_is_named(archive, tmp_path):
    def edit(content):
        study = json.loads(content[MODEL])["study"]
        dict(study["runs"])["marked"]["network"] = {"name": "ournet"}
        model(content, study=study, plugins=["microtome.networks.ournet"])

    with pytest.raises(ArchiveError, match=r"it needs plugins .microtome\.networks\.ournet.: put them into"):
        read_archive(changed(archive, tmp_path / "a.zip", edit))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_other_files_are_no_archives(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match=r"a\.zip: a damaged archive"):
        read_archive(tmp_path / "a.zip")
    with pytest.raises(FileNotFoundError, match="expected a packed model"):
        read_archive(Path("nowhere.zip"))


def test_a_file_twice_is_refused(archive, tmp_path):
    buffer = io.BytesIO(archive.read_bytes())
    with zipfile.ZipFile(buffer, "a") as again, pytest.warns(UserWarning, match="Duplicate"):
        again.writestr("run.json", b"{}")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    with pytest.raises(ArchiveError, match="a file twice"):
        read_archive(tmp_path / "a.zip")
