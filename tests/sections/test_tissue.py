# SPDX-License-Identifier: MIT
"""Tissue in made pictures of slides: pen, borders, tinted glass, fields, dark slides."""

import os
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx, fixture, mark, raises
from scipy import ndimage
from skimage.draw import disk
from skimage.filters import threshold_otsu
from skimage.morphology import remove_small_holes, remove_small_objects

from microtome.config.sections import Glass, WholeTissue
from microtome.io.errors import ImageError
from microtome.io.slides import SlideSource, describe
from microtome.slides.overlay import draw, draw_boxes
from microtome.slides.tissue import find_tissue, saturation

SIDE = 240
MPP = (8.0, 8.0)
EOSIN, HEMATOXYLIN = (215, 130, 175), (110, 70, 150)
INKS = {"blue": (30, 60, 170), "green": (20, 120, 60), "red": (205, 30, 40), "black": (25, 25, 25)}
GLASS = [(245, 245, 245), (255, 255, 255), (248, 231, 241), (228, 226, 214)]
RAW = Glass(closing=0, holes=0, least_area=0)


def slide(glass=GLASS[0], seed=0):
    """A piece of eosin with nuclei on glass, with noise, and where it lies."""
    rng = np.random.default_rng(seed)
    tissue = np.zeros((SIDE, SIDE), bool)
    tissue[disk((130, 90), 70)] = True
    picture = np.empty((3, SIDE, SIDE))
    picture[:] = np.array(glass, float)[:, None, None]
    nuclei = tissue & (rng.random(tissue.shape) < 0.2)
    picture[:, tissue] = np.array(EOSIN)[:, None] * np.array(glass)[:, None] / 255
    picture[:, nuclei] = np.array(HEMATOXYLIN)[:, None]
    noise = rng.normal(0, 1.5, picture.shape)
    return np.clip(np.round(picture + noise), 0, 255).astype(np.uint8), tissue


def inked(picture, color, top=20, left=150):
    """A stroke with soft edges, and its pixels."""
    stroke = np.zeros((SIDE * 4, SIDE * 4))
    stroke[top * 4 + 1 : top * 4 + 51, left * 4 + 1 : left * 4 + 303] = 1
    cover = stroke.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))
    mixed = picture * (1 - cover) + np.array(color, float)[:, None, None] * cover
    return np.round(mixed).astype(np.uint8), cover > 0


@mark.parametrize("glass", GLASS)
def test_tissue_is_what_is_stained(glass):
    picture, tissue = slide(glass)
    found = find_tissue(picture, RAW, spacing=MPP)
    assert (found.tissue != tissue).mean() < 0.001
    assert found.shares["tissue"] == approx(tissue.mean(), rel=0.01)
    assert not found.left_out.any()


@mark.parametrize("glass", GLASS)
@mark.parametrize("ink", INKS)
def test_pen_is_no_tissue(ink, glass):
    plain, tissue = slide(glass)
    picture, stroke = inked(plain, INKS[ink])
    assert (picture != plain).any(axis=0)[stroke].any()
    found = find_tissue(picture, RAW, spacing=MPP)
    assert not found.tissue[stroke].any()
    assert found.left_out[stroke].all()
    beside = ndimage.binary_dilation(stroke, iterations=2)
    assert ((found.tissue != tissue) & ~beside).mean() < 0.002


@mark.parametrize("ink", INKS)
def test_pen_over_tissue_takes_the_stroke_alone(ink):
    plain, tissue = slide()
    picture, stroke = inked(plain, INKS[ink], top=120, left=60)
    found = find_tissue(picture, Glass(), spacing=MPP)
    assert found.tissue[stroke].mean() < 0.01  # corners that ink covers by a sixteenth
    beside = ndimage.binary_dilation(stroke, iterations=2)
    lost = tissue & ~found.tissue & ~beside
    assert lost.sum() < 0.01 * tissue.sum()


def test_a_black_border_does_not_draw_the_threshold_to_itself():
    """Otsu's threshold of optical density finds the border alone; that of grey all that is not glass."""
    picture, tissue = slide()
    border = np.zeros(tissue.shape, bool)
    border[:60] = border[:, 200:] = True
    tissue &= ~ndimage.binary_dilation(border)
    picture[:, border] = 4
    density = -np.log10(np.maximum(picture.mean(axis=0), 1) / 255)
    assert not (tissue & (density > threshold_otsu(density))).any()
    found = find_tissue(picture, RAW, spacing=MPP)
    assert not found.tissue[border].any()
    assert (found.tissue & tissue).sum() > 0.99 * tissue.sum()


