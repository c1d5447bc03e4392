# SPDX-License-Identifier: MIT
"""Cubes of a folder and their references, told by their names."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from microtome.config.sampling import Input
from microtome.study.modalities.cubes import references_of
from microtome.study.newcomers import Newcomers, find_newcomers
from tests.synthetic_cubes import write_envi

CUBE = np.zeros((3, 4, 5), np.uint16)


def found_in(folder: Path, *views: str, calibrated: bool = False, is_rendered: bool = False) -> Newcomers:
    study = SimpleNamespace(cubes=SimpleNamespace(calibrated=calibrated), slides=None)
    runs = [SimpleNamespace(view=view, input=Input()) for view in views]
    return find_newcomers(folder, study, runs, is_rendered=is_rendered)


def write(folder: Path, *names: str) -> None:
    for name in names:
        if "." in name:
            (folder / name).write_bytes(b"x")
        else:
            write_envi(folder / f"{name}.hdr", CUBE)


def told(*names: str) -> dict[str, dict[str, str]]:
    found = references_of([Path(f"{name}.hdr") for name in names])
    return {path.stem: {kind: file.stem for kind, file in more.items()} for path, more in found.items()}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a", "a_dark", "a_blank"), {"a": {"dark": "a_dark", "blank": "a_blank"}}),
        (("a_raw", "a-dark", "a white"), {"a_raw": {"dark": "a-dark", "blank": "a white"}}),
        (("s1", "DARKREF_s1", "WHITEREF_s1"), {"s1": {"dark": "DARKREF_s1", "blank": "WHITEREF_s1"}}),
        (
            ("a", "b", "dark", "blank", "b_blank"),
            {"a": {"dark": "dark", "blank": "blank"}, "b": {"dark": "dark", "blank": "b_blank"}},
        ),
        (
            ("a", "a_blank", "a_blank_dark", "bias"),
            {"a": {"blank": "a_blank", "blank_dark": "a_blank_dark", "bias": "bias"}},
        ),
        (("white_cells", "dark_spot"), {"white_cells": {}, "dark_spot": {}}),
    ],
)  # fmt: skip
def test_references_are_told_by_their_names(
    names: tuple[str, ...], expected: dict[str, dict[str, str]]
) -> None:
    assert told(*names) == expected


def test_every_file_of_a_cube_is_an_input_and_none_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a", "a_dark", "a_blank", "notes.txt", "photo.png")
    found = found_in(tmp_path, "bands")
    assert [one.sample for one in found.samples] == ["a"]
    files = {Path(file).name for file in found.files}
    assert files == {f"{name}.{end}" for name in ("a", "a_dark", "a_blank") for end in ("hdr", "raw")}
    assert [name for name, _ in found.notes] == ["notes.txt", "photo.png"]
    assert (found.faults, found.damaged) == ((), {})


def test_a_missing_blank_is_named_once_for_all(tmp_path: Path) -> None:
    write(tmp_path, *(f"s{number}" for number in range(7)))
    (fault,) = found_in(tmp_path, "bands").faults
    assert "no blank of s0.hdr, s1.hdr, s2.hdr, s3.hdr, s4.hdr and 2 more" in str(fault)
    assert "NAME_blank.hdr beside NAME.hdr" in str(fault)
    assert found_in(tmp_path, "raw").faults == ()
    assert found_in(tmp_path, "bands", calibrated=True).faults == ()


def test_pictures_stand_beside_cubes_where_a_member_sees_them(tmp_path: Path) -> None:
    write(tmp_path, "a", "a_dark", "a_blank")
    (fault,) = found_in(tmp_path, "bands", "image").faults
    assert "no picture of a.hdr" in str(fault)
    assert found_in(tmp_path, "bands", "image", is_rendered=True).faults == ()
    write(tmp_path, "a.png")
    found = found_in(tmp_path, "bands", "image")
    assert found.faults == ()
    (row,) = found.rows(None)
    assert [Path(str(row[key])).name for key in ("image", "cube", "dark")] == ["a.png", "a.hdr", "a_dark.hdr"]


def test_two_cubes_of_one_picture_are_refused_rather_than_one_dropped(tmp_path: Path) -> None:
    write(tmp_path, "a", "a_raw", "blank")
    assert [one.sample for one in found_in(tmp_path, "bands").samples] == ["a", "a_raw"]
    write(tmp_path, "a.png")
    (fault,) = found_in(tmp_path, "bands").faults
    assert (
        str(fault) == "--config images: found 'a.png' beside a.hdr, a_raw.hdr; expected one cube of its name"
    )


def test_a_damaged_header_is_known(tmp_path: Path) -> None:
    write(tmp_path, "a", "b.hdr", "blank")
    found = found_in(tmp_path, "bands")
    assert [one.sample for one in found.samples] == ["a", "b"]
    assert list(found.damaged) == ["b.hdr"]


def test_a_run_on_bands_says_that_it_takes_cubes(tmp_path: Path) -> None:
    write(tmp_path, "photo.png")
    found = found_in(tmp_path, "bands")
    assert found.samples == ()
    assert found.wanted.startswith("cubes (ENVI")
    assert found.notes == (("photo.png", "a picture, which this run does not see"),)
