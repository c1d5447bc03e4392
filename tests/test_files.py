# SPDX-License-Identifier: MIT
"""Folders that later tries go on with: what is kept, what is thrown away, and when they get their name."""

import signal
import subprocess
import sys

import pytest

from microtome.files import finished_file, resumable_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from microtome.files import finished_file, resumable_folder
with resumable_folder(Path(sys.argv[1]), "k1") as partial:
    with finished_file(partial / "done.tif") as draft:
        draft.write_text("whole")
    with finished_file(partial / "areas" / "half.tif") as draft:
        draft.write_text("ha")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder):
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_was_finished_survives_a_kill_and_what_was_begun_does_not(tmp_path):
    folder = tmp_path / "maps"
    killed(folder)
    assert not folder.exists()
    with resumable_folder(folder, "k1") as partial:
        assert names(partial) == ["done.tif"]
        with finished_file(partial / "areas" / "half.tif") as draft:
            draft.write_text("half")
    assert names(folder) == ["areas/half.tif", "done.tif"]
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]


def test_another_key_begins_anew(tmp_path):
    folder = tmp_path / "maps"
    killed(folder)
    with resumable_folder(folder, "k2") as partial:
        assert names(partial) == []
        (partial / "other.tif").write_text("other")
    assert names(tmp_path) == ["maps/other.tif"]


def test_the_folder_before_stays_until_all_is_there(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    (folder / "old.tif").write_text("old")
    killed(folder)
    assert names(folder) == ["old.tif"]
    with resumable_folder(folder, "k1"):
        pass
    assert names(folder) == ["done.tif"]
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]


def test_a_folder_of_nothing_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="the job had no samples"), resumable_folder(tmp_path / "maps", "k"):
        pass


def test_neighbours_of_a_similar_name_are_left_alone(tmp_path):
    killed(tmp_path / "maps[1]")
    with resumable_folder(tmp_path / "maps1", "k2") as partial:
        (partial / "a.tif").write_text("a")
    with resumable_folder(tmp_path / "maps[1]", "k1") as partial:
        assert names(partial) == ["done.tif"]
