# SPDX-License-Identifier: MIT
"""Names of files in folders that a trained run is applied to, and pages that are pictures."""

import unicodedata

import numpy as np
import pytest
import tifffile
from PIL import Image

from microtome.study import newcomers
from microtome.study.modalities import Taken
from microtome.study.newcomers import find_newcomers
from microtome.study.sample import Sample
from microtome.workflow.asked import pair_labels


@pytest.fixture
def found(tmp_path, monkeypatch):
    taken = Taken()
    monkeypatch.setattr(
        newcomers.modalities, "ask", lambda name: [lambda *_, **__: taken] * (name == "take_files")
    )
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "plain.png")
    return lambda: find_newcomers(tmp_path, None, [])


def test_words_in_braces_are_refused_by_name(found, tmp_path):
    assert found().faults == ()
    (tmp_path / "plain.png").rename(tmp_path / "scan{2}.png")
    (fault,) = found().faults
    assert fault.where == "--config images"
    assert "scan{2}.png', with '{2}' in braces, which Snakemake takes for a wildcard" in fault.found


def test_a_thumbnail_is_no_image_of_its_own(found, tmp_path):
    (tmp_path / "plain.png").unlink()
    for name, shapes in (("scan", [(3, 4), (6, 8)]), ("stack", [(3, 4), (6, 8), (6, 8)])):
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as file:
            for shape in shapes:
                file.write(np.zeros(shape, np.uint8), photometric="minisblack", metadata=None)
    pages = [(one.sample, one.page) for one in found().samples]
    assert pages == [("scan", None), ("stack_1", 1), ("stack_2", 2)]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
def test_labels_are_found_in_either_unicode_form(forms, tmp_path):
    image, label = (f"{unicodedata.normalize(form, 'Präparat')}.png" for form in forms)
    (tmp_path / label).touch()
    paired = pair_labels([Sample("a", f"elsewhere/{image}")], tmp_path)
    assert paired == {"a": (tmp_path / label).as_posix()}
