# SPDX-License-Identifier: MIT
"""Generated sheets: the papers' numbers, any size, the leakage rule, files that stand in."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.large_sheets import FORMS, plan_cohorts, sheet_rows, sheet_text
from benchmarks.placeholders import write_placeholders
from microtome.config.study import Data, Split
from microtome.study.load import inspect_data

CLASSES = {"background": 0, "nucleus": 1}


def _counts(study: str) -> tuple[dict[str, int], int]:
    form = FORMS[study]
    rows = sheet_rows(form, form.published, study=study)
    return dict(Counter(row["part"] for row in rows)), len({row[form.unit] for row in rows})


@pytest.mark.parametrize(
    ("study", "parts", "units"),
    [
        ("melanoma", {"train": 298, "val": 70, "test": 70}, 125),
        ("bcc", {"train": 85, "val": 244, "test": 321}, 650),
        ("rcm", {"train": 75, "val": 11, "test": 31}, 117),
        ("nuclei", {"train": 27, "val": 3, "test": 14}, 44),
        ("membranes", {"train": 24, "val": 3, "test": 3}, 10),
    ],
)
def test_published_numbers(study: str, parts: dict[str, int], units: int) -> None:
    assert _counts(study) == (parts, units)


def test_published_organs() -> None:
    """Table I of USE-Net."""
    rows = sheet_rows(FORMS["nuclei"], FORMS["nuclei"].published, study="nuclei")
    test = Counter(row["group"] for row in rows if row["part"] == "test")
    learnt = Counter(row["group"] for row in rows if row["part"] != "test")
    assert test == {"breast": 2, "kidney": 3, "prostate": 2, "bladder": 2, "colon": 1, "lung": 2, "brain": 2}
    assert learnt == {
        "breast": 6,
        "liver": 6,
        "kidney": 6,
        "prostate": 6,
        "bladder": 2,
        "colon": 2,
        "stomach": 2,
    }


def test_magnifications_are_mixed_within_patients() -> None:
    rows = sheet_rows(FORMS["melanoma"], FORMS["melanoma"].published, study="melanoma")
    assert Counter(row["group"] for row in rows)["20x"] / len(rows) == pytest.approx(0.62, abs=0.005)
    both = Counter(len({r["group"] for r in rows if r["patient"] == p}) for p in {r["patient"] for r in rows})
    assert both[2] > both[1]
    assert all(row["dark"] == f"dark/{row['patient']}-{row['group']}.hdr" for row in rows)


@pytest.mark.parametrize("study", FORMS)
@pytest.mark.parametrize(("images", "units"), [(3, 3), (10, 3), (1000, 137), (5000, None)])
def test_any_size_obeys_the_leakage_rule(study: str, images: int, units: int | None, tmp_path: Path) -> None:
    form = FORMS[study]
    rows = sheet_rows(form, plan_cohorts(form, images=images, units=units), study=study)
    assert len(rows) == images
    assert units in (None, len({row[form.unit] for row in rows}))
    (tmp_path / "samples.tsv").write_text(sheet_text(rows), encoding="utf-8")
    data = Data(source="files", group_by=form.unit, classes=CLASSES)
    split = Split(kind="column")
    assert inspect_data(data, split, sheet=tmp_path / "samples.tsv", look_at_files=False).faults == []


def test_shares_are_kept() -> None:
    shares = {"train": 6, "val": 1, "test": 3}
    cohorts = plan_cohorts(FORMS["nuclei"], images=2000, units=500, shares=shares)
    found = {
        p: (sum(c.images for c in cohorts if c.part == p), sum(c.units for c in cohorts if c.part == p))
        for p in shares
    }
    assert found == {"train": (1200, 300), "val": (200, 50), "test": (600, 150)}


def test_equal_seeds_give_equal_sheets() -> None:
    form = FORMS["nuclei"]
    cohorts = plan_cohorts(form, images=300, units=40)
    first, again, other = (sheet_rows(form, cohorts, study="nuclei", seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 2}, "expected a patient or more for each of the 3 parts"),
        ({"images": 10, "units": 11}, "no more patients than images"),
        ({"images": 10, "shares": {"train": 1, "test": 1}}, "found the shares train=1, test=1"),
        ({"images": 10, "shares": {"train": 1, "val": 0, "test": 1}}, "a number above 0"),
    ],
)
def test_impossible_sizes_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_cohorts(FORMS["nuclei"], **options)


@pytest.mark.parametrize("study", FORMS)
def test_placeholders_are_files_that_are_read(study: str, tmp_path: Path) -> None:
    """Sheet and placeholders pass every check of a study of the user's own files."""
    form = FORMS[study]
    rows = sheet_rows(form, plan_cohorts(form, images=6, units=3), study=study)
    sheet = tmp_path / "samples.tsv"
    sheet.write_text(sheet_text(rows), encoding="utf-8")
    named = {
        row[name] for row in rows for name in ("image", "label", "cube", "dark", "blank") if row.get(name)
    }
    assert write_placeholders(rows, tmp_path, form) == len(named) >= 12
    assert write_placeholders(rows, tmp_path, form) == 0
    data = Data(source="files", group_by=form.unit, channels=form.channels, classes=CLASSES)
    assert inspect_data(data, Split(kind="column"), sheet=sheet).faults == []
