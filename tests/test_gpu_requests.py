# SPDX-License-Identifier: MIT
"""The number of GPUs in a job's resources."""

import pytest

from microtome.config.workflow import Cluster
from microtome.workflow.resources import count_gpus, gpu_request


@pytest.mark.parametrize("form", ["gpus", "gres"])
@pytest.mark.parametrize("model", [None, "a100", "rtx_4090"])
@pytest.mark.parametrize("count", [1, 8])
def test_what_is_asked_for_is_counted(form: str, model: str | None, count: int) -> None:
    cluster = Cluster(gpu_request=form, gpu_model=model)
    assert count_gpus(gpu_request(count, device="cuda", cluster=cluster)) == count


@pytest.mark.parametrize(
    ("resources", "expected"),
    [({}, 0), ({"gpu": 0}, 0), ({"gres": ""}, 0), ({"gres": "lustre:1"}, 0), ({"gres": "gpu:rtx_4090"}, 1)],
)
def test_other_resources(resources: dict[str, object], expected: int) -> None:
    assert count_gpus(resources) == expected
