# SPDX-License-Identifier: MIT
"""Studies of slides that contradict themselves, and slides' options in studies that have none."""

from pytest import mark

from microtome.config.modalities import slides
from tests.config.test_checks_objects import changed, faults_of, without_lines
from tests.workflow.workspace import he_study, mini_study

STUDY = {
    "title": "Slides",
    "data": {"source": "files", "samples": "s.tsv", "channels": 3, "classes": ["normal", "tumor"]},
    "slides": {"mpp": 0.5},
    "defaults": {
        "network": {"name": "unet", "in_channels": 3},
        "loss": {"name": "cross_entropy"},
        "training": {"select": {"class": "tumor", "keep": 5}},
        "predict": {"window": 256},
        "calls": {"class": "tumor"},
    },
    "runs": {"one": None, "other": {"weights_of": "one"}},
    "scales": {"demo": {}},
}
CASES = {
    "grey slides": (
        {"data.channels": 1, "defaults.network.in_channels": 1},
        "data.channels: found 1; expected 3, as slides are read as RGB",
    ),
    "slides with fewer pixels": (
        {"data.downsample": 4},
        "data.downsample: found 4; expected 1, as slides.mpp says what networks see",
    ),
    "slides of 16 bits": (
        {"data.dtype": "uint16"},
        "data.dtype: found 'uint16'; expected null, as slides are of 8 bits",
    ),
    "pixels of MATLAB": (
        {"targets": {"convention": "matlab"}},
        "targets.convention: found 'matlab'; expected 'pixel_centre' or 'first_pixel', as annotations are "
        "drawn on a grid of their own",
    ),
    "a class that there is not": (
        {"runs.one": {"calls": {"class": "tumour"}}, "runs.other": None},
        "runs.one.calls.class: found 'tumour'; expected 'tumor'? (known: normal, tumor)",
    ),
    "names of a class that there is not": (
        {"slides.sections": {"names": {"tumour": ["Tumor"]}}},
        "slides.sections.names.tumour: found 'tumour'; expected 'tumor'? (known: normal, tumor)",
    ),
    "whole slides through a network": (
        {"runs.one": {"predict": {"window": None}}, "runs.other.predict": {"window": 128}},
        "runs.one.predict.window: found null; expected pixels of a window, as slides are too large for the "
        "network as a whole",
    ),
    "two pixel sizes": (
        {"runs.other.input": {"zoom": 0.5}},
        "runs.other.input.zoom: found 0.5; expected 1, as slides.mpp says what networks see",
    ),
    "one epoch to choose from": (
        {"runs.one": {"training": {"select": {"keep": None}}}},
        "runs.one.training.select.keep: found nothing; expected how many epochs training keeps, such as 5, "
        "as one is chosen by the calls",
    ),
    "other calls than the lender's": (
        {"runs.other.calls": {"beta": 1}},
        "runs.other.calls: found other calls than those of the run whose weights it borrows; expected the "
        "same",
    ),
    "maps of a class that there is not": (
        {"runs.one": {"predict": {"store": {"classes": ["tumour"]}}}, "runs.other": None},
        "runs.one.predict.store.classes: found 'tumour', of which there is no map; expected 'tumor'? (known: "
        "normal, tumor)",
    ),
    "a level of a network that has none": (
        {"runs.one": {"predict": {"level": 0}}, "runs.other": None},
        "runs.one.predict.level: found 0; expected null, as network 'unet' is built",
    ),
    "windows that do not fit a level": (
        {
            "defaults.network": {"name": "dsunet", "head": "deep", "in_channels": 3},
            "defaults.supervision": {"levels": "all"},
            "runs.other.predict": {"level": 1, "window": 100},
        },
        "runs.other.predict.window: found 100; expected a multiple of 8, as block 1 gives a value for 8 x 8 "
        "pixels",
    ),
    "thresholds in disorder": (
        {"defaults.calls.thresholds": [0.5, 0.5]},
        "defaults.calls.thresholds: found [0.5, 0.5]; expected ascending values, each once",
    ),
}


def test_a_study_of_slides_is_valid(tmp_path):
    assert faults_of(tmp_path, STUDY) == []


@mark.parametrize("name", CASES)
def test_fault(name, tmp_path):
    changes, expected = CASES[name]
    assert without_lines(faults_of(tmp_path, changed(STUDY, changes))) == [expected]


def test_runs_on_slides_call_sections(tmp_path):
    faults = without_lines(faults_of(tmp_path, changed(STUDY, {"defaults.calls": None})))
    expected = "found no calls; expected how sections are called, such as {class: tumor}"
    assert faults == [f"runs.{name}: {expected}" for name in STUDY["runs"]]


def test_maps_of_slides_are_not_averaged(tmp_path):
    faults = without_lines(faults_of(tmp_path, changed(STUDY, {"runs.mean": {"members": ["one"]}})))
    expected = "a run with a network, as maps of slides are not averaged"
    assert f"runs.mean.members: found an ensemble; expected {expected}" in faults


@mark.parametrize("study", [mini_study, he_study])
def test_images_have_no_sections(study, tmp_path):
    run = f"runs.{next(iter(study()['runs']))}"
    changes = {f"{run}.calls": {"class": "cell"}, f"{run}.training.select": {"keep": 2}}
    changes[f"{run}.predict.level"] = 1
    changes[f"{run}.predict.store"] = {"dtype": "uint8", "classes": ["cell"]}
    faults = without_lines(faults_of(tmp_path, changed(study(), changes)))
    assert f"{run}.calls: found calls of sections; expected null, as the study has no `slides`" in faults
    assert any(fault.startswith(f"{run}.training.select.keep: found 2; expected null") for fault in faults)
    assert any(fault.startswith(f"{run}.predict.level: found an option of slides") for fault in faults)
    assert any(
        fault.startswith(f"{run}.predict.store.classes: found cell; expected none") for fault in faults
    )


def test_the_grid_is_that_of_the_paper():
    calls = slides.Calls.model_validate({"class": "tumor"})
    assert len(calls.thresholds) == 19 and (calls.thresholds[0], calls.thresholds[-1]) == (0.05, 0.95)
    assert calls.areas == tuple(1280 * number for number in range(17))
