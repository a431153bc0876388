"""The network as one compiled graph per size of picture: the same numbers, with no interpreter between its layers."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from streamfuse.fusion.lcndr import Lcndr, NetworkMaps

_MAX_SIZES = 4  # kept at a time


class _Flat(nn.Module):
    """Maps as one tuple, which is all that a trace can return."""

    def __init__(self, network: Lcndr) -> None:
        super().__init__()
        self.network = network

    def forward(self, stack: Tensor) -> tuple[Tensor, ...]:
        maps = self.network.maps(stack)
        return (*maps.priors, *maps.gains)


class TracedMaps:
    """`Lcndr.maps` for pictures that come in one size again and again; for use on the CPU.

    A trace takes about as long as ten pictures, and a quarter to a third off each of the following ones.
    """

    def __init__(self, network: Lcndr) -> None:
        self._network = network
        self._graphs: dict[tuple[int, ...], Callable[[Tensor], tuple[Tensor, ...]]] = {}
        self._tracing = threading.Lock()  # one thread does, for all

    def __call__(self, stack: Tensor) -> NetworkMaps:
        """As `Lcndr.maps`: (B, N, H, W)."""
        shape = tuple(stack.shape)
        with self._tracing:
            graph = self._graphs.get(shape)
            if graph is None:
                if len(self._graphs) >= _MAX_SIZES:
                    self._graphs.clear()
                graph = self._graphs[shape] = self._traced(stack)
        maps = graph(stack)
        bands = len(self._network.sharpness) + 1
        return NetworkMaps(tuple(maps[:bands]), tuple(maps[bands:]))

    def _traced(self, stack: Tensor) -> Callable[[Tensor], tuple[Tensor, ...]]:
        flat = _Flat(self._network).eval()
        with warnings.catch_warnings():
            # Tracing is deprecated; what replaces it needs a C++ compiler.
            warnings.simplefilter("ignore")
            trace = torch.jit.trace(flat, stack, check_trace=False)  # type: ignore[no-untyped-call]
            frozen: Callable[[Tensor], tuple[Tensor, ...]] = torch.jit.freeze(trace)
        return frozen
