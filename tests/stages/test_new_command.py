# SPDX-License-Identifier: MIT
"""The command that makes a new study: what it refuses, replaces, names and says."""

from pathlib import Path

import numpy as np
import pytest

from microtome.__main__ import main
from microtome.config.project import WORKFLOW
from microtome.stages.new import asked_study, new_study, report
from tests.stages.new_studies import (
    SIDE,
    SMALL,
    empty_project,
    make,
    rows,
    study,
    write,
    write_tiles,
)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty folder that is the project."""
    return empty_project(tmp_path, monkeypatch)


@pytest.mark.parametrize("names", [(), ("notes.txt",), ("z.png",)])
def test_a_folder_without_a_label_of_an_image_is_refused(tmp_path, names):
    root = write_tiles(tmp_path / "d", 4)
    (tmp_path / "labels").mkdir()
    for name in names:
        (tmp_path / "labels" / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=r"--labels: found no label of an image in .*; images are 0.png, …"):
        new_study("mine", root / "images", tmp_path / "labels", machine=SMALL)
    assert not Path("config").exists()


def test_a_name_that_begins_with_a_blank_is_kept(tmp_path):
    for number in range(4):
        write(tmp_path / f"d/ {number}.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    make(tmp_path / "d")
    assert rows()[0]["image"] == "./ 0.png"


def test_a_project_that_cannot_be_written_is_said_by_name(tmp_path, monkeypatch):
    write_tiles(tmp_path / "d", 4)
    Path("config").write_bytes(b"")
    with pytest.raises(
        SystemExit, match=r"error: config/.*: found 'Not a directory'; expected a place to read from"
    ):
        main(["new", "mine", "--images", str(tmp_path / "d")])


def test_nothing_is_replaced(tmp_path):
    root = write_tiles(tmp_path / "d", 4)
    make(root)
    before = Path("config/studies/mine.yaml").read_bytes()
    with pytest.raises(FileExistsError, match=r"config/studies/mine.yaml.*there already"):
        new_study("mine", root / "images", machine=SMALL)
    assert Path("config/studies/mine.yaml").read_bytes() == before


@pytest.mark.parametrize("name", ["reports", "a b", "../a", "", "nan", "No", "TRUE", "7a"])
def test_names_become_files(tmp_path, name):
    with pytest.raises(ValueError, match="found the name"):
        new_study(name, tmp_path)


def test_the_same_folder_gives_the_same_study(tmp_path):
    root = write_tiles(tmp_path / "d", 12)
    texts = []
    for _ in range(2):
        made = make(root)
        texts.append([path.read_bytes() for path in made.files])
        for path in made.files:
            path.unlink()
    assert texts[0] == texts[1]


def test_paths_in_the_project_start_from_it(project):
    make(write_tiles(project / "data/mine", 12))
    assert study()["data"]["root"] == "data/mine"


def test_the_command_says_what_it_found(tmp_path, capsys):
    root = write_tiles(tmp_path / "d", 12)
    main(["new", "mine", "--images", str(root / "images"), "--labels", str(root / "masks")])
    said = capsys.readouterr().out
    for line in ("12 images, 80 x 80 pixels, RGB, uint8, PNG", "values 0, 255", "config/studies/mine.yaml"):
        assert line in said
    snakemake = f"snakemake -s {WORKFLOW}/Snakefile --cores 2 --config studies=mine scale=full"
    assert snakemake in said, "the project lies elsewhere"


def test_the_command_says_what_is_wrong(tmp_path):
    with pytest.raises(SystemExit, match=r"error: --images: found '.*nowhere', which is no folder"):
        main(["new", "mine", "--images", str(tmp_path / "nowhere")])


def test_the_target_asks_for_its_options():
    with pytest.raises(ValueError, match="--config images: found nothing; expected the folder of its images"):
        asked_study("mine", None, None)


def test_too_few_images_of_training_are_asked_for(tmp_path):
    for part, count in (("train", 1), ("test", 5)):
        write_tiles(tmp_path / "d" / part, count)
    made = make(tmp_path / "d")
    assert study()["split"] == {"kind": "none"}
    assert "more images: 6 samples cannot be divided" in report(made)
