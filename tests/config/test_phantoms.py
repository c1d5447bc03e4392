# SPDX-License-Identifier: MIT
"""Phantoms in a study file: which kind is meant, and what is wrong with its options."""

from pytest import mark, raises

from microtome.config.phantoms.cubes import CubePhantomData
from microtome.config.phantoms.em import EMPhantomData
from microtome.config.phantoms.he import HEPhantomData
from microtome.config.study import Data
from microtome.faults import ConfigurationError
from tests.config.studies import load_study

STUDY = """\
paper: p4_unet_isbi
title: t
data: {{source: phantom, phantom: {phantom}, group_by: patient, classes: {{a: 0, b: 1}}}}
defaults: {{network: {{name: unet}}, loss: {{name: bce}}}}
runs: {{a: {{label: A}}}}
"""


def load(folder, phantom):
    (folder / "x.yaml").write_text(STUDY.format(phantom=phantom), encoding="utf-8")
    return load_study("x", "paper", folder=folder).data.phantom


def test_the_kind_is_em_unless_another_is_named(tmp_path):
    assert load(tmp_path, "{size: 64}") == EMPhantomData(size=64)
    assert load(tmp_path, "{kind: em, block: 3}") == EMPhantomData(block=3)
    assert Data(source="phantom", classes={"a": 0}, phantom={"kind": "he"}).phantom == HEPhantomData()
    cubes = Data(source="phantom", classes={"a": 0}, phantom={"kind": "cubes", "fields": 3}).phantom
    assert cubes == CubePhantomData(fields=3)


@mark.parametrize(
    ("phantom", "expected"),
    [
        (
            "{kind: hx}",
            "data.phantom.kind: found 'hx'; expected 'he'? (known: cubes, em, he, mosaics, slides)",
        ),
        ("{kind: he, slices: {}}", "data.phantom.slices: found unknown option 'slices'"),
        ("{hospitals: 3}", "data.phantom.hospitals: found unknown option 'hospitals'"),
        ("{kind: he, hospitals: 0}", "data.phantom.hospitals: found 0; expected a number above 0"),
        ("{kind: he, size: 16}", "data.phantom.size: found 16; expected a number, 64 or more"),
        ("{kind: cubes, size: 16}", "data.phantom.size: found 16; expected a number, 32 or more"),
        ("{kind: cubes, references: line}", "data.phantom.references: found 'line'; expected 'lines'?"),
        ("{kind: he, touching: 2}", "data.phantom.touching: found 2; expected a number, 1.0 or less"),
        ("{kind: he, organs: [lver]}", "'lver'; expected 'liver'?"),
        ("{kind: he, images: {trian: 1}}", "data.phantom.images.trian: found 'trian'; expected 'train'?"),
    ],
)
def test_faults_say_where_and_what(phantom, expected, tmp_path):
    with raises(ConfigurationError) as caught:
        load(tmp_path, phantom)
    (fault,) = caught.value.faults
    assert expected in str(fault)
