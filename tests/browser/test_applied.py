# SPDX-License-Identifier: MIT
"""The page of a run that was applied to new images, as a browser shows it."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from microtome.report.applied import AppliedPage, build_applied
from tests.browser.conftest import Reader

pytestmark = pytest.mark.xdist_group("browser")
PHONE = {"viewport": {"width": 400, "height": 800}}


@pytest.mark.parametrize("reader", [{}, PHONE], ids=["desk", "phone"], indirect=True)
def test_images_are_shown_enlarged_and_listed(reader: Reader, report: Path) -> None:
    study = report.parent / "membranes"
    names = ("slice 03", "slice 05")
    rows = [
        {"image": f"/data/{name}.tif", "sample": name, "status": "done", "message": "", "cell": "0.7"}
        for name in names
    ]
    rows.append(rows[0] | {"image": "/data/none.tif", "status": "failed", "message": "no such file"})
    folder = report.parent / "applied"
    for part, source in (("images", study), ("segmentations", study / "runs/main/n4/seed-0")):
        for name in names:
            place = folder / part / f"{name}.tif"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((source / part / "0" / f"{name}.tif").read_bytes())
    page = AppliedPage(
        "U-Net on new images", {"Scale": "demo"}, [], rows, ["gap", "cell"], ["#000000", "#ffffff"]
    )
    reader.report = report.parent / "applied.html"
    reader.report.write_text(build_applied(page, folder), encoding="utf-8")
    reader.go()
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "no such file" in reader.page.locator("#failed").inner_text()
    serious = [
        one
        for one in Axe().run(reader.page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    reader.page.locator("button.zoom").first.click()
    assert reader.page.locator("#zoom-title").inner_text() == "image of slice 03"
    assert reader.complaints == []
