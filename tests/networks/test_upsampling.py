# SPDX-License-Identifier: MIT
"""Up-sampling by whole numbers against PyTorch's `interpolate`, and as it goes on a GPU."""

import pytest
import torch
from torch.nn import functional

from microtome import networks
from microtome.networks._upsampling import LinearUpsampling, Upsampling, upsampled
from tests.host_syncs import HostSyncs

MODES = {4: "bilinear", 5: "trilinear"}
CASES = [(factor, False) for factor in (2, 3, 4, 8, 16)] + [(2, True)]
SIZES = [(7, 5), (1, 6), (4, 1), (1, 1), (3, 4, 6), (1, 2, 1)]


def maps_of(size, dtype=torch.float32, channels_last=False):
    generator = torch.Generator().manual_seed(len(size))
    maps = torch.randn((2, 3, *size), generator=generator, dtype=dtype)
    return maps.to(memory_format=torch.channels_last) if channels_last else maps


def both(maps, factor, align_corners):
    """Result and gradient of `interpolate` and of ours, for some gradient of the result."""
    found = []
    settings = {"scale_factor": factor, "mode": MODES[maps.ndim], "align_corners": align_corners}
    for function in (
        lambda given: functional.interpolate(given, **settings),
        lambda given: LinearUpsampling.apply(given, factor, align_corners),
    ):
        given = maps.clone().requires_grad_()
        result = function(given)
        slopes = 1.5 + torch.sin(torch.arange(result.numel(), dtype=torch.float64))
        result.backward(slopes.view(result.shape).to(result.dtype))
        found.append((result.detach(), given.grad))
    return found


@pytest.mark.parametrize(("factor", "align_corners"), CASES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_results_and_gradients_are_those_of_interpolate(size, factor, align_corners):
    (wanted, slope), (found, gradient) = both(maps_of(size, torch.float64), factor, align_corners)
    assert torch.equal(found, wanted)
    torch.testing.assert_close(gradient, slope, rtol=1e-12, atol=0)
    _, (_, gradient) = both(maps_of(size), factor, align_corners)
    torch.testing.assert_close(gradient.double(), slope, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("factor", "align_corners"), CASES)
def test_channels_last_stays_in_both_directions(factor, align_corners):
    maps = maps_of((6, 5), channels_last=True)
    (_, slope), (found, gradient) = both(maps, factor, align_corners)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert gradient.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(gradient, slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("factor", "align_corners"), [(2, False), (2, True), (3, False)])
def test_the_gradient_is_the_slope(factor, align_corners):
    maps = maps_of((3, 2), torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: LinearUpsampling.apply(x, factor, align_corners), maps)


def test_bfloat16_keeps_its_type_and_is_as_close_as_it_can_be():
    (wanted, slope), (found, gradient) = both(maps_of((6, 5)).bfloat16(), 2, True)
    assert found.dtype == gradient.dtype == torch.bfloat16
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(gradient.float(), slope.float(), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("volumes", [False, True])
def test_elsewhere_than_on_a_cpu_the_gradient_is_ours(volumes):
    """The device `meta` has shapes alone, which is enough to see the way that a GPU goes."""
    layer = Upsampling(2, volumes=volumes, align_corners=not volumes)
    maps = torch.zeros((1, 2, 3, 4, 5) if volumes else (1, 2, 3, 4), device="meta", requires_grad=True)
    result = layer(maps)
    assert result.shape[2:] == torch.Size(2 * side for side in maps.shape[2:])
    assert type(result.grad_fn).__name__ == "LinearUpsamplingBackward"
    with HostSyncs() as waits:
        layer(maps).sum().backward()
    assert waits.found == []
    assert maps.grad.shape == maps.shape


def test_on_a_cpu_it_is_the_library():
    """Its kernel is deterministic there, and faster."""
    maps = maps_of((4, 4)).requires_grad_()
    assert type(upsampled(maps, 2).grad_fn).__name__.startswith("UpsampleBilinear2D")


@pytest.mark.parametrize(
    ("shape", "factor", "align_corners"),
    [((1, 2, 3), 2, False), ((1, 1, 2, 2), 0, False), ((1, 1, 2, 2), 3, True)],
)
def test_what_it_cannot_do_is_refused(shape, factor, align_corners):
    with pytest.raises(ValueError, match="expected 4 or 5 axes and a factor from 1 on, to 2 if corners"):
        upsampled(torch.zeros(shape), factor, align_corners=align_corners)


@pytest.mark.parametrize("factor", [1, 2])
def test_a_layer_has_nothing_to_save(factor):
    assert not Upsampling(factor).state_dict()
    assert Upsampling(1)(maps_of((2, 2))).shape == (2, 3, 2, 2)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("usenet", {"encoder": "resnet18", "width": 4}),
        ("dsunet", {"width": 4, "head": "linear"}),
        ("mednet", {"width": 4}),
        ("deeplab", {"width": 2, "hidden": 4}),
        ("hypernet", {"width": 2}),
    ],
)
def test_networks_up_sample_by_it_alone(name, options):
    """No other interpolation is left, whose gradient a GPU would add up in any order."""
    with torch.device("meta"):
        network = networks.build(name, **options)
        images = torch.zeros(2, network.in_channels, 64, 64)
    seen = set()

    def walk(node):
        if node is not None and node not in seen:
            seen.add(node)
            for following, _ in node.next_functions:
                walk(following)

    walk(network(images).grad_fn)
    names = {type(node).__name__ for node in seen}
    assert "LinearUpsamplingBackward" in names
    assert not any(one.startswith("Upsample") for one in names)
