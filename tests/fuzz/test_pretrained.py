# SPDX-License-Identifier: MIT
"""Weights of encoders as PyTorch writes them, broken at random: nothing but tensors comes out."""

import io
import warnings

import torch
from hypothesis import given

from microtome.networks._pretrained import WeightsError, read
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import edited

TENSORS = {"conv.weight": torch.arange(6.0).reshape(2, 3), "steps": torch.tensor(3)}
WORDS = (
    *(
        b"cos\nsystem\n",
        b"c__builtin__\nexec\n",
        b"ctorch\nload\n",
        b"\x93",
        b"R",
        b"\x85",
        b"K\xff",
        b"PK\3\4",
    ),
    *(
        b"FloatStorage",
        b"DoubleStorage",
        b"_rebuild_tensor_v2",
        b"OrderedDict",
        b"data.pkl",
        b"cpu",
        b"cuda:0",
    ),
)


def saved(**options):
    file = io.BytesIO()
    torch.save(TENSORS, file, **options)
    return file.getvalue()


FILES = (saved(), saved(_use_new_zipfile_serialization=False))


def test_the_seeds_are_sound(folder):
    path = folder / "w.pth"
    for content in FILES:
        path.write_bytes(content)
        assert torch.equal(read(path)["conv.weight"], TENSORS["conv.weight"])


@fuzzed
@given(content=edited(FILES, WORDS))
def test_weights_are_read_or_refused(content, folder):
    path = folder / "w.pth"
    path.write_bytes(content)
    with warnings.catch_warnings(), bounded(WeightsError):
        warnings.simplefilter("ignore")  # of storages that PyTorch no longer writes
        assert all(isinstance(value, torch.Tensor) for value in read(path).values())
