"""What the network says of a bracket, in the runtime that is at hand: OpenCV's on a CPU, torch elsewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from streamfuse.core.frame import Map
from streamfuse.errors import DeviceError
from streamfuse.fusion.lcndr_config import VIEWS, LcndrConfig
from streamfuse.fusion.lcndr_graph import PRIORS, MapsGraph, Part, maps_graph

if TYPE_CHECKING:
    from streamfuse.fusion.lcndr import Lcndr

_MAX_SIZES = 4  # kept at a time
# The engine that every OpenCV has; the newer one of version 5 takes twice as long for this network.
_CLASSIC = {"engine": cv2.dnn.ENGINE_CLASSIC} if hasattr(cv2.dnn, "ENGINE_CLASSIC") else {}


class StackMaps(NamedTuple):
    """`lcndr.NetworkMaps` of one bracket, as arrays.

    Args:
        priors: for each band and the base, (N, h, w).
        gains: for the finest bands, (h, w).
    """

    priors: tuple[Map, ...]
    gains: tuple[Map, ...]


Maps = Callable[[Map], StackMaps]
"""(N, H, W) float32 in [0, 1], sides multiples of 32 -> what the network says."""


class LayerMaps:
    """The network in OpenCV's runtime, which reads it in a fiftieth of the time that importing torch takes.

    It is quicker than a traced network in torch, too, and says the same to 1e-5. Any thread may ask: each has the
    layers for a size of picture to itself.

    Args:
        config: of the network, see `lcndr_graph.has_graph`.
        weights: by their names in `Lcndr.state_dict`.
    """

    def __init__(self, config: LcndrConfig, weights: Mapping[str, Map]) -> None:
        self._config, self._weights = config, weights
        self._own = threading.local()

    def __call__(self, stack: Map) -> StackMaps:
        """See `Maps`.

        Raises:
            cv2.error: this OpenCV lacks one of the layers.
        """
        if not self._config.mirrored:
            return _parted(self._run("all", [stack[None]]))
        views = [self._run("priors", [np.flip(stack, axes)[None]]) for axes in VIEWS]
        priors = [
            _geometric_mean([np.flip(prior, axes) for axes, prior in zip(VIEWS, same, strict=True)])
            for same in zip(*views, strict=True)
        ]
        if not self._config.revise:
            return _parted(priors)
        return _parted([*priors, *self._run("gains", [stack[None], *priors])])

    def _run(self, part: Part, inputs: Sequence[Map]) -> Sequence[Map]:
        graph, net = self._net(part, inputs[0].shape[1], inputs[0].shape[2:])
        for name, values in zip(graph.inputs, inputs, strict=True):
            net.setInput(np.ascontiguousarray(values), name)
        return [np.array(found, np.float32) for found in net.forward(graph.outputs)]

    def _net(self, part: Part, exposures: int, size: tuple[int, ...]) -> tuple[MapsGraph, cv2.dnn.Net]:
        nets: dict[object, tuple[MapsGraph, cv2.dnn.Net]] = self._own.__dict__.setdefault("nets", {})
        found = nets.get((part, exposures, size))
        if found is None:
            if len(nets) >= 2 * _MAX_SIZES:
                nets.clear()
            graph = maps_graph(self._config, self._weights, exposures, (size[0], size[1]), part)
            # From memory, version 5 would read it for its newer engine, whichever is asked for.
            with _as_file(graph.model.tobytes()) as path:
                found = nets[part, exposures, size] = graph, cv2.dnn.readNetFromONNX(path, **_CLASSIC)
        return found


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """Give the path of a file with these bytes, for as long as it is needed; in memory, as no disk is full there.

    Raises:
        DeviceError: a limit on the size of files is below that of the network.
    """
    with os.fdopen(os.memfd_create("network"), "w+b") as file:
        try:
            file.write(data)
            file.flush()
        except OSError as error:
            raise DeviceError(
                f"The network cannot be loaded ({error.strerror}): it needs a file of {len(data)} bytes in memory; "
                "raise `ulimit -f`."
            ) from error
        yield f"/proc/self/fd/{file.fileno()}"


def _parted(outputs: Sequence[Map]) -> StackMaps:
    """Outputs of a `MapsGraph`, map by map."""
    quarter, *coarser = outputs[: len(PRIORS)]
    priors = [np.ascontiguousarray(quarter[:, n]) for n in range(quarter.shape[1])]
    gains = outputs[len(PRIORS)][0] if len(outputs) > len(PRIORS) else ()
    return StackMaps((*priors, *(prior[:, 0] for prior in coarser)), tuple(gains))


def _geometric_mean(priors: Sequence[Map]) -> Map:
    """Of weights (N, K, h, w) that sum to 1 over the first axis; so does the result."""
    mean = np.exp(np.mean(np.log(np.maximum(np.stack(priors), 1e-9)), axis=0))
    total: Map = mean / mean.sum(axis=0)
    return total


class TorchMaps:
    """The network in torch.

    Args:
        network: on its device.
        threads: that torch takes for it, on a CPU.
        lent: the thread that asks gets more threads back afterwards, for it has more use for them than the network.
    """

    def __init__(self, network: Lcndr, threads: int, lent: bool = False) -> None:
        self._network, self._threads, self._lent = network, threads, lent

    def __call__(self, stack: Map) -> StackMaps:
        """See `Maps`."""
        import torch

        with self._limited(), torch.inference_mode():
            device = next(self._network.parameters()).device
            maps = self._network.maps(torch.from_numpy(stack)[None].to(device))
            return StackMaps(
                tuple(prior[0].float().cpu().numpy() for prior in maps.priors),
                tuple(gain[0, 0].float().cpu().numpy() for gain in maps.gains),
            )

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """With as few threads as was wanted, also in another thread than the one that made this."""
        import torch

        before = torch.get_num_threads()
        if before > self._threads:
            torch.set_num_threads(self._threads)
        yield
        if self._lent and before > self._threads:
            torch.set_num_threads(before)
