# SPDX-License-Identifier: MIT
"""Every target of the design is measured, and one that is missed says why in numbers."""

import importlib

import pytest

from benchmarks import design
from benchmarks.__main__ import CASES, with_machine
from benchmarks.design import Row
from benchmarks.harness import Case, Comparison, Measured

EVERY = [importlib.import_module(f"benchmarks.{name}").CASE for name in CASES]
CASE = Case(
    "c",
    "",
    {},
    [Comparison("speed, small", "ours", "peer", 2.0), Comparison("speed, large", "big", "peer", 2.0)],
    moved={"ours": 4e9, "big": 30e9},
    flop={"big": 1e12},
)


def measured(**seconds):
    return {name: Measured(name, ({"seconds": value},)) for name, value in seconds.items()}


def machine(copy, product):
    """A machine that copies and multiplies at these rates, bytes and operations per second."""
    from benchmarks.machine import CASE, FLOP, MOVED

    return {"machine": (CASE, measured(copy=MOVED / copy, product=FLOP / product))}


def test_every_row_has_its_comparison():
    assert design.missing(EVERY) == []


def test_no_comparison_of_a_row_asks_for_more_than_its_row():
    """What a case asks for of its own may be less than the design, never more."""
    named = {case.name: case for case in EVERY}
    for row in design.ROWS:
        for one in design.comparisons_of(row, named[row.case]):
            assert one.target is not None
            assert one.target <= row.target, (row, one)


def test_a_missed_row_is_the_worst_of_its_comparisons_and_says_why(monkeypatch):
    monkeypatch.setattr(design, "ROWS", (Row("what", "c", "speed", 2, "≥ 2×"),))
    found = machine(10e9, 1e12) | {"c": (CASE, measured(ours=1.0, big=6.0, peer=9.0))}
    (line,) = design.table(found).splitlines()[4:]
    assert line == (
        "| what | 1.5× | ≥ 2× | **no** | 30 GB moved; at the 10 GB/s of a copy 3 s of 6 s. "
        "1e+03 GFLOP; at the 1e+03 GFLOP/s of a matrix product 1 s of 6 s |"
    )


def test_a_missed_row_of_which_nothing_is_counted_tells_its_processor_time(monkeypatch):
    monkeypatch.setattr(design, "ROWS", (Row("what", "c", "speed", 2, "≥ 2×"),))
    case = Case("c", "", {}, [Comparison("speed", "ours", "peer", 2.0)])
    one = Measured("ours", ({"seconds": 22.25, "cpu_seconds": 13.0},))
    line = design.table({"c": (case, measured(peer=9.0) | {"ours": one})}).splitlines()[-1]
    assert line.endswith("22.2 s, 13 s of a processor; no bytes or operations of it are counted |")


def test_what_a_variant_is_beyond_may_leave_nothing(monkeypatch):
    monkeypatch.setattr(design, "ROWS", (Row("what", "c", "speed", 2, "≥ 2×"),))
    case = Case("c", "", {}, [Comparison("speed", "ours", "peer", 2.0, beyond="bare")])
    found = {"c": (case, measured(ours=4.0, peer=3.0, bare=19.7))}
    assert "not to be told: without bare (19.7) nothing is left of 4" in design.table(found)


def test_a_row_that_is_met_needs_no_reason(monkeypatch):
    monkeypatch.setattr(design, "ROWS", (Row("what", "c", "speed", 2, "≥ 2×"),))
    found = {"c": (CASE, measured(ours=1.0, big=2.0, peer=9.0))}
    assert design.table(found).splitlines()[-1] == "| what | 4.5× | ≥ 2× | yes |  |"


@pytest.mark.parametrize("lacking", ["ours", "peer"])
def test_a_row_that_cannot_be_run_says_why(monkeypatch, lacking):
    monkeypatch.setattr(design, "ROWS", (Row("what", "c", "speed, small", 2, "≥ 2×"),))
    runs = measured(ours=1.0, big=1.0, peer=9.0) | {lacking: Measured(lacking, (), "no GPU")}
    assert design.table({"c": (CASE, runs)}).splitlines()[-1] == "| what | – | ≥ 2× | not run | no GPU |"


def test_rows_of_cases_that_were_not_asked_for_are_left_out():
    assert len(design.table({}).splitlines()) == 4
    assert with_machine(["stitching", "machine"]) == ["machine", "stitching"]
