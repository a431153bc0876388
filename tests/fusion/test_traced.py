"""The traced network says what the network says, at every size that it is shown."""

import pytest
import torch
from networks import random_network

from streamfuse.fusion.traced import TracedMaps


def test_the_same_maps_for_sizes_in_turn():
    network = random_network().eval()
    traced = TracedMaps(network)
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        for shape in [(64, 96), (32, 64), (64, 96)]:
            for count in (2, 3):
                stack = torch.rand(1, count, *shape, generator=generator)
                ours, wanted = traced(stack), network.maps(stack)
                assert len(ours.priors) == len(wanted.priors)
                for mine, theirs in zip(ours.priors + ours.gains, wanted.priors + wanted.gains, strict=True):
                    torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.slow
def test_no_more_than_a_few_sizes_are_kept():
    traced = TracedMaps(random_network().eval())
    with torch.inference_mode():
        for width in range(32, 32 * 8, 32):
            traced(torch.rand(1, 2, 32, width))
    assert len(traced._graphs) <= 4
