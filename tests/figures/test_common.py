# SPDX-License-Identifier: MIT
import json

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from microtome import figures
from microtome.config import kinds
from microtome.figures.inputs import FigureInputs, SampleSources
from microtome.figures.parts.panels import bar_length
from microtome.figures.parts.style import (
    DOUBLE_COLUMN,
    PHANTOM_TAG,
    SINGLE_COLUMN,
    SMALL,
    TEXT,
    new_figure,
    styled,
)
from microtome.figures.result import FigureResult
from microtome.figures.save import render, save_figure

EXAMPLES = {
    "activations": {},
    "architecture": {"network": {"name": "unet", "width": 2}, "size": 32},
    "calibration_curve": {"bins": 5},
    "ciresan_output": {},
    "confusion_matrix": {"runs": ["bce", "mcdnn"]},
    "difference_map": {"run": "dice"},
    "loss_curves": {"runs": ["bce", "dice"]},
    "ensemble_columns": {"runs": ["mcdnn", "n4", "bce"]},
    "loss_taxonomy": {},
    "overlap_tile": {},
    "run_grid": {"runs": ["bce", "dice"]},
    "sample_panel": {"mpp": 0.004},
    "sliding_window": {"window": 17},
    "uncertainty": {"count": 2},
    "v_rand_curves": {},
    "window_variants": {"window": 17, "per_class": 1},
    "worked_convolution": {},
    "worked_pooling": {"example": "image"},
    "worked_relu": {},
    "worst_cases": {"count": 1},
}
NUCLEI = {
    "instance_results": {"run": "shape", "count": 2, "crop": 48},
    "instance_outputs": {"run": "shape"},
    "instance_targets": {"count": 2},
    "marker_comparison": {},
    "network_blocks": {"run": "shape"},
    "pipeline": {"run": "shape"},
    "stain_panels": {"count": 2},
    "stain_vectors": {},
}
"""Kinds drawn from the study of stained nuclei."""
MELANOMA = {
    "band_images": {"others": 4},
    "cube_pipeline": {"run": "hypernet_ce"},
    "feature_maps": {"run": "hypernet_ce", "crop": 32},
    "melanoma_panels": {},
    "rate_bars": {},
    "roc": {"pixels": 2000},
    "spectra": {},
}
"""Kinds drawn from the study of cubes."""
MOSAICS = {
    "loss_terms": {"runs": ["mednet3", "fcn"]},
    "class_examples": {"size": 24},
    "mosaic_labels": {"colors": {"nest": "#00ffff"}},
    "mosaic_panels": {"runs": ["mednet3", "fcn"], "count": 2},
    "reliability": {"runs": ["mednet3", "fcn"]},
    "risk_coverage": {},
}
"""Kinds drawn from the study of mosaics."""
SLIDES = {
    "called_patches": {},
    "section_errors": {"part": "val"},
}
"""Kinds drawn from the study of slides."""
ELSEWHERE = {
    "cube_quality",
    *("false_positive", "section_heat_maps", "section_labels", "slide_annotations", "tissue_sections"),
    *("decoder_levels", "sample_path"),
    "fragmentation",
}
"""Drawn from what calibration writes (tests/stages/test_cubes.py), from slides (test_slides.py), from
weights of networks with levels (test_levels.py), and from measures of regions (test_mosaic_data.py).
"""
PAGE = 247
"""Height of a journal's page, mm."""
RASTERIZED = {"loss_curves", "sample_panel"}
SHOW_NO_DATA = {
    "activations",
    "architecture",
    "loss_taxonomy",
    "network_blocks",
    "worked_convolution",
    "worked_relu",
}


def test_every_kind_has_an_example():
    assert {*EXAMPLES, *NUCLEI, *MELANOMA, *MOSAICS, *SLIDES, *ELSEWHERE} == set(kinds.names("figures"))


@pytest.mark.parametrize("kind", sorted({*EXAMPLES, *NUCLEI, *MELANOMA, *MOSAICS, *SLIDES}))
def test_draws_the_same_bytes_twice_and_tags_phantoms(kind, request):
    of = {"nuclei": NUCLEI, "melanoma": MELANOMA, "slides": SLIDES, "mosaics": MOSAICS, "study": EXAMPLES}
    name, options = next((name, kinds_of[kind]) for name, kinds_of in of.items() if kind in kinds_of)
    inputs = request.getfixturevalue(name)
    first, second = (figures.draw(kind, inputs, **options) for _ in range(2))
    assert render(first, "svg") == render(second, "svg")
    if kind in RASTERIZED:
        assert render(first, "png") == render(second, "png")
    pd.testing.assert_frame_equal(first.data, second.data)
    assert len(first.data)
    assert first.caption.strip().endswith(".")
    texts = [item.get_text() for item in first.figure.findobj(Text)]
    assert (PHANTOM_TAG in texts) == (kind not in SHOW_NO_DATA)
    fits_a_journal(first.figure)


