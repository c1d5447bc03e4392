# SPDX-License-Identifier: MIT
"""Estimates from finished jobs: rates, sources, what stays unknown, chains."""

import pytest

from microtome.estimate import UNKNOWN, Measured, Planned, as_rows, chain_ends, estimate, render

HOUR = 3600.0


def _train(
    name: str = "a", *, work: float = 10, to_do: bool = True, study: str = "nuclei", **more
) -> Planned:
    return Planned("train", study, name, work, to_do, threads=4, gpus=1, **more)


def _took(
    seconds: float | None, *, scale: str = "local", name: str = "a", study: str = "nuclei", **more
) -> Measured:
    return Measured(scale, "train", study, name, more.pop("work", 10), seconds=seconds, **more)


def test_hours_are_in_proportion_to_work_threads_and_gpus() -> None:
    found = estimate([_train(work=20)], [_took(HOUR)], scale="local").rules[0]
    assert (found.wall_hours, found.gpu_hours, found.cpu_hours) == (2.0, 2.0, 8.0)
    assert (found.jobs, found.to_do, found.basis) == (1, 1, "local, by name")


@pytest.mark.parametrize(
    ("measured", "hours", "basis"),
    [
        ([_took(HOUR), _took(9 * HOUR, name="b"), _took(7 * HOUR, study="em")], 1.0, "local, by name"),
        ([_took(9 * HOUR, name="b"), _took(7 * HOUR, study="em")], 9.0, "local, by study"),
        ([_took(7 * HOUR, study="em"), _took(5 * HOUR, scale="demo")], 7.0, "local, by rule"),
        ([_took(5 * HOUR, scale="demo"), _took(3 * HOUR, scale="demo", name="b")], 5.0, "demo, by name"),
        ([_took(2 * HOUR), _took(4 * HOUR)], 3.0, "local, by name"),
        ([_took(None), _took(4 * HOUR)], 4.0, "local, by name"),
    ],
)
def test_the_most_similar_jobs_are_asked_first(measured: list, hours: float, basis: str) -> None:
    found = estimate([_train()], measured, scale="local", others=["demo"]).rules[0]
    assert found.wall_hours == pytest.approx(hours)
    assert found.basis == basis


def test_scales_are_asked_in_their_order() -> None:
    measured = [_took(HOUR, scale="demo"), _took(2 * HOUR, scale="paper")]
    assert estimate([_train()], measured, scale="local", others=["paper", "demo"]).rules[0].wall_hours == 2


def test_what_was_never_measured_is_unknown_and_not_zero() -> None:
    jobs = [_train(), Planned("predict", "nuclei", "a", 1, True, gpus=1)]
    found = estimate(jobs, [_took(HOUR)], scale="local")
    assert found.unknown == ("predict",)
    assert {row["rule"]: row["cpu_hours"] for row in as_rows(found)} == {"train": "4", "predict": UNKNOWN}
    assert next(row for row in as_rows(found) if row["rule"] == "predict")["gpu_hours"] == UNKNOWN
    assert "Unknown, and in no sum: predict." in render(found)


def test_nothing_was_ever_run() -> None:
    text = render(estimate([_train()], [], scale="paper", others=["demo"]))
    assert "nothing was ever run" in text
    assert " 0 B" not in text
    assert text.splitlines()[-3].split()[-3:] == [UNKNOWN] * 3


def test_everything_is_done() -> None:
    found = estimate([_train(to_do=False)], [_took(HOUR)], scale="local")
    assert render(found) == "Nothing to do at scale local: all 1 jobs are done.\n"
    assert found.rules[0].wall_hours == 0


def test_finished_jobs_cost_nothing() -> None:
    found = estimate([_train(), _train(to_do=False, work=1000)], [_took(HOUR)], scale="local").rules[0]
    assert (found.jobs, found.to_do, found.wall_hours) == (2, 1, 1.0)


def test_disk_is_known_apart_from_hours() -> None:
    found = estimate([_train(work=30)], [_took(None, size=500)], scale="local").rules[0]
    assert (found.wall_hours, found.disk_bytes) == (None, 1500.0)


def test_other_scales_and_devices_are_told() -> None:
    found = estimate([_train()], [_took(HOUR, scale="demo")], scale="paper", others=["demo"])
    text = render(found, devices={"demo": ["cpu"]})
    assert "Taken from scale demo: in proportion to the number of images" in text
    assert "ran on cpu" in text
    assert "Taken from scale" not in render(estimate([_train()], [_took(HOUR)], scale="local"))


def test_a_chain_is_as_long_as_its_jobs() -> None:
    jobs = [_train(after=(1, 2)), _train("b", work=5), _train("c", work=20)]
    found = estimate(jobs, [_took(HOUR)], scale="local")
    assert found.chain_hours == pytest.approx(3.0)
    assert found.total("wall_hours") == pytest.approx(3.5)


def test_long_chains_do_not_recurse() -> None:
    count = 5000
    assert chain_ends([1] * count, [[place + 1] for place in range(count - 1)] + [[]])[0] == count
