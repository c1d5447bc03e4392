# SPDX-License-Identifier: MIT
"""One palette, one meaning: bright, white, vermillion and blue are the same in every figure, and told."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.legend import Legend

from microtome import figures
from microtome.config.colors import class_colors, class_of_interest
from microtome.figures.parts.colors import DOUBT, HEAT, UNLABELLED
from microtome.figures.parts.outcomes import tones
from microtome.figures.parts.panels import heat_picture
from microtome.io import images

BLACK, WHITE, VERMILLION, BLUE = (0, 0, 0), (1, 1, 1), to_rgb("#D55E00"), to_rgb("#0072B2")
LABEL, PROBABILITY = [[0, 0, 1, 1, 255]], [[0.1, 0.9, 0.8, 0.2, 0.9]]
ORDERS = {
    ("normal", "melanoma"): "melanoma",
    ("tumor", "normal"): "tumor",
    ("background", "nucleus"): "nucleus",
    ("nucleus", "Background"): "nucleus",
}


def pixels(axes):
    """What an image panel shows, as RGB (H, W, 3), 0 to 1."""
    (artist,) = axes.images
    shown = np.asarray(artist.get_array())
    return shown / 255 if shown.ndim == 3 else np.asarray(artist.to_rgba(shown))[..., :3]


def entries(figure):
    """Colour by text of all legends of a figure."""
    legends = list(figure.findobj(Legend))
    return {
        text.get_text(): handle.get_facecolor()[:3]
        for legend in legends
        for text, handle in zip(legend.get_texts(), legend.get_patches(), strict=False)
    }


@pytest.mark.parametrize(("names", "about"), list(ORDERS.items()))
def test_what_a_study_is_about_is_white_and_the_rest_black(names, about):
    assert class_of_interest(names) == about
    assert {name: tone == "#FFFFFF" for name, tone in class_colors(names).items()} == {
        name: name == about for name in names
    }


def test_membranes_are_black_between_white_cells_as_published():
    names = ("membrane", "cell")
    assert class_of_interest(names) == "membrane"
    assert class_colors(names) == {"membrane": "#000000", "cell": "#FFFFFF"}


def test_right_pixels_keep_the_colour_of_their_class(tiny):
    figure = figures.draw("difference_map", tiny(label=LABEL, probability=PROBABILITY)).figure
    output, label, difference = (pixels(axes)[0] for axes in figure.axes)
    np.testing.assert_allclose(output[:4], [BLACK, WHITE, WHITE, BLACK])
    np.testing.assert_allclose(label, [BLACK, BLACK, WHITE, WHITE, to_rgb(UNLABELLED)], atol=1e-6)
    # of membranes the second is missed, and the fourth is none
    expected = [BLACK, BLUE, WHITE, VERMILLION, to_rgb(UNLABELLED)]
    np.testing.assert_allclose(difference, expected, atol=2e-3)
    told = entries(figure)
    assert {text.partition("  ")[0]: tone for text, tone in told.items()} == {
        "true positive (membrane)": BLACK,
        "true negative (cell)": WHITE,
        "false positive": pytest.approx(VERMILLION),
        "false negative": pytest.approx(BLUE),
        "unlabelled": pytest.approx(to_rgb(UNLABELLED)),
    }
    assert "false positive  1" in told


def test_one_of_several_classes_has_outcomes_of_its_own_colours(mosaics):
    shown = tones(mosaics, "nest")
    assert list(shown.values()) == ["#FFFFFF", "#3A3A3A", "#D55E00", "#0072B2"]


def test_probabilities_are_bright_where_classes_are_white(melanoma):
    grid = figures.draw("melanoma_panels", melanoma, runs=["hypernet_ce"]).figure.axes
    truth, probability = pixels(grid[1]), pixels(grid[2]).mean(axis=-1)
    name = figures.draw("melanoma_panels", melanoma, runs=["hypernet_ce"]).data["sample"].iloc[0]
    is_melanoma = images.read(melanoma.sources[name].target) == 1
    assert (truth[is_melanoma] == 1).all() and (truth[~is_melanoma] == 0).all()
    assert probability[is_melanoma].mean() > probability[~is_melanoma].mean()


def test_the_way_of_a_cube_ends_in_white_melanoma(melanoma):
    result = figures.draw("cube_pipeline", melanoma, run="hypernet_ce")
    sources = melanoma.sources[result.data["sample"].iloc[0]]
    found = images.read(sources.segmentations["hypernet_ce"]) == 1
    likely = images.read(sources.predictions["hypernet_ce"])[..., 1]
    *_, probability, segmentation = (
        np.asarray(one.get_array()) / (255 if one.get_array().dtype == np.uint8 else 1)
        for one in result.figure.axes[0].images
    )
    np.testing.assert_allclose(segmentation, np.repeat(found[..., None], 3, axis=-1).astype(float))
    np.testing.assert_allclose(probability, heat_picture(likely))
    assert heat_picture(np.linspace(0, 1, 9)[None])[0].mean(axis=-1).tolist() == sorted(
        heat_picture(np.linspace(0, 1, 9)[None])[0].mean(axis=-1)
    )


def test_doubt_is_told_of_the_class_that_the_differences_are_of(study):
    doubt = figures.draw("uncertainty", study)
    heads = {axes.get_title(loc="left") for axes in doubt.figure.axes}
    assert "outcomes of membrane" in heads
    assert "pixels by outcome of membrane" in doubt.caption
    assert "choice between membrane and cell" in doubt.caption
    sample = doubt.data["sample"].iloc[0]
    difference = figures.draw("difference_map", study, run="mcdnn", sample=sample)
    np.testing.assert_array_equal(pixels(doubt.figure.axes[1]), pixels(difference.figure.axes[2]))
    assert "outcomes of cell" in {
        axes.get_title(loc="left") for axes in figures.draw("uncertainty", study, of="cell").figure.axes
    }
    assert doubt.figure.axes[2].images[0].get_cmap().name == DOUBT != HEAT


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("sample_panel", {"run": "bce"}),
        ("ciresan_output", {}),
        ("difference_map", {"run": "bce"}),
        ("worst_cases", {"run": "bce", "count": 1}),
        ("uncertainty", {"count": 1}),
        ("run_grid", {"runs": ["bce", "dice"]}),
        ("run_grid", {"runs": ["bce", "dice"], "shows": "differences"}),
    ],
)
def test_a_legend_and_the_caption_say_which_class_is_white(kind, options, study):
    result = figures.draw(kind, study, **options)
    white = [text for text, tone in entries(result.figure).items() if tone == WHITE]
    black = [text for text, tone in entries(result.figure).items() if tone == BLACK]
    assert len(white) == len(black) == 1
    assert "cell" in white[0] and "membrane" in black[0]
    assert "membrane is black, cell white" in result.caption


@pytest.mark.parametrize("kind", ["sample_panel", "ciresan_output", "ensemble_columns", "melanoma_panels"])
def test_probabilities_have_one_colour_map(kind, request):
    inputs = request.getfixturevalue("melanoma" if kind == "melanoma_panels" else "study")
    options = {"runs": ["mcdnn", "n4"]} if kind == "ensemble_columns" else {}
    figure = figures.draw(kind, inputs, **options).figure
    maps = {axes.images[0].get_cmap().name for axes in figure.axes if axes.images}
    assert HEAT in maps
    assert maps <= {HEAT, "gray", "viridis"}  # viridis: pictures that have colours of their own


def test_a_study_with_colours_of_its_own_keeps_them(study):
    colored = replace(study, colors={"membrane": "#552200", "cell": "#ffeecc"})
    figure = figures.draw("difference_map", colored, run="bce").figure
    told = entries(figure)
    assert told["membrane"] == pytest.approx(to_rgb("#552200"))
    assert any(text.startswith("true positive  ") for text in told)


@pytest.mark.parametrize("kind", ["sample_panel", "run_grid", "melanoma_panels"])
def test_the_class_of_interest_is_shown_whichever_comes_last(kind, tiny):
    """A map with one channel is of the last class, here of the rest."""
    inputs = replace(tiny(label=LABEL, probability=PROBABILITY), classes=("tumor", "normal"))
    assert (inputs.output_class, inputs.positive_class) == ("normal", "tumor")
    result = figures.draw(kind, inputs)
    assert "probability of tumor" in result.caption
    expected = heat_picture(1 - np.asarray(PROBABILITY))
    shown = [pixels(axes) for axes in result.figure.axes if len(axes.images) == 1]
    assert any(one.shape == expected.shape and np.allclose(one, expected, atol=1e-2) for one in shown)
