"""The Laplacian pyramid loses nothing, and its weights are weights."""

import pytest
import torch

from streamfuse.fusion.pyramid import (
    band_weights,
    collapse,
    laplacian_pyramid,
    local_energy,
    pad_to_multiple,
    upsample,
)
from streamfuse.fusion.pyramid_settings import ENERGY_FLOOR


def test_collapsing_recovers_the_picture():
    stack = torch.rand(2, 1, 64, 96)
    gaussian, bands = laplacian_pyramid(stack, 5)
    torch.testing.assert_close(collapse(gaussian[-1], bands), stack, atol=1e-5, rtol=0)


def test_levels_keep_the_mean():
    stack = torch.rand(1, 3, 64, 32)
    for level in laplacian_pyramid(stack, 5)[0]:
        torch.testing.assert_close(level.mean((2, 3)), stack.mean((2, 3)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1), (31, 33), (32, 64), (16, 95)])
def test_padding_repeats_the_border_and_keeps_the_picture(shape):
    stack = torch.rand(2, 3, *shape)
    padded = pad_to_multiple(stack, 32)
    assert all(side % 32 == 0 and side - old < 32 for side, old in zip(padded.shape[-2:], shape, strict=True))
    torch.testing.assert_close(padded[..., : shape[0], : shape[1]], stack, atol=0, rtol=0)
    last = stack[..., -1:].expand(*stack.shape[:-1], padded.shape[-1] - shape[1])
    torch.testing.assert_close(padded[..., : shape[0], shape[1] :], last, atol=0, rtol=0)


def test_weights_sum_to_one_and_follow_prior_and_energy():
    prior = torch.softmax(torch.randn(1, 3, 4, 4), dim=1)
    energy = torch.rand(1, 3, 16, 16) + 1e-5
    weights = band_weights(prior, energy, 0.5)
    torch.testing.assert_close(weights.sum(1), torch.ones(1, 16, 16), atol=1e-5, rtol=0)
    torch.testing.assert_close(band_weights(prior, energy, 0.0), upsample(prior, (16, 16)))
    even = torch.full_like(prior, 1 / 3)
    chosen = band_weights(even, energy, 3.0).argmax(1)
    assert torch.equal(chosen, energy.argmax(1))


def test_energy_of_a_constant_band_is_its_square():
    energy = local_energy(torch.full((1, 2, 7, 9), -0.5))
    torch.testing.assert_close(energy, torch.full_like(energy, 0.25 + ENERGY_FLOOR))
