# SPDX-License-Identifier: MIT
"""Heat-maps at a block of the decoder, against what the whole network says there of one window."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from microtome import networks
from microtome.io import images
from microtome.stages.slides.heatmaps import predict_sections, ready_predictor
from tests.slides.predicted import OPTIONS, Made, blobs

NETWORK = {"name": "dsunet", "encoder": "resnet34", "head": "deep", "width": 8, "in_channels": 3}
SIDE = 128


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.manual_seed(0)
    model, folder = networks.build(**NETWORK).eval(), tmp_path_factory.mktemp("trained")
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_var, 0.5, 2)
    save_file(model.state_dict(), folder / "model.safetensors")
    return model, folder


def predictor(folder, level):
    predict = OPTIONS["predict"] | {"window": SIDE} | ({} if level is None else {"level": level})
    options = OPTIONS | {"network": NETWORK, "predict": predict}
    return ready_predictor(options, folder / "model.safetensors", device="cpu")


@pytest.mark.parametrize("level", [0, 2, 4, None])
def test_a_window_says_at_a_level_what_the_network_says_there(trained, level):
    model, folder = trained
    made, box = Made(folder / f"slides-{level}"), (0, 0, SIDE, SIDE)
    made.root.mkdir()
    pixels = blobs(SIDE, SIDE)
    made.add("one", pixels, [box])
    found = predictor(folder, level)
    layout = made.layout("one", [box], found.reduction)
    parts = []
    tissue = images.open_source(made.tissue / "one.tif")
    predict_sections(found, layout, tissue, lambda y, x, band: parts.append(band.copy()))
    inputs = torch.from_numpy(np.moveaxis(pixels, -1, 0)[None].astype(np.float32) / 255)
    with torch.inference_mode():
        expected = model.levels(inputs)[-1 if level is None else level].softmax(1)[0].numpy()
    assert found.reduction == SIDE // expected.shape[1] == (1 if level is None else 16 >> level)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-4)
    assert layout.mpp == pytest.approx((0.5 * found.reduction,) * 2)


def test_a_level_of_a_network_without_levels_is_refused(tmp_path):
    network = {"name": "unet", "width": 4, "in_channels": 3}
    save_file(networks.build(**network).state_dict(), tmp_path / "model.safetensors")
    options = OPTIONS | {"network": network, "predict": OPTIONS["predict"] | {"level": 0}}
    with pytest.raises(ValueError, match="network 'unet', which has no levels"):
        ready_predictor(options, tmp_path / "model.safetensors", device="cpu")
