"""Networks for tests: small, with random weights, so that nothing depends on what was trained."""

from __future__ import annotations

from dataclasses import replace

import torch

from streamfuse.fusion.lcndr import Lcndr
from streamfuse.fusion.lcndr_config import LcndrConfig

TINY = LcndrConfig(widths=(8, 8, 8, 16), long_side=320)


def random_network(config=TINY, *, seed=0, **changes):
    """Every weight random and none zero: modules that start as the identity take part."""
    torch.manual_seed(seed)
    network = Lcndr(replace(config, **changes))
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name != "sharpness":
                value.add_(torch.randn_like(value) * 0.1)
    return network.eval().requires_grad_(False)