def test_without_the_option_pen_is_taken_for_tissue():
    picture, stroke = inked(slide()[0], INKS["blue"])
    assert (
        find_tissue(picture, RAW.model_copy(update={"pen": False}), spacing=MPP).tissue[stroke].mean() > 0.8
    )


def test_specks_of_the_colour_of_ink_are_no_pen():
    picture, _ = slide()
    picture[:, 120:126, 80:90] = np.array(INKS["blue"], np.uint8)[:, None, None]
    assert find_tissue(picture, Glass(), spacing=MPP).tissue[120:126, 80:90].all()


@mark.parametrize("share", [0.0, 0.005])
def test_a_field_without_glass_is_all_tissue(share):
    rng = np.random.default_rng(0)
    picture = np.where(
        rng.random((SIDE, SIDE)) < 0.3, *(np.array(c)[:, None, None] for c in (HEMATOXYLIN, EOSIN))
    )
    picture = picture.astype(np.uint8)
    picture[:, : int(share * SIDE)] = 246
    assert find_tissue(picture, Glass(), spacing=MPP).tissue.all()


def test_a_field_with_little_glass_keeps_pale_tissue():
    """Otsu's threshold would part dark tissue from pale tissue."""
    dark = np.linspace(110, 10, SIDE - 60)
    picture = np.empty((3, SIDE, SIDE), np.uint8)
    picture[:] = np.array((224, 168, 200), np.uint8)[:, None, None]
    picture[0, :, 60:], picture[1, :, 60:], picture[2, :, 60:] = 200, dark, 180
    picture[:, :10] = 246
    found = find_tissue(picture, RAW, spacing=MPP)
    assert 0.6 * threshold_otsu(saturation(picture)) > saturation(picture)[50, 50]
    assert found.tissue[10:].all()
    assert not found.tissue[:10].any()


def test_a_whole_slide_is_tissue_where_the_study_says_so():
    found = find_tissue(np.full((3, 5, 7), 250, np.uint8), WholeTissue(), spacing=MPP)
    assert found.tissue.all()
    assert found.threshold is None


def fluorescent():
    rng = np.random.default_rng(1)
    picture = np.zeros((3, SIDE, SIDE), np.uint8)
    picture[2] = np.clip(ndimage.gaussian_filter((rng.random((SIDE, SIDE)) < 0.05) * 900.0, 1.5), 0, 255)
    picture[1] = 9
    return picture


@mark.parametrize("picture", [fluorescent(), np.zeros((3, 50, 50), np.uint8)], ids=["nuclei", "black"])
def test_a_dark_slide_is_refused_by_name(picture):
    with raises(ImageError, match=r"b/7\.ndpi: found a dark slide .* as fluorescence is"):
        find_tissue(picture, Glass(), spacing=MPP, name="b/7.ndpi")


def test_a_darkly_stained_slide_is_none():
    picture, tissue = slide()
    picture[:, tissue] = (picture[:, tissue] * 0.6).astype(np.uint8)
    assert find_tissue(picture, RAW, spacing=MPP).tissue[tissue].mean() > 0.99


def empty(glass, *, padded=False, stroke=None):
    noise = np.random.default_rng(2).normal(0, 1.5, (3, SIDE, SIDE))
    picture = np.clip(np.array(glass)[:, None, None] + noise, 0, 255).astype(np.uint8)
    if padded:
        picture[:, :, :100] = 255
    return picture if stroke is None else inked(picture, INKS[stroke])[0]


@mark.parametrize("glass", GLASS)
@mark.parametrize("padded", [False, True])
@mark.parametrize("stroke", [None, "blue", "red"])
def test_a_slide_without_tissue_is_an_error(glass, padded, stroke):
    with raises(ImageError, match=r"a\.svs: found no tissue of 100000 µm² or more"):
        find_tissue(empty(glass, padded=padded, stroke=stroke), Glass(), spacing=MPP, name="a.svs")


def spots(seed):
    """Squares of eosin of several sizes, with holes, on glass."""
    rng, mask = np.random.default_rng(seed), np.zeros((90, 120), bool)
    for _ in range(12):
        y, x, size = *rng.integers(0, 80, 2), int(rng.integers(2, 30))
        mask[y : y + size, x : x + size] = True
        mask[y + 2 : y + size // 3, x + 2 : x + size // 3] = False
    picture = np.full((3, *mask.shape), 246, np.uint8)
    picture[:, mask] = np.array(EOSIN, np.uint8)[:, None]
    return picture, mask


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), holes=st.integers(0, 80), area=st.integers(0, 100))
def test_holes_and_pieces_are_measured_in_micrometres(seed, holes, area):
    picture, mask = spots(seed)
    options = Glass(closing=0, holes=holes * 32.0, least_area=area * 32.0)
    filled = remove_small_holes(mask, max_size=max(holes - 1, 0), connectivity=1) if holes else mask
    expected = remove_small_objects(filled, max_size=max(area - 1, 0), connectivity=2) if area else filled
    if expected.any():
        assert (find_tissue(picture, options, spacing=(4.0, 8.0)).tissue == expected).all()