def fits_a_journal(figure):
    """One or two columns wide, no higher than a page, in the sizes of text that there are."""
    width, height = figure.get_size_inches()
    assert width in (SINGLE_COLUMN, DOUBLE_COLUMN)
    assert height * 25.4 <= PAGE
    sizes = {text.get_fontsize(): text.get_text() for text in figure.findobj(Text) if text.get_text().strip()}
    assert set(sizes) <= {TEXT, SMALL}, sizes
    assert min(TEXT, SMALL) >= 6


def test_public_images_are_not_tagged(study):
    public = FigureInputs(runs=study.runs, sources=study.sources, data_kind="public")
    texts = [item.get_text() for item in figures.draw("sample_panel", public).figure.findobj(Text)]
    assert PHANTOM_TAG not in texts


def test_settings_are_left_as_they_were(study):
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 20}):
        large = render(figures.draw("worked_relu", study), "png")
    assert dict(matplotlib.rcParams) == before
    assert large == render(figures.draw("worked_relu", study), "png")


def test_save_writes_all_formats_without_dates(tmp_path, study):
    result = figures.draw("worked_relu", study)
    paths = save_figure(result, tmp_path / "deep/figure_18", kind="worked_relu", title="ReLU")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == [
        f"figure_18.{suffix}" for suffix in ("json", "pdf", "png", "svg", "tsv")
    ]
    assert b"<dc:date>" not in paths["svg"].read_bytes()
    assert b"CreationDate" not in paths["pdf"].read_bytes()
    assert paths["png"].read_bytes().startswith(b"\x89PNG")
    expected = {"caption": result.caption, "kind": "worked_relu", "title": "ReLU"}
    assert json.loads(paths["json"].read_text()) == expected
    pd.testing.assert_frame_equal(pd.read_csv(paths["tsv"], sep="\t"), result.data, check_dtype=False)
    bytes_before = {name: path.read_bytes() for name, path in paths.items()}
    save_figure(
        figures.draw("worked_relu", study),
        tmp_path / "deep/figure_18",
        kind="worked_relu",
        title="ReLU",
    )
    assert {name: path.read_bytes() for name, path in paths.items()} == bytes_before


def test_a_figure_has_data_behind_it():
    figure = styled(new_figure)(1, 1)
    with pytest.raises(ValueError, match="no data behind"):
        FigureResult(figure, pd.DataFrame(), "Empty.")


def test_errors_name_what_is_wrong(study):
    with pytest.raises(ValueError, match="loss_curves"):
        figures.draw("loss_curve", study)
    with pytest.raises(ValueError, match=r"takes no option .'colour'."):
        figures.draw("worked_relu", study, colour="red")
    for kind in ("sample_panel", "difference_map", "worst_cases", "ciresan_output", "calibration_curve"):
        with pytest.raises(ValueError, match="no record of run 'nope'"):
            figures.draw(kind, study, run="nope")
    for kind in ("loss_curves", "v_rand_curves"):
        with pytest.raises(ValueError, match="no record of run 'nope'"):
            figures.draw(kind, study, runs=["nope"])
        with pytest.raises(ValueError, match="has no runs"):
            figures.draw(kind, FigureInputs())
    with pytest.raises(ValueError, match=r"no files of sample '99'; the samples at hand: .'00'"):
        figures.draw("sample_panel", study, sample="99")
    with pytest.raises(ValueError, match="no prediction from before calibration of sample '00' by run 'bce'"):
        figures.draw("ciresan_output", study, run="bce", sample="00")
    with pytest.raises(ValueError, match=r"raw_predictions.* of run 'bce'"):
        figures.draw("ciresan_output", study, run="bce")
    with pytest.raises(FileNotFoundError, match=r"calibration\.json does not exist"):
        figures.draw("calibration_curve", study, run="bce")
    with pytest.raises(ValueError, match="ensemble"):
        figures.draw("loss_curves", study, runs=["mcdnn"])
    with pytest.raises(ValueError, match="unknown class 'nucleus'"):
        figures.draw("difference_map", study, of="nucleus")


@pytest.mark.parametrize(
    ("field", "length"), [(2.048, 0.5), (4.0, 1.0), (100.0, 20.0), (0.039, 0.005), (8.0, 2.0)]
)
def test_scale_bars_are_round_and_at_most_a_quarter(field, length):
    assert bar_length(field) == pytest.approx(length)
    assert np.isclose(bar_length(field), length) and bar_length(field) <= field / 4 * (1 + 1e-9)


def test_a_sample_is_chosen_among_tested_ones_that_have_what_is_needed(study):
    sources = {
        "000": study.sources["00"],
        "01": SampleSources(image=study.sources["01"].image),
        **study.sources,
    }
    inputs = FigureInputs(runs=study.runs, sources={**sources, "00": SampleSources()})
    assert inputs.sample(run="bce", needs=("predictions", "target"))[0] == "01"
    assert inputs.sample()[0] == "00"
    assert inputs.sample("000")[0] == "000"
    only_train = FigureInputs(runs=study.runs, sources={"000": study.sources["00"]})
    assert only_train.sample(run="bce", needs=("predictions",))[0] == "000"
    with pytest.raises(ValueError, match="at all"):
        FigureInputs().sample()
