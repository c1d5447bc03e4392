# SPDX-License-Identifier: MIT
"""Enlarged pictures: the file beside the page at full size, moved and resized by wheel, fingers and keys."""

import pytest

from tests.browser.conftest import Reader

pytestmark = pytest.mark.xdist_group("browser")

PHONE = {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}
BOX = """(() => { const box = document.querySelector('.zoom-stage img').getBoundingClientRect();
    return [box.left, box.top, box.width, box.height]; })()"""
FULL = "document.querySelector('.zoom-stage img')?.src.endsWith('figure_1.svg')"


def _open(reader: Reader, address: str = "membranes.figure.figure-1") -> None:
    reader.go(f"#{address}")
    reader.page.locator(f"[id='{address}'] a.zoom").click()
    reader.page.wait_for_function(FULL)
    reader.page.wait_for_function("document.querySelector('.zoom-stage img').naturalWidth === 4000")


def box(reader: Reader) -> list[float]:
    return reader.page.evaluate(BOX)


def test_the_file_beside_the_page_is_shown_whole(reader: Reader) -> None:
    _open(reader)
    left, top, width, height = box(reader)
    assert width / height == pytest.approx(2, rel=0.01)
    assert 0 <= left < left + width <= 1280
    assert 0 <= top < top + height <= 900
    assert reader.page.locator("#zoom-title").inner_text() == "Figure 1: losses"
    assert reader.page.locator(".zoom-file").get_attribute("href") == "membranes/figures/figure_1.svg"
    reader.page.keyboard.press("Escape")
    assert not reader.page.locator("dialog").is_visible()
    assert reader.complaints == []


def test_the_wheel_resizes_around_the_pointer_and_dragging_moves(reader: Reader) -> None:
    _open(reader)
    before = box(reader)
    pointer = (before[0] + before[2] * 0.25, before[1] + before[3] * 0.5)
    reader.page.mouse.move(*pointer)
    reader.page.mouse.wheel(0, -600)
    reader.page.wait_for_function(f"{BOX}[2] > {before[2] * 2}")
    after = box(reader)
    assert after[0] + after[2] * 0.25 == pytest.approx(pointer[0], abs=2)
    assert after[1] + after[3] * 0.5 == pytest.approx(pointer[1], abs=2)
    reader.page.mouse.down()
    reader.page.mouse.move(pointer[0] + 50, pointer[1] - 40)
    reader.page.mouse.up()
    moved = box(reader)
    assert (moved[0] - after[0], moved[1] - after[1]) == pytest.approx((50, -40), abs=1)
    reader.page.mouse.move(*pointer)
    reader.page.mouse.wheel(0, 9000)
    reader.page.wait_for_function(f"{BOX}[2] < {before[2] * 1.01}")
    assert box(reader) == pytest.approx(before, abs=1), "no smaller than the whole, and in its place"


def test_keys_and_buttons_do_the_same(reader: Reader) -> None:
    _open(reader)
    whole = box(reader)
    reader.page.keyboard.press("1")
    assert box(reader)[2] == pytest.approx(4000)
    assert reader.page.locator("dialog output").inner_text() == "100 %"
    edge = box(reader)[0]
    reader.page.keyboard.press("ArrowRight")
    assert box(reader)[0] < edge
    reader.page.keyboard.press("0")
    assert box(reader) == pytest.approx(whole, abs=1)
    for name, share in (("Larger", 1.25), ("Smaller", 1.0), ("1:1", 4000 / whole[2]), ("Fit", 1.0)):
        reader.page.get_by_role("button", name=name, exact=True).click()
        assert box(reader)[2] == pytest.approx(whole[2] * share, rel=0.01), name
    reader.page.get_by_role("button", name="Close").click()
    assert not reader.page.locator("dialog").is_visible()


def test_one_turns_to_the_next_picture_of_the_view(reader: Reader) -> None:
    reader.go("#gaze")
    reader.page.locator("#gaze a.zoom").first.click()
    assert reader.page.locator("#zoom-title").inner_text() == "The sample_path"
    reader.page.keyboard.press("PageDown")
    assert reader.page.locator("#zoom-title").inner_text() == "Figure 1: losses"
    reader.page.get_by_role("button", name="Previous picture").click()
    assert reader.page.locator("#zoom-title").inner_text() == "The sample_path"


def test_without_files_the_embedded_picture_is_enlarged(reader: Reader) -> None:
    reader.page.route("**/figures/*", lambda route: route.abort())
    reader.go("#membranes.figure.figure-1")
    reader.page.locator("[id='membranes.figure.figure-1'] a.zoom").click()
    reader.page.wait_for_function("document.querySelector('.zoom-stage img').naturalWidth === 1000")
    assert box(reader)[2] > 800


def test_thumbnails_of_cases_are_enlarged(reader: Reader) -> None:
    reader.go("#membranes.worst-cases")
    reader.page.locator("[id='membranes.worst-cases'] button.zoom").first.click()
    assert box(reader)[2] > 500
    assert not reader.page.locator(".zoom-file").is_visible()


@pytest.mark.parametrize("reader", [PHONE], indirect=True)
def test_two_fingers_resize(reader: Reader) -> None:
    _open(reader)
    before = box(reader)
    assert before[2] <= 400
    tools = reader.page.locator(".zoom-tools > *:visible").all()
    assert all(0 <= tool.bounding_box()["x"] < 400 - tool.bounding_box()["width"] + 1 for tool in tools)
    session = reader.page.context.new_cdp_session(reader.page)
    for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60), ("touchEnd", None)):
        points = [] if apart is None else [{"x": 200 - apart, "y": 400}, {"x": 200 + apart, "y": 400}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    reader.page.wait_for_function(f"{BOX}[2] > {before[2] * 2.5}")
    after = box(reader)
    assert after[2] / before[2] == pytest.approx(3, rel=0.05)
    assert after[0] + after[2] / 2 == pytest.approx(200, abs=3), "around the fingers"
