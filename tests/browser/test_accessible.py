# SPDX-License-Identifier: MIT
"""What axe-core finds in the report: nothing that is serious, in any view, by day or by night."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Reader

pytestmark = pytest.mark.xdist_group("browser")
SERIOUS = ("serious", "critical")


def findings(reader: Reader) -> list[str]:
    """What is serious, and where."""
    found = Axe().run(reader.page).response["violations"]
    serious = [one for one in found if one["impact"] in SERIOUS]
    return [f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in serious]


@pytest.mark.parametrize("reader", [{"color_scheme": name} for name in ("light", "dark")], indirect=True)
def test_nothing_serious_is_found(reader: Reader) -> None:
    reader.go()
    for address in reader.views():
        reader.go(address)
        reader.page.evaluate("for (const one of document.querySelectorAll('.shown details')) one.open = true")
        assert findings(reader) == [], address


def test_nothing_serious_is_found_in_an_enlarged_picture(reader: Reader) -> None:
    reader.go("#gaze")
    reader.page.locator("#gaze a.zoom").first.click()
    assert findings(reader) == []


def test_a_fault_is_found(reader: Reader) -> None:
    reader.go()
    reader.page.evaluate("document.querySelector('.side input').removeAttribute('aria-label')")
    reader.page.evaluate("document.querySelector('.side input').removeAttribute('placeholder')")
    assert any(one.startswith("label") for one in findings(reader))
