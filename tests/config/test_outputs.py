# SPDX-License-Identifier: MIT
"""Which outputs a run has follows from classes, loss and `outputs`; what does not fit is refused."""

import pytest

from microtome import losses
from tests.config.test_load import faults_of, parse

FIVE = "{dermis: 0, epidermis: 1, keratin: 2, background: 3, junction: 4}"
TWO = "{background: 0, tissue: 1}"
STUDY = """\
paper: p4_unet_isbi
title: t
data: {{source: files, samples: s.tsv, channels: 3, classes: {classes}}}
defaults:
  network: {{name: unet, in_channels: 3}}
  loss: {{name: cross_entropy}}
runs:
  a: {a}
  b: {b}
"""
SOFTMAX = "bce, ce_dice, compound, cross_entropy, dice, focal, iou, lovasz, tversky, weighted_cross_entropy"
NETWORKS = {
    "unet": ("{name: unet, in_channels: 3}", "out_channels"),
    "usenet": ("{name: usenet, in_channels: 3}", "out_channels"),
    "cnn2d": ("{name: cnn2d, in_channels: 3}", "classes"),
}


def study(a="{}", b="{}", classes=FIVE):
    return STUDY.format(classes=classes, a=a, b=b)


@pytest.mark.parametrize("loss", [name for name in SOFTMAX.split(", ") if name != "cross_entropy"])
@pytest.mark.parametrize("network", NETWORKS)
def test_several_classes_train_a_map_for_each(tmp_path, network, loss):
    options, option = NETWORKS[network]
    run = parse(tmp_path, study(f"{{network: {options}, loss: {{name: {loss}}}}}")).runs["a"]
    assert getattr(run.network, option) == 5
    assert (run.activation, run.has_class_maps, run.segment.kind) == ("softmax", True, "argmax")
    assert losses.build(**run.loss.model_dump()) is not None


@pytest.mark.parametrize(
    ("network", "loss", "count", "activation"),
    [
        ("{}", "{name: dice}", 1, "sigmoid"),
        ("{}", "{name: dice, activation: softmax}", 2, "softmax"),
        ("{}", "{name: cross_entropy}", 2, "softmax"),
        ("{name: cnn2d, in_channels: 3}", "{name: dice}", 2, "softmax"),
        ("{name: cnn2d, in_channels: 3}", "{name: bce}", 2, "softmax"),
        ("{name: cnn2d, in_channels: 3}", "{name: dicebce}", 1, "sigmoid"),
        ("{name: cnn2d, in_channels: 3, classes: 1}", "{name: dice}", 1, "sigmoid"),
        ("{name: usenet, in_channels: 3}", "{name: bce}", 1, "sigmoid"),
    ],
)
def test_two_classes_are_either(tmp_path, network, loss, count, activation):
    text = study(f"{{network: {network}, loss: {loss}}}", classes=TWO)
    run = parse(tmp_path, text).runs["a"]
    assert getattr(run.network, "classes" if "cnn2d" in network else "out_channels") == count
    assert run.activation == activation
    assert run.segment.kind == ("argmax" if activation == "softmax" else "threshold")


def test_windows_of_several_classes_are_told_apart_by_the_largest_map(tmp_path):
    windows = "{network: {name: ciresan, in_channels: 3}, sampler: {kind: balanced_windows}}"
    five = parse(tmp_path, study(windows)).runs["a"]
    assert (five.network.classes, five.activation, five.segment.kind) == (5, "softmax", "argmax")
    two = parse(tmp_path, study(windows, classes=TWO)).runs["a"]
    assert (two.network.classes, two.activation, two.segment.kind) == (2, "sigmoid", "threshold")


def test_an_ensemble_of_classes_takes_the_largest_map(tmp_path):
    text = study() + "  both: {members: [a, b]}\n"
    assert parse(tmp_path, text).runs["both"].segment.kind == "argmax"
    (fault,) = faults_of(
        tmp_path, text.replace("members: [a, b]", "members: [a, b], segment: {kind: threshold}")
    )
    assert fault.startswith(":10 runs.both.segment.kind: found 'threshold'; expected 'argmax'")