@mark.parametrize(("gap", "joined"), [(4, True), (6, False)])
@mark.parametrize("axis", [0, 1])
def test_gaps_are_closed_up_to_a_width(gap, joined, axis):
    mask = np.zeros((80, 80), bool)
    mask[10:70, 10:70] = True
    mask[:, 40 : 40 + gap] = False
    mask = mask.swapaxes(0, axis)
    picture = np.full((3, 80, 80), 246, np.uint8)
    picture[:, mask] = np.array(EOSIN, np.uint8)[:, None]
    found = find_tissue(picture, Glass(closing=40, holes=0, least_area=0), spacing=MPP).tissue
    assert (ndimage.label(found)[1] == 1) == joined
    assert found[mask].all()
    assert not (found & ~ndimage.binary_fill_holes(ndimage.binary_closing(mask, np.ones((9, 9))))).any()


def test_tissue_at_the_edge_stays_at_the_edge():
    picture, mask = spots(3)
    assert (find_tissue(picture, Glass(holes=0, least_area=0), spacing=MPP).tissue & mask).sum() == mask.sum()


@fixture
def found():
    return find_tissue(inked(slide()[0], INKS["blue"])[0], Glass(), spacing=MPP)


def test_the_overlay_shows_what_was_found(found):
    picture, _ = inked(slide()[0], INKS["blue"])
    before = picture.copy()
    drawn = np.moveaxis(draw(picture, found.tissue, found.left_out), -1, 0)
    assert (picture == before).all()
    inner = ndimage.binary_erosion(found.tissue, np.ones((3, 3)))
    assert (drawn[:, inner] == picture[:, inner]).all()
    assert (drawn[:, found.tissue & ~inner] == np.array((0, 150, 60))[:, None]).all()
    around = ~found.tissue & ~found.left_out
    assert (drawn[:, around] >= picture[:, around]).all()
    assert (np.abs(drawn[:, found.left_out].astype(int) - picture[:, found.left_out])).sum(axis=0).min() > 30


def test_boxes_are_drawn_inside_their_edges():
    picture = np.zeros((20, 30, 3), np.uint8)
    drawn = draw_boxes(picture, [(2, 3, 12, 20), (10, 25, 40, 50)], [(255, 0, 0), (0, 255, 0)])
    red = drawn[..., 0] > 0
    assert not picture.any()
    assert (
        red.any(axis=1).nonzero()[0][[0, -1]].tolist(),
        red.any(axis=0).nonzero()[0][[0, -1]].tolist(),
    ) == ([2, 11], [3, 19])
    assert not red[4:10, 5:18].any()
    assert (drawn[10:, 25:, 1] > 0).any()


REAL = {"CMU-1-Small-Region.svs": (0.499, 0.35), "TCGA-CR-7395-01A-01-TS1.svs": (0.25, 0.63)}
"""Pixel size, and the share that another implementation of the recipe took for tissue."""


@mark.realdata
@mark.skipif("MICROTOME_DATA" not in os.environ, reason="MICROTOME_DATA is not set: no real slides")
@mark.parametrize("name", REAL)
@mark.parametrize("ink", [None, *INKS])
def test_real_slides_have_the_tissue_that_is_seen(name, ink):
    mpp, share = REAL[name]
    path = Path(os.environ["MICROTOME_DATA"], "wsi_small", name)
    source = SlideSource(describe(path, mpp=8, slide_mpp=mpp))
    plain = source.read(0, 0, *source.shape[1:])
    before = find_tissue(plain, RAW, spacing=MPP).tissue
    assert before.mean() == approx(share, abs=0.02)
    if ink is not None:
        picture, stroke = plain.copy(), np.zeros(before.shape, bool)
        stroke[40:50] = True
        picture[:, stroke] = np.array(INKS[ink], np.uint8)[:, None]
        picture[:, :9] = 5
        stroke[:9] = True
        found = find_tissue(picture, RAW, spacing=MPP).tissue
        beside = ndimage.binary_dilation(stroke)
        assert not found[stroke].any()
        assert (before & ~found & ~beside).sum() < 0.02 * before.sum()


@mark.parametrize(
    "wrong", [np.zeros((5, 5, 3), np.uint8), np.zeros((3, 5, 5)), np.zeros((3, 0, 5), np.uint8)]
)
def test_what_is_no_picture_is_refused(wrong):
    with raises(ImageError, match=r"uint8 \(3, H, W\)"):
        find_tissue(wrong, Glass(), spacing=MPP)
