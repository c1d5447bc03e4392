# SPDX-License-Identifier: MIT
"""The table of the weights by which decoder blocks are summed."""

import pytest

from microtome import tables
from tests.tables.test_tables import inputs, record, scores

W = [0.5, -1.0, 0.25, 2.0, 0.125]


def run(name, *weights, seed=0):
    options = {"name": "dsunet", "options": {"head": "linear"}, "parameters": 1}
    network = options | ({"merge": list(weights)} if weights else {})
    return record(name, scores("dice", 0.5), seed=seed, network=network)


def test_weights_stand_beside_published_ones():
    plain = record("unet", scores("dice", 0.5))
    given = inputs(plain, run("linear", *W), paper="p1_bcc")
    table = tables.tabulate("merge_weights", given, published="merge_weights")
    assert table.frame["label"].tolist() == ["ψ0", "ψ1", "ψ2", "ψ3", "ψ4"]
    assert table.frame["linear"].tolist() == W
    assert table.frame["published"].tolist() == [0.1590, -0.1645, 0.1603, -0.2963, 0.0036]
    assert [column.key for column in table.columns] == ["label", "linear", "published"]
    assert "not identifiable" in table.note


def test_of_several_seeds_it_is_the_mean():
    both = inputs(run("linear", *W), run("linear", *[3 * w for w in W], seed=1))
    frame = tables.tabulate("merge_weights", both).frame
    assert frame["linear"].tolist() == pytest.approx([2 * w for w in W])
    assert frame["linear_sd"].tolist() == pytest.approx([abs(w) * 2**0.5 for w in W])


def test_runs_without_a_sum():
    plain = inputs(record("unet", scores("dice", 0.5)), run("deep"))
    with pytest.raises(ValueError, match="no run sums decoder blocks"):
        tables.tabulate("merge_weights", plain)
    with pytest.raises(ValueError, match="the network of run 'deep' sums no decoder blocks"):
        tables.tabulate("merge_weights", plain, rows=["deep"])
