# SPDX-License-Identifier: MIT
"""The 1-D spectral network: contract, a pixel by itself, any number of bands, folding."""

import pytest
import torch
from torch import nn

from microtome import inference, networks
from tests.networks.contract import NetworkContract


class TestSpectral1D(NetworkContract):
    name, options = "spectral1d", {"width": 3, "hidden": 5}
    sample, logits = (16, 8, 8), (2, 8, 8)
    published = [({}, 5 * 16 + 2 * 16 + 5 * 16 * 32 + 2 * 32 + 64 * (32 * 8 + 1) + 2 * 65)]

    def test_parameters(self):
        for options, count in self.published:
            assert networks.parameter_count(networks.build(self.name, **options)) == count

    def test_a_pixel_is_classified_by_its_own_spectrum(self, model):
        model(self.inputs())
        images = self.inputs(batch=1)
        order = torch.randperm(64, generator=torch.Generator().manual_seed(3))
        mixed = images.flatten(2)[..., order].reshape(images.shape)
        with torch.no_grad():
            wanted = model.eval()(images).flatten(2)[..., order]
            torch.testing.assert_close(model(mixed).flatten(2), wanted)

    @pytest.mark.parametrize("bands", [1, 2, 7, 60])
    def test_any_number_of_bands_and_any_size(self, bands):
        model = networks.build(self.name, width=2, hidden=4, bands=bands, classes=3).eval()
        assert model(torch.zeros(2, bands, 5, 1)).shape == (2, 3, 5, 1)
        assert model.in_channels == bands

    def test_it_is_the_one_dimensional_network(self, model):
        """The same layers on spectra (N, 1, bands), one pixel after another."""
        model(self.inputs())
        model.eval()
        images = self.inputs(batch=1)
        spectra = images[0].flatten(1).T[:, None]
        with torch.no_grad():
            for layer in model.spectra:
                if isinstance(layer, nn.Conv3d):
                    spectra = nn.functional.conv1d(spectra, layer.weight[..., 0, 0], padding=2)
                elif isinstance(layer, nn.BatchNorm3d):
                    spectra = nn.functional.batch_norm(
                        spectra, layer.running_mean, layer.running_var, layer.weight, layer.bias
                    )
                elif isinstance(layer, nn.MaxPool3d):
                    spectra = nn.functional.max_pool1d(spectra, 2)
                else:
                    spectra = spectra.relu()
            first, last = model.head[0], model.head[-1]
            hidden = (spectra.flatten(1) @ first.weight[..., 0, 0].T + first.bias).relu()
            wanted = hidden @ last.weight[..., 0, 0].T + last.bias
            torch.testing.assert_close(model(images)[0].flatten(1).T, wanted, rtol=1e-4, atol=1e-5)

    def test_normalisation_is_folded_for_prediction(self, model):
        model(self.inputs())
        optimized = inference.optimize_for_inference(model.eval())
        assert not any(isinstance(part, nn.BatchNorm3d) for part in optimized.modules())
        with torch.no_grad():
            torch.testing.assert_close(optimized(self.inputs()), model(self.inputs()), rtol=1e-4, atol=1e-5)

    def test_other_bands_are_refused(self, model):
        with pytest.raises(ValueError, match=r"spectral1d takes images of shape \(N, 16, H, W\)"):
            model(torch.zeros(1, 3, 8, 8))
