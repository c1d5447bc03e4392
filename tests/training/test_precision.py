# SPDX-License-Identifier: MIT
"""What a trainer computes in, on each device."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.training.problems import trainer

VOLUMES = nn.Conv3d(1, 1, 1)


@pytest.mark.parametrize(
    ("device", "asked", "able", "model", "used"),
    [
        ("cpu", "fast", {"avx512_bf16": True}, None, "bf16"),
        ("cpu", "fast", {"amx_bf16": True}, None, "bf16"),
        ("cpu", "fast", {"avx512_bf16": False, "avx512_f": True}, None, "fp32"),
        ("cpu", "fast", {}, None, "fp32"),
        ("cpu", "fast", {"avx512_bf16": True}, VOLUMES, "fp32"),
        ("cpu", "auto", {"avx512_bf16": True}, None, "fp32"),
        ("mps", "fast", {"avx512_bf16": True}, None, "fp32"),
    ],
)
def test_fast_is_bf16_where_a_cpu_computes_in_it(monkeypatch, device, asked, able, model, used):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    chosen = replace(trainer(precision=asked, model=model), device=torch.device(device))
    assert chosen.precision == used


def test_fast_trains_volumes_on_a_cpu():
    found = trainer(precision="fast", model=VOLUMES)
    found.place()
    assert found.precision == "fp32"
