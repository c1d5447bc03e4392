# SPDX-License-Identifier: MIT
"""The settings of a run that are not the defaults."""

from microtome.config.changed import changed
from microtome.config.run import Run


def test_settings_that_are_the_defaults_are_not_among_the_changes():
    run = Run.model_validate(
        {
            "network": {"name": "unet", "width": 8, "variant": "tutorial", "in_channels": 1},
            "loss": {"name": "focal", "gamma": 3.0},
            "training": {"epochs": 7, "optimizer": {"name": "adam", "lr": 0.001}},
            "sampler": {"kind": "patches", "crop": 96},
            "augment": {"horizontal_flip": 0.0, "rotate90": 0.75},
        }
    )
    found = dict(changed(run))
    assert found["network.width"] == 8
    assert found["loss.gamma"] == 3.0
    assert found["training.epochs"] == 7
    assert found["sampler.crop"] == 96
    assert found["augment.rotate90"] == 0.75
    assert not {"augment.horizontal_flip", "network.in_channels", "loss.name", "sampler.kind"} & set(found)


def test_what_one_run_changes_is_not_told_of_the_next():
    wide = Run.model_validate({"network": {"name": "unet", "width": 8}, "loss": {"name": "bce"}})
    usual = Run.model_validate({"network": {"name": "unet"}, "loss": {"name": "bce"}})
    assert dict(changed(wide)) == {"network.width": 8}
    assert changed(usual) == []
