# SPDX-License-Identifier: MIT
"""Sample sheets, broken at random."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from microtome.config.study import Data, Split
from microtome.faults import ConfigurationError, raise_faults
from microtome.study.load import inspect_data
from microtome.study.sample import resolve
from microtome.study.splits import make_splits
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import edited
from tests.study.sheets import read_sheet

HEAD = "sample\timage\tlabel\tblock\tgroup\tpart\tpage\tmpp\n"
ROWS = (
    "a\ta.png\tl.png\tb0\tx\ttrain\t0\t0.5\nb\tb.png\tm.png\tb1\tx\tval\t\t\nc\tc.png\t\tb2\ty\ttest\t0\t1\n"
)
SHEETS = (
    (HEAD + ROWS).encode(),
    ("\ufeff" + HEAD + ROWS).replace("\n", "\r\n").encode(),
    (HEAD + ROWS.replace("a.png", '"a.png"')).encode(),
)
WORDS = (
    *(
        b"../",
        b"/etc/passwd",
        b"../../x",
        b"./",
        b"a.png",
        b"l.png",
        b"train",
        b"test",
        b"val",
        b"\t\t",
        b'"\t"',
    ),
    *(
        b"cube",
        b"dark",
        b"blank",
        b"volume",
        b"patient",
        b"a.hdr",
        b"a.xml",
        b"\n\n",
        b"CON",
        b"~root",
        b"a/../b",
    ),
    *(b"x/" * 3000, b"a\tb.png\tl.png\tb0\tx\ttrain\n"),
)
SPLITS = (Split(), Split(kind="folds", k=3), Split(kind="random", sizes={"train": 1, "val": 1, "test": 1}))
DATA = Data(source="files", samples="s.tsv", group_by="block", classes={"a": 0, "b": 1})
DATAS = (
    DATA,
    DATA.model_copy(update={"group_by": "sample"}),
    DATA.model_copy(update={"allow_outside": True}),
)


def write(folder, content):
    for name in ("a", "b", "c", "l", "m"):
        if not (folder / f"{name}.png").is_file():
            Image.fromarray(np.zeros((4, 5), np.uint8)).save(folder / f"{name}.png")
    (folder / "s.tsv").write_bytes(content)
    return folder / "s.tsv"


def test_the_seeds_are_sound(folder):
    for content in SHEETS:
        assert inspect_data(DATA, Split(), sheet=write(folder, content)).faults == []


@fuzzed
@given(content=edited(SHEETS, WORDS), split=st.sampled_from(SPLITS), data=st.sampled_from(DATAS))
def test_a_sheet_is_read_or_refused(content, split, data, folder):
    sheet = write(folder, content)
    with bounded(ConfigurationError):
        raise_faults(inspect_data(data, split, sheet=sheet).faults)
        samples = read_sheet(sheet, data)
        assert make_splits(samples, split, sheet=sheet, column="block")
        if not data.allow_outside:
            for sample in resolve(samples, folder):
                assert sample.image.startswith(f"{folder.as_posix()}/")
                assert ".." not in sample.image.removeprefix(folder.as_posix())
