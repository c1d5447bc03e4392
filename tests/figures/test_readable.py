# SPDX-License-Identifier: MIT
"""Figures as they are read: no text is cut off or lies over another, widths are a journal's."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from microtome import figures
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.style import DOUBLE_COLUMN, lay_out
from microtome.provenance.runs import RunRecord

NETWORK = {"name": "mednet", "width": 35, "classes": 6}
KINDS = {
    "panels": ("mosaic_panels", {}),
    "panels of one": ("mosaic_panels", {"runs": ["unet"], "count": 1}),
    "reliability": ("reliability", {}),
    "reliability of one": ("reliability", {"runs": ["unet"]}),
    "risk": ("risk_coverage", {}),
    "confusion": ("confusion_matrix", {"of": "meshwork"}),
    "terms": ("loss_terms", {}),
    "curves": ("loss_curves", {}),
    **{f"{n} scales": ("architecture", {"network": NETWORK | {"scales": n}, "size": 256}) for n in (1, 2, 3)},
    "inner skips": ("architecture", {"network": NETWORK | {"inner_skips": True}, "size": 256}),
}
OTHERS = {
    "outputs of six": ("study", "run_grid", {"runs": ["bce", "dice", "dicebce", "focal", "iou", "tversky"]}),
    "differences": ("study", "run_grid", {"runs": ["bce", "dice"], "shows": "differences"}),
    "difference": ("study", "difference_map", {"run": "bce"}),
    "one sample": ("study", "sample_panel", {"run": "bce", "mpp": 0.004}),
    "doubt": ("study", "uncertainty", {"count": 2}),
    "columns": ("study", "ensemble_columns", {"runs": ["mcdnn", "n4", "bce"]}),
    "window network": ("study", "architecture", {"network": {"name": "ciresan", "maps": 8}}),
    "cube": ("melanoma", "cube_pipeline", {"run": "hypernet_ce"}),
    "panels of cubes": ("melanoma", "melanoma_panels", {}),
}
"""Kinds of other studies, by name: the study, the kind and its options."""
TOUCH = 1.5
"""Pixels by which texts may meet."""


def boxes(figure):
    """Text and box (pixels) of all that is written in a figure."""
    lay_out(figure)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    hidden = {text for axes in figure.axes for text in not_drawn(axes)}
    return [(text.get_text(), text.get_window_extent(renderer)) for text in found if text not in hidden]


def not_drawn(axes):
    """The texts of ticks that lie beyond the limits of axes, or of axes that are off."""
    for axis, number in ((axes.xaxis, 0), (axes.yaxis, 1)):
        low, high = sorted(axis.get_view_interval())
        for label in axis.get_ticklabels(which="both"):
            if not axes.axison or not low <= label.get_position()[number] <= high:
                yield label


def check(figure):
    width, height = figure.get_size_inches() * figure.dpi
    assert width <= DOUBLE_COLUMN * figure.dpi + 1
    written = boxes(figure)
    for text, box in written:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, f"{text!r} is cut off: {box}"
    for (one, first), (other, second) in combinations(written, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across <= TOUCH or down <= TOUCH, f"{one!r} lies over {other!r}"


@pytest.mark.parametrize("name", list(KINDS))
def test_nothing_is_cut_off_or_covered(name, mosaics):
    kind, options = KINDS[name]
    check(figures.draw(kind, mosaics, **options).figure)


@pytest.mark.parametrize("name", list(OTHERS))
def test_nothing_is_cut_off_or_covered_elsewhere(name, request):
    of, kind, options = OTHERS[name]
    check(figures.draw(kind, request.getfixturevalue(of), **options).figure)


def record(run, classes):
    counts = np.random.default_rng(len(run)).integers(1, 900, (len(classes), len(classes)))
    rows = [
        {"part": "test", "sample": "a", "metric": f"pixels@{found}", "value": counts[i, j], "class": truth}
        for i, truth in enumerate(classes)
        for j, found in enumerate(classes)
    ]
    frame = pd.DataFrame(rows).assign(study="s", split="main", run=run, seed=0)
    return RunRecord(run, f"Network {run}", 0, "main", {"data_source": "own"}, None, frame, None)


@pytest.mark.parametrize(("classes", "count"), [(2, 2), (6, 1), (6, 5), (20, 1), (20, 2)])
def test_matrices_of_any_size_are_readable(count, classes):
    names = tuple(f"class number {index}" for index in range(classes))
    runs = [record(f"r{index}", names) for index in range(count)]
    inputs = FigureInputs(runs=runs, classes=names, data_kind="own")
    check(figures.draw("confusion_matrix", inputs).figure)
