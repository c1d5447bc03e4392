# SPDX-License-Identifier: MIT
"""The report as a browser shows it: one view at a time, found by address, search and side bar."""

import pytest

from tests.browser.conftest import Reader

pytestmark = pytest.mark.xdist_group("browser")

PHONE = {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}
NIGHT = {"color_scheme": "dark"}
TOO_WIDE = """[...document.querySelectorAll('.shown *')].filter((one) => one.checkVisibility()
    && !one.closest('.scroll, .skip, pre, math') && one.getBoundingClientRect().right > innerWidth + 1)
    .map((one) => one.outerHTML.slice(0, 120))"""
CUT_OFF = """[...document.querySelectorAll('.shown th, .shown td, .shown h4, .shown .name, .shown .main')]
    .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1 && one.clientWidth)
    .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("reader", [{}, NIGHT, PHONE], ids=["desk", "night", "phone"], indirect=True)
def test_no_view_is_wider_than_the_window_and_nothing_is_complained_of(reader: Reader) -> None:
    reader.go()
    for address in reader.views():
        reader.go(address)
        assert reader.shown() == [address]
        reader.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        assert reader.page.evaluate(TOO_WIDE) == []
        assert reader.page.evaluate(CUT_OFF) == []
    assert reader.complaints == []


def test_the_first_screen_has_the_main_number_of_each_study(reader: Reader) -> None:
    reader.go()
    for number in ("0.950", "6"):
        box = reader.page.locator("#overview .main", has_text=number).first.bounding_box()
        assert box["y"] > 0
        assert box["y"] + box["height"] < 900
    assert reader.page.locator("#overview .interval").first.inner_text() == "[0.91, 0.98]"
    assert "better than the second by 0.10" in reader.page.locator("#overview").inner_text()


def test_addresses_lead_to_the_view_that_holds_them(reader: Reader) -> None:
    reader.go("#membranes.table.table-2")
    assert reader.shown() == ["#membranes"]
    assert reader.page.locator("[id='membranes.table.table-2'] h4").bounding_box()["y"] < 300
    reader.go("#membranes.figure.how")
    assert reader.page.locator("[id='membranes.figure.how'] img").is_visible(), "its fold opens"
    reader.go("#nowhere")
    assert reader.shown() == ["#overview"]
    reader.page.locator("#overview .strip-of-numbers a").first.click()
    reader.sees("#membranes")
    assert "Membranes in electron microscopy" in reader.page.title()


def test_back_leads_to_where_one_was(reader: Reader) -> None:
    reader.go("#membranes")
    reader.page.evaluate("scrollTo(0, 700)")
    reader.page.locator(".side a", has_text="Overview").click()
    reader.sees("#overview")
    assert reader.page.evaluate("scrollY") == 0
    reader.page.go_back()
    reader.sees("#membranes")
    assert reader.page.evaluate("scrollY") == 700


def test_headings_have_addresses_to_pass_on(reader: Reader) -> None:
    reader.go("#membranes")
    heading = reader.page.locator("[id='membranes.table.table-1'] h4")
    heading.hover()
    heading.locator(".permalink").click()
    assert reader.page.url.endswith("#membranes.table.table-1")
    without = "[...document.querySelectorAll('.product')].filter((one) => !one.querySelector('.permalink'))"
    assert reader.page.evaluate(f"{without}.length") == 0


def test_the_side_bar_says_which_section_is_read(reader: Reader) -> None:
    reader.go("#membranes")
    marked = reader.page.locator(".side [aria-current]")
    assert marked.inner_text() == "Membranes in electron microscopy"
    for section in ("Tables", "Figures"):
        place = f"document.getElementById('membranes.{section.lower()}')"
        reader.page.evaluate(f"{place}.scrollIntoView({{behavior: 'instant'}})")
        reader.page.wait_for_function(
            f"document.querySelector('.side [aria-current]').textContent === '{section}'"
        )
    assert reader.page.locator(".side", has_text="Sample").locator("li ul").first.is_visible()
    assert reader.page.locator(".up").is_visible()
    reader.page.locator(".up").click()
    reader.page.wait_for_function("scrollY === 0")
    assert reader.page.url.endswith("#membranes")


def test_the_search_finds_titles_and_captions_and_leads_back(reader: Reader) -> None:
    reader.go("#membranes")
    search = reader.page.get_by_role("searchbox")
    reader.page.keyboard.press("/")
    reader.page.keyboard.type("epoch loss")
    reader.sees("#index")
    reader.page.locator("#found", has_text="3 tables and figures have “epoch loss”").wait_for()
    found = reader.page.locator("#index li:visible")
    assert found.count() == 3
    assert "Validation loss by epoch." in found.first.inner_text()
    search.fill("nothing of the kind")
    reader.page.locator("#found", has_text="No tables and figures").wait_for()
    assert found.count() == 0
    search.press("Escape")
    reader.sees("#membranes")
    search.fill("wide table")
    search.press("Enter")
    reader.sees("#membranes")
    assert reader.page.url.endswith("#membranes.table.wide")


def test_rows_are_sorted_below_spanning_headings(reader: Reader) -> None:
    reader.go("#membranes.table.wide")
    table = reader.page.locator("[id='membranes.table.wide'] table")
    heads = table.locator("thead tr").last.locator("button")
    column = "[...document.querySelectorAll(\"[id='membranes.table.wide'] tbody td:nth-child(2)\")]"
    values = f"{column}.map((cell) => parseFloat(cell.firstChild.textContent))"
    heads.nth(1).click()
    assert (rising := reader.page.evaluate(values)) == sorted(rising)
    heads.nth(1).click()
    assert (falling := reader.page.evaluate(values)) == sorted(falling, reverse=True)
    assert [cell.get_attribute("colspan") for cell in table.locator(".groups > *").all()] == ["1", "7", "7"]


@pytest.mark.parametrize("reader", [PHONE], indirect=True)
def test_on_a_phone_the_first_column_stays_and_the_contents_unfold(reader: Reader) -> None:
    reader.go("#membranes.table.wide")
    place = reader.page.locator("[id='membranes.table.wide'] .scroll")
    first, second = (place.locator(f"tbody tr:first-child > :nth-child({n})") for n in (1, 9))
    before = [cell.bounding_box()["x"] for cell in (first, second)]
    place.evaluate("(one) => { one.scrollLeft = 300; }")
    after = [cell.bounding_box()["x"] for cell in (first, second)]
    assert after[0] == pytest.approx(before[0], abs=1)
    assert after[1] == pytest.approx(before[1] - 300, abs=1)
    assert not reader.page.locator("#contents").is_visible()
    reader.page.get_by_role("button", name="Contents").tap()
    reader.page.locator("#contents a", has_text="Index of tables").tap()
    reader.sees("#index")
    assert not reader.page.locator("#contents").is_visible()


@pytest.mark.parametrize("reader", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_all_views_are_there(reader: Reader) -> None:
    reader.go()
    for address in ("#overview", "#membranes", "#gaze", "#index", "#reproduce"):
        assert reader.page.locator(f"{address} h2").first.is_visible()
    assert not reader.page.get_by_role("searchbox").is_visible()


def test_a_study_that_only_looks_has_no_red(reader: Reader) -> None:
    reader.go("#gaze")
    assert reader.page.locator("#gaze .problem, #gaze .failed").count() == 0
    first = reader.page.locator("#gaze article.product").first
    assert first.get_attribute("id") == "gaze.figure.sample-path"
    assert reader.page.locator("#gaze h3", has_text="Runs").count() == 0
