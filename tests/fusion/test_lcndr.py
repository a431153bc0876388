"""What the network promises, whatever its weights are."""

import itertools
import re
from dataclasses import replace

import pytest
import torch
from networks import TINY, random_network
from pictures import exposures

from streamfuse.fusion.lcndr import Lcndr, SelfAttention
from streamfuse.fusion.lcndr_config import LEVELS, REVISED
from streamfuse.fusion.models import NETWORKS, load_network
from streamfuse.fusion.pyramid import pad_to_multiple

SWITCHES = ("collaborate", "attend", "per_level", "revise")


def stack(height=64, width=96, count=2, seed=0):
    return torch.stack([torch.from_numpy(y) for y in exposures(height, width, count, seed)])[None]


def both(maps):
    return (*maps.priors, *maps.gains)


@pytest.fixture(scope="module")
def network():
    return random_network()


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_priors_are_weights_and_gains_are_bounded(network, count):
    maps = network.maps(stack(count=count))
    assert len(maps.priors) == LEVELS + 1
    assert len(maps.gains) == REVISED
    for prior in maps.priors:
        assert prior.shape[:2] == (1, count)
        assert (prior > 0).all()
        torch.testing.assert_close(prior.sum(1), torch.ones_like(prior[:, 0]))
    for gain in maps.gains:
        assert ((gain >= 0.5) & (gain <= 1.5)).all()
        assert gain.std() > 0


def test_gains_stay_bounded_whatever_the_weights():
    wild = random_network()
    wild.revision.head.weight *= 1000
    gains = torch.cat([gain.flatten() for gain in wild.maps(0.2 + 0.5 * stack()).gains])  # no highlights
    assert ((gains >= 0.5) & (gains <= 1.5)).all()
    assert gains.max() - gains.min() > 0.9


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[1:])
def test_the_maps_follow_the_order_of_the_exposures(network, order):
    luma = stack(count=3)
    plain, permuted = network.maps(luma), network.maps(luma[:, list(order)])
    for prior, other in zip(plain.priors, permuted.priors, strict=True):
        torch.testing.assert_close(prior[:, list(order)], other, atol=1e-5, rtol=0)
    for gain, other in zip(plain.gains, permuted.gains, strict=True):
        torch.testing.assert_close(gain, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [2, 3])
def test_samples_of_a_batch_do_not_see_each_other(network, count):
    samples = [stack(count=count, seed=seed) for seed in range(3)]
    together = network.maps(torch.cat(samples))
    for n, sample in enumerate(samples):
        alone = network.maps(sample)
        for a, b in zip(both(alone), both(together), strict=True):
            torch.testing.assert_close(a[0], b[n], atol=1e-5, rtol=0)
    torch.testing.assert_close(network(torch.cat(samples))[1:2], network(samples[1]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(16, 16), (17, 16), (31, 45), (64, 33), (101, 17)])
@pytest.mark.parametrize("count", [2, 5])
def test_any_size_and_number_of_exposures(network, size, count):
    fused = network(stack(size[0], size[1], count))
    assert fused.shape == (1, 1, *size)
    assert fused.isfinite().all()


