# SPDX-License-Identifier: MIT
"""What jobs ask a cluster for."""

import pytest

from microtome.config.workflow import Cluster
from microtome.workflow.resources import gpu_request, growing


def test_memory_doubles_with_each_attempt() -> None:
    assert [growing(500)(None, attempt) for attempt in (1, 2, 3, 4)] == [500, 1000, 2000, 4000]


@pytest.mark.parametrize(
    ("minutes", "expected"), [(10, [10, 20, 40]), (480, [480, 600, 600]), (900, [600] * 3)]
)
def test_walltime_doubles_up_to_the_longest(minutes: int, expected: list[int]) -> None:
    walltime = growing(minutes, most=600)
    assert [walltime(None, attempt) for attempt in (1, 2, 3)] == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"gpu": 2, "nodes": 1}),
        ({"gpu_model": "h200"}, {"gpu": 2, "gpu_model": "h200", "nodes": 1}),
        ({"gpu_request": "gres"}, {"gres": "gpu:2"}),
        ({"gpu_request": "gres", "gpu_model": "a100"}, {"gres": "gpu:a100:2"}),
    ],
)
def test_gpus_are_asked_for_in_one_form(options: dict[str, str], expected: dict[str, object]) -> None:
    for device in ("auto", "cuda"):
        assert gpu_request(2, device=device, cluster=Cluster(**options)) == expected


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_no_gpu_is_asked_for_without_cuda(device: str) -> None:
    assert gpu_request(1, device=device, cluster=Cluster()) == {}


@pytest.mark.parametrize("options", [{"gpu_request": "gpu"}, {"gpu_model": "a100:2"}, {"longest": 0}])
def test_settings_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Cluster(**options)