@pytest.mark.parametrize(
    ("classes", "run", "expected"),
    [
        (
            FIVE,
            "{loss: {name: dicebce}}",
            ["loss.name: found 'dicebce', which trains 'epidermis' against the rest; expected one of bce"],
        ),
        (
            FIVE,
            "{loss: {name: dice, activation: sigmoid}}",
            ["loss.activation: found 'sigmoid', which trains 'epidermis' against the rest; expected 'soft"],
        ),
        (
            FIVE,
            "{loss: {name: dicebce}, network: {out_channels: 1}, calibration: {kind: cubic}}",
            [
                "loss.name: found 'dicebce'",
                "network.out_channels: found 1; expected 5, the number of data.classes",
                "calibration: found 'cubic'",
            ],
        ),
        (FIVE, "{network: {out_channels: 4}}", ["network.out_channels: found 4; expected 5, the number of"]),
        (
            FIVE,
            "{segment: {kind: watershed, markers: eroded}}",
            ["segment.kind: found 'watershed'; expected 'argmax', as the run gives a probability map for"],
        ),
        (
            FIVE,
            "{calibration: {kind: cubic}}",
            ["calibration: found 'cubic'; expected 'temperature' or 'none', as the run gives"],
        ),
        (
            FIVE,
            "{loss: {class_weight: inverse}}",
            ["loss.class_weight: found 'inverse'; expected a list, such as [a, b], or 'inverse_frequency'"],
        ),
        (
            FIVE,
            "{loss: {name: compound, positive: -1}}",
            ["loss.positive: found -1; expected a number, 0 or more, or 'foreground' or 'all'"],
        ),
        (
            FIVE,
            "{loss: {class_weight: [1, 2]}}",
            ["loss.class_weight: found 2 weights; expected 5, one for each of data.classes"],
        ),
        (
            FIVE,
            "{weights_of: b, loss: {name: dice, activation: sigmoid}, network: {out_channels: 5}}",
            ["loss.activation: found 'sigmoid'", "weights_of: found 'b' (by softmax, this run by sigmoid)"],
        ),
        (
            TWO,
            "{loss: {name: bce}, segment: {kind: argmax}}",
            ["segment.kind: found 'argmax'; expected 'threshold' or 'watershed'"],
        ),
        (
            TWO,
            "{loss: {name: dice, average: micro}}",
            ["loss.average: found an option of losses by softmax (average); expected activation: softmax"],
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_all_faults(tmp_path, classes, run, expected):
    found = faults_of(tmp_path, study(run, classes=classes))
    assert len(found) == len(expected), found
    for fault, beginning in zip(found, expected, strict=True):
        assert fault.startswith(f":8 runs.a.{beginning}"), found
    assert all(fault.startswith(":8 ") for fault in found)


def test_measured_losses_of_several_classes_are_softmax_losses(tmp_path):
    assert parse(tmp_path, study() + "evaluate: {metrics: [losses], losses: [dice, lovasz]}\n")
    (fault,) = faults_of(tmp_path, study() + "evaluate: {metrics: [losses], losses: [dicebce]}\n")
    assert fault.startswith(":10 evaluate.losses.0: found 'dicebce'")


def test_losses_are_not_measured_on_maps_of_bytes(tmp_path):
    measured = "evaluate: {metrics: [losses], losses: [dice]}\n"
    coarse = study("{predict: {store: {dtype: uint8}}}")
    assert parse(tmp_path, coarse).runs["a"].predict.store.dtype == "uint8"
    (fault,) = faults_of(tmp_path, coarse + measured)
    assert fault.startswith(
        ":8 runs.a.predict.store.dtype: found 'uint8'; expected float32, as evaluate.losses"
    )


def test_images_of_several_classes_may_be_zoomed(tmp_path):
    zoomed = "{input: {zoom: 0.5}}"
    assert parse(tmp_path, study(zoomed)).runs["a"].input.zoom == 0.5
    (fault,) = faults_of(tmp_path, study("{input: {zoom: 0.5}, augment: {target_rounding: floor}}"))
    assert fault.startswith(":8 runs.a.augment.target_rounding: found zoom 0.5 and 'floor'; expected")


def test_masks_with_ignored_colours_are_not_interpolated(tmp_path):
    text = study("{loss: {name: dice}, input: {zoom: 0.5}}", classes=TWO)
    drawn = "classes: {background: 0, tissue: 1}, colors: {background: '#000000', tissue: '#ff0000'}"
    text = text.replace(f"classes: {TWO}", drawn)
    assert parse(tmp_path, text).runs["a"].input.zoom == 0.5
    ignored = text.replace(drawn, f"{drawn}, ignore_colors: ['#ffffff']")
    (fault,) = faults_of(tmp_path, ignored)
    assert "found zoom 0.5 and 'nearest'; expected zoom 1 and 'nearest', as targets have more" in fault


def test_classes_have_eight_bits_of_which_one_number_is_no_class(tmp_path):
    names = "[" + ", ".join(f"c{number}" for number in range(256)) + "]"
    (fault,) = faults_of(tmp_path, study(classes=names))
    assert fault.endswith("data.classes: found 256 classes; expected 255 at most")
    assert len(parse(tmp_path, study(classes=names.replace(", c255", ""))).data.classes) == 255