def test_equal_exposures_get_equal_weights(network):
    luma = stack(count=2)[:, :1].expand(-1, 3, -1, -1)
    for prior in network.maps(luma).priors:
        torch.testing.assert_close(prior, torch.full_like(prior, 1 / 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_edge_revision_adds_nothing_where_there_is_nothing(network, value):
    fused = network(torch.full((1, 2, 48, 64), value))
    torch.testing.assert_close(fused, torch.full_like(fused, value), atol=1e-5, rtol=0)


@pytest.mark.parametrize("levels", [(0.1, 0.8), (0.0, 1.0), (0.05, 0.4, 0.9)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_plain_surfaces_stay_plain_up_to_the_border(levels, mirrored):
    planes = torch.tensor(levels).reshape(1, -1, 1, 1).expand(-1, -1, 80, 112)
    fused = random_network(mirrored=mirrored, stem=8)(planes)
    torch.testing.assert_close(fused, fused[..., :1, :1].expand_as(fused), atol=1e-5, rtol=0)
    assert min(levels) - 1e-5 <= fused[0, 0, 0, 0] <= max(levels) + 1e-5


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_module_can_be_switched_off_and_matters(network, switch):
    luma = stack(count=3)
    without = random_network(replace(TINY, **{switch: False}))  # type: ignore[arg-type]
    # the same weights wherever both networks have them: only the module is missing
    mine, theirs = without.state_dict(), network.state_dict()
    without.load_state_dict(
        {k: theirs[k] if theirs[k].shape == v.shape else v for k, v in mine.items() if k in theirs}
    )
    fused = without(luma)
    assert fused.shape == (1, 1, 64, 96)
    assert (fused - network(luma)).abs().max() > 1e-4


def test_the_stem_sees_the_full_resolution():
    assert random_network(stem=4)(stack(33, 47)).shape == (1, 1, 33, 47)


def test_one_prior_for_all_levels_without_per_level():
    maps = random_network(per_level=False).maps(0.5 * stack())  # nothing is white, and moved for it
    for prior in maps.priors:
        torch.testing.assert_close(prior, maps.priors[0], atol=1e-6, rtol=0)


def test_an_untrained_network_revises_nothing():
    torch.manual_seed(0)
    network = Lcndr(TINY).eval()
    for gain in network.maps(0.2 + 0.5 * stack()).gains:  # nothing is white, so no exposure is alone
        torch.testing.assert_close(gain, torch.ones_like(gain))


@pytest.mark.parametrize("place", [(0, 0), (3, 7)])
def test_attention_connects_distant_places_of_all_exposures(place):
    torch.manual_seed(1)
    attention = SelfAttention(16, 2).requires_grad_(False)
    attention.out.weight.normal_()
    x = torch.randn(4, 16, 8, 12)  # two samples of two exposures
    changed = x.clone()
    changed[1, :, place[0], place[1]] += 1.0
    difference = (attention(changed, 2) - attention(x, 2)).abs().amax(1)
    assert difference[0].min() > 0  # every place of the other exposure of that sample
    assert difference[1].min() > 0
    assert difference[2:].max() == 0  # nothing of the other sample


def test_attention_starts_as_the_identity():
    x = torch.randn(4, 16, 5, 6)
    torch.testing.assert_close(SelfAttention(16, 2)(x, 2), x)


def test_every_weight_takes_part():
    network = random_network(stem=8).requires_grad_(True)
    network(stack(count=3)).square().mean().backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # What is added to the weights of all exposures alike has no say in their softmax.
    assert [name for name in dead if not re.fullmatch(r"weight_maps\.heads\.\d\.bias", name)] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_networks_keep_these_promises(name):
    network, luma = load_network(name), stack(96, 128, 3)
    plain, permuted = network.maps(luma), network.maps(luma[:, [2, 0, 1]])
    for prior, other in zip(plain.priors, permuted.priors, strict=True):
        torch.testing.assert_close(prior.sum(1), torch.ones_like(prior[:, 0]))
        torch.testing.assert_close(prior[:, [2, 0, 1]], other, atol=2e-5, rtol=0)
    fused = network(pad_to_multiple(luma, 32))
    assert fused.shape == (1, 1, 96, 128)
    assert -0.1 < fused.min() < fused.max() < 1.1


@pytest.mark.parametrize("axes", [(-1,), (-2,), (-1, -2)])
def test_a_network_that_looks_at_mirror_images_gives_mirrored_weights(axes):
    network, luma = random_network(mirrored=True), stack(96, 128, 3)
    for prior, mirrored in zip(network.maps(luma).priors, network.maps(luma.flip(axes)).priors, strict=True):
        torch.testing.assert_close(prior.sum(1), torch.ones_like(prior[:, 0]))
        torch.testing.assert_close(prior, mirrored.flip(axes), atol=1e-5, rtol=0)


def test_looking_at_mirror_images_changes_something():
    luma = stack(96, 128, 2)
    plain, mirrored = random_network(), random_network(mirrored=True)
    mirrored.load_state_dict(plain.state_dict())
    assert not torch.allclose(plain.maps(luma).priors[0], mirrored.maps(luma).priors[0], atol=1e-4)
