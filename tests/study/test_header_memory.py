# SPDX-License-Identifier: MIT
"""Headers of images from one run of the workflow to the next: never a stale one, never a failure."""

import os
from pathlib import Path

import numpy as np
import pytest

from microtome.io import images
from microtome.study import headers
from microtome.study.headers import header_of, remembered


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "_known", {})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    images.write(tmp_path / "a.tif", np.zeros((20, 30), np.uint8), mpp=0.5)
    return tmp_path / "a.tif"


def _look(image: Path) -> images.ImageHeader:
    return header_of(str(image))


def _forget() -> None:
    headers._known.clear()


def _unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> images.ImageHeader:
        msg = f"{path} was read"
        raise AssertionError(msg)

    monkeypatch.setattr(images, "header", refuse)


def test_headers_are_remembered(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "memory/headers.json"
    with remembered(memory):
        first = _look(image)
    _forget()
    _unreadable(monkeypatch)
    with remembered(memory):
        assert (
            _look(image)
            == first
            == images.ImageHeader(
                height=20, width=30, channels=1, dtype="uint8", pages=1, format="OME-TIFF", mpp=0.5
            )
        )


def test_a_changed_file_is_read_again(image: Path, tmp_path: Path) -> None:
    memory = tmp_path / "headers.json"
    with remembered(memory):
        _look(image)
    status = image.stat()
    images.write(image, np.zeros((21, 30), np.uint8), mpp=0.5)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    _forget()
    with remembered(memory):
        assert _look(image).height == 21
    _forget()
    assert [key[1] for key in headers._load(memory)] == [status.st_mtime_ns + 1]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"readers": 1}', '{"readers": "x", "headers": [[1]]}'])
def test_a_damaged_memory_is_made_anew(content: str, image: Path, tmp_path: Path) -> None:
    memory = tmp_path / "headers.json"
    memory.write_text(content, encoding="utf-8")
    with remembered(memory):
        assert _look(image).height == 20
    assert len(headers._load(memory)) == 1


def test_other_readers_are_not_believed(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "headers.json"
    with remembered(memory):
        _look(image)
    monkeypatch.setattr(headers, "READERS", ("tiff",))
    assert headers._load(memory) == {}


def test_where_nothing_can_be_written_nothing_is_kept(image: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with remembered(tmp_path / "file/headers.json"):
        assert _look(image).height == 20


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    with remembered(tmp_path / "headers.json"):
        pass
    assert not list(tmp_path.iterdir())
