# SPDX-License-Identifier: MIT
"""Sample sheets of the phantoms: whole patients and blocks, and hospitals that training has not seen."""

import subprocess
import sys
from collections import Counter
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.config.phantoms.cubes import CubePhantomData
from microtome.config.phantoms.em import EMPhantomData
from microtome.config.phantoms.he import HEPhantomData, Organ
from microtome.phantoms import sheet_rows
from microtome.phantoms.cubes.sheet import cube_scenes
from microtome.phantoms.he.sheet import HE_MPP, he_tiles

HEAVY = {"scipy", "skimage", "torch", "pandas"}
counts = st.integers(1, 12)
phantoms = st.builds(
    HEPhantomData,
    hospitals=st.integers(1, 6),
    organs=st.lists(st.sampled_from(get_args(Organ)), min_size=1, max_size=6, unique=True).map(tuple),
    tiles=st.integers(1, 3),
    images=st.fixed_dictionaries({}, optional={"train": counts, "val": counts, "test": counts}),
)


@settings(deadline=None, max_examples=80)
@given(phantoms)
def test_patients_stay_whole_and_the_last_hospital_is_for_testing(phantom):
    tiles = he_tiles(phantom)
    assert [tile.number for tile in tiles] == list(range(len(tiles)))
    assert Counter(tile.part for tile in tiles) == phantom.images
    of_patient = Counter(tile.patient for tile in tiles)
    assert max(of_patient.values(), default=0) <= phantom.tiles
    assert len({(t.patient, t.part, t.hospital, t.organ) for t in tiles}) == len(of_patient)
    last = phantom.hospitals - 1
    learnt = {tile.hospital for tile in tiles if tile.part != "test"}
    assert phantom.hospitals == 1 or last not in learnt
    assert {tile.hospital for tile in tiles} <= set(range(phantom.hospitals))
    tested = [tile.hospital for tile in tiles if tile.part == "test"]
    assert not tested or tested[0] == last


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 5), st.integers(1, 4))
def test_hospitals_and_organs_do_not_go_together(hospitals, organs):
    seen, names = hospitals - 1, get_args(Organ)[:organs]
    phantom = HEPhantomData(
        hospitals=hospitals, organs=names, images={"train": seen * organs, "test": 2 * organs}
    )
    tiles = he_tiles(phantom)
    learnt = {(tile.hospital, tile.organ) for tile in tiles if tile.part == "train"}
    assert len(learnt) == seen * organs, "every pair once"
    unseen = {tile.organ for tile in tiles if tile.hospital == seen}
    assert unseen == set(names)


def test_rows_of_both_phantoms():
    em = sheet_rows(EMPhantomData(slices={"train": 3, "test": 1}, block=2))
    assert [row["unit"] for row in em] == ["train-block-0", "train-block-0", "train-block-1", "test-block-0"]
    assert em[3] == {
        "sample": "slice-003",
        "image": "images/003.tif",
        "label": "labels/003.tif",
        "unit": "test-block-0",
        "group": "phantom",
        "part": "test",
        "z": "3",
    }
    he = sheet_rows(HEPhantomData(images={"train": 1, "test": 1}, hospitals=2, organs=("liver",)))
    assert he[1] == {
        "sample": "tile-001",
        "image": "images/001.tif",
        "label": "labels/001.tif",
        "unit": "hospital-1-patient-001",
        "group": "liver",
        "part": "test",
        "mpp": HE_MPP,
    }


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 4),
    st.fixed_dictionaries({}, optional={"train": counts, "val": counts, "test": counts}),
)
def test_patients_of_cubes_stay_whole_and_are_seen_at_both_magnifications(fields, images):
    scenes = cube_scenes(CubePhantomData(fields=fields, images=images))
    assert [scene.number for scene in scenes] == list(range(len(scenes)))
    assert Counter(scene.part for scene in scenes) == images
    assert len({(s.patient, s.part) for s in scenes}) == len({s.patient for s in scenes})
    for patient in {scene.patient for scene in scenes}:
        seen = [scene.magnification for scene in scenes if scene.patient == patient]
        assert seen == ["10x", "20x", "10x", "20x"][: len(seen)]
        assert len(seen) <= fields


def test_rows_of_the_cubes_name_their_references():
    rows = sheet_rows(CubePhantomData(images={"train": 3, "test": 1}, fields=3))
    assert rows[1] == {
        "sample": "scene-001",
        "image": "images/001.tif",
        "label": "labels/001.tif",
        "unit": "patient-000",
        "group": "20x",
        "part": "train",
        "mpp": 0.5,
        "cube": "cubes/001.hdr",
        "dark": "dark/patient-000-20x.hdr",
        "blank": "blank/patient-000-20x.hdr",
    }
    assert rows[0]["blank"] == rows[2]["blank"] != rows[3]["blank"]


def test_no_organs_are_all_organs():
    tiles = he_tiles(HEPhantomData(organs=(), images={"train": 9}))
    assert [tile.organ for tile in tiles] == list(get_args(Organ))


def test_the_sheet_needs_no_simulator():
    """The DAG is made from it."""
    names = ("em", "he", "cubes", "mosaics", "slides")
    sheets = ", ".join(f"microtome.phantoms.{name}.sheet" for name in names)
    code = f"import sys, {sheets}; print(*{{m.split('.')[0] for m in sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(found.split())
