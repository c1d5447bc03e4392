# SPDX-License-Identifier: MIT
"""Packed models, broken at random: read and unpacked, or refused, and nothing is written elsewhere."""

import io
import json
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from microtome.config.study import Study
from microtome.files import sha256_of_bytes
from microtome.provenance.archives import MODEL, ArchiveError, packed_study, read_archive, unpack
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import as_json, edited, reshaped
from tests.workflow.workspace import he_study

FILES = {
    "alone/model.safetensors": bytes(range(256)) * 4,
    "alone/card.json": b'{"run": "alone"}',
    "metrics.tsv": b"sample\tvalue\na\t1\n",
}


def _tree():
    content = {key: value for key, value in he_study().items() if key not in ("defaults", "scales", "paper")}
    network = {"name": "usenet", "encoder": "resnet18", "width": 2, "out_channels": 1}
    content["runs"] = {"alone": {"network": network, "loss": {"name": "bce_dice"}}}
    study = Study.model_validate(content | {"name": "he"})
    return {
        "format": 1,
        **{"run": "alone", "split": "main", "seed": 0, "scale": "demo", "rendered": False},
        **{"version": "a", "plugins": [], "study": packed_study(study, ["alone"])},
        "expected": {"classes": ["a", "b"], "channels": 3, "data_kind": "real"},
        "files": {name: sha256_of_bytes(data) for name, data in FILES.items()},
    }


def _zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


TREE = _tree()
SEED = _zipped(FILES | {MODEL: as_json(TREE)})
NAMES = ("study", "runs", "network", "name", "expected", "files", "seed", "format", "plugins", "classes")
WORDS = (b"PK\x01\x02", b"PK\x05\x06", b"../", b"model.json", b"\xff\xff\xff\xff", b"\x08\x00")
MODELS = reshaped((TREE,), NAMES, ({"name": "unet"}, "../x", [1])).map(as_json)


def _try(folder, content):
    path = folder / "a.zip"
    path.write_bytes(content)
    with bounded(ArchiveError):
        unpack(read_archive(path), folder / "out")
    assert {file.name for file in folder.iterdir()} <= {"a.zip", "out"}


def test_the_seed_is_sound(folder):
    (folder / "a.zip").write_bytes(SEED)
    read = read_archive(folder / "a.zip")
    unpack(read, folder / "out")
    for name, data in FILES.items():
        assert (folder / "out" / name).read_bytes() == data
    assert json.loads(json.dumps(TREE))["run"] == read.run == "alone"


@fuzzed
@given(content=edited([SEED], WORDS))
def test_an_archive_is_read_or_refused(content, folder):
    _try(folder, content)


@fuzzed
@given(model=MODELS)
def test_what_an_archive_says_is_read_or_refused(model, folder):
    _try(folder, _zipped(FILES | {MODEL: model}))


@fuzzed
@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_no_name_leads_out_of_the_folder(name, folder):
    files = FILES | {name or "x": b"x"}
    listed = TREE | {"files": {key: sha256_of_bytes(data) for key, data in files.items()}}
    _try(folder, _zipped(files | {MODEL: as_json(listed)}))
