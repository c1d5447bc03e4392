# SPDX-License-Identifier: MIT
"""Blocks whose output is added to that of the next one, in drawings of networks."""

from dataclasses import replace

import numpy as np

from microtome.figures.parts import block_diagram, layer_outputs


def hypernet(melanoma, run="hypernet_compound"):
    return layer_outputs.load_network(melanoma.record(run))


def test_an_addition_leads_to_where_the_sum_goes():
    down = [block_diagram.Shown(np.zeros((2, 2)), "", "", level, "down") for level in (0, 1, 1)]
    down[1] = replace(down[1], added=True)
    up = [block_diagram.Shown(np.zeros((2, 2)), "", "", level, "up") for level in (1, 0)]
    assert block_diagram.additions([*down, *up]) == [(1, 3)]
    assert block_diagram.additions([*down[:1], *up]) == []


def test_the_decoder_takes_the_sum_of_both_paths(melanoma):
    added = [part.label for part in layer_outputs.blocks(hypernet(melanoma)) if part.added]
    assert added == ["encoder 4"]
    assert not any(part.added for part in layer_outputs.blocks(hypernet(melanoma, "cnn2d_rgb")))
