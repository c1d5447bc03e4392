# SPDX-License-Identifier: MIT
"""What every network promises. Subclass `NetworkContract` once for each family and variant."""

import pytest
import torch
from safetensors.torch import load, save

from microtome import networks


class NetworkContract:
    """Set the name, small options, shapes of one sample and its logits, and published parameter counts."""

    name = None
    options = {}
    sample = (1, 32, 32)
    logits = (1, 32, 32)
    published = ()  # pairs of options and parameters

    @pytest.fixture
    def model(self):
        torch.manual_seed(0)
        return networks.build(self.name, **self.options)

    def inputs(self, batch=2, seed=1, dtype=torch.float32):
        generator = torch.Generator().manual_seed(seed)
        return torch.randn((batch, *self.sample), generator=generator).to(dtype)

    def test_logits_have_the_promised_shape(self, model):
        logits = model(self.inputs(batch=3))
        assert logits.shape == (3, *self.logits)
        assert torch.isfinite(logits).all()

    def test_outputs_are_logits_not_probabilities(self, model):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(20)
        logits = model(self.inputs())
        assert logits.min() < 0
        assert logits.abs().max() > 1

    def test_gradients_reach_every_parameter(self, model):
        model(self.inputs()).square().sum().backward()
        silent = [
            name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
        ]
        # a bias before batch normalisation has no influence; its gradient is only rounding, but it is there
        assert [name for name in silent if not name.endswith("bias")] == []
        assert all(parameter.grad is not None for parameter in model.parameters())

    def test_one_sample_in_evaluation_mode_equals_the_batch(self, model):
        model.eval()
        inputs = self.inputs(batch=3)
        with torch.no_grad():
            alone, together = model(inputs[1:2]), model(inputs)[1:2]
        torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_keeps_the_dtype_of_its_weights(self, model, dtype):
        assert model.to(dtype)(self.inputs(dtype=dtype)).dtype == dtype

    def test_same_seed_same_network(self, model):
        torch.manual_seed(0)
        again = networks.build(self.name, **self.options)
        pairs = zip(model.state_dict().values(), again.state_dict().values(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)

    def test_weights_survive_safetensors(self, model):
        model(self.inputs())  # running statistics differ from their start
        torch.manual_seed(99)
        other = networks.build(self.name, **self.options)
        other.load_state_dict(load(save(model.state_dict())))
        with torch.no_grad():
            assert torch.equal(model.eval()(self.inputs()), other.eval()(self.inputs()))

    def test_input_is_left_alone(self, model):
        inputs = self.inputs()
        copy = inputs.clone()
        model(inputs)
        assert torch.equal(inputs, copy)

    def test_wrong_channels_are_named(self, model):
        inputs = self.inputs()
        with pytest.raises(ValueError, match="found"):
            model(torch.cat([inputs, inputs], dim=1))
        with pytest.raises(ValueError, match="found"):
            model(inputs[0])

    def test_published_parameter_counts(self):
        assert self.published, "name the published sizes"
        for options, parameters in self.published:
            with torch.device("meta"):
                assert networks.parameter_count(networks.build(self.name, **options)) == parameters
