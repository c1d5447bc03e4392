# SPDX-License-Identifier: MIT
"""Errors of a step that a reader can act on."""

import pytest
import torch

from microtome.training.loop import fit
from microtome.training.step_errors import CompileError
from tests.training import problems


def test_a_network_that_cannot_be_compiled_names_the_remedy(monkeypatch):
    """As where there is no compiler; the error is PyTorch's own."""
    from torch._inductor.exc import CppCompileError

    def failing(_):
        raise CppCompileError(["g++"], "not found")

    monkeypatch.setattr(torch, "compile", lambda compute: failing)
    with pytest.raises(CompileError, match=r"^training\.compile: .* or set it to false\.$"):
        fit(problems.trainer(compile=True), *problems.parts())
