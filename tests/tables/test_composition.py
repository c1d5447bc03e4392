# SPDX-License-Identifier: MIT
"""The composition of the data: pixels of each class by part."""

import numpy as np
import pandas as pd
import pytest

from microtome import tables
from microtome.io import images
from microtome.tables.inputs import Inputs
from microtome.tables.parts import pixels
from microtome.tables.parts.pixels import count_pixels


def test_composition_counts_parts_and_unlabelled_pixels():
    first = count_pixels(np.array([[0, 1, 1, 255]]), ["membrane", "cell"], sample="a", part="train")
    second = count_pixels(np.array([[0, 0, 0, 1]]), ["membrane", "cell"], sample="b", part="test")
    frame = tables.tabulate("data", Inputs(frame=pd.concat([second, first]))).frame.set_index("part")
    assert frame.index.tolist() == ["train", "test", "total"]
    assert frame.loc["train"].tolist()[:5] == pytest.approx([1, 4, 75.0, 100 / 3, 200 / 3])
    assert frame.loc["total"].tolist()[:5] == pytest.approx([2, 8, 87.5, 400 / 7, 300 / 7])


def test_targets_are_counted_by_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "WINDOW", 16)
    target = np.random.default_rng(0).choice([0, 1, 255], (40, 50)).astype(np.uint8)
    images.write(tmp_path / "targets/a.tif", target)
    (tmp_path / "main.tsv").write_text("sample\tpart\na\ttrain\n")
    files = {"labels": [tmp_path / "targets"], "splits": [tmp_path / "main.tsv"]}
    counts = pixels.count(Inputs(files=files)).set_index("class")["pixels"]
    assert counts.to_dict() == {
        name: (target == value).sum() for name, value in (("membrane", 0), ("cell", 1), ("unlabelled", 255))
    }


def test_composition_needs_pixels():
    with pytest.raises(ValueError, match="count_pixels"):
        tables.tabulate("data", Inputs())
