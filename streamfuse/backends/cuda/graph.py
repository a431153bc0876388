"""CUDA graphs: many small launches of fixed shape recorded once and replayed as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Function = Callable[..., Sequence[Tensor]]
_WARM_UP = 3  # calls before recording: allocations, plans and kernels are then made


class Graphed:
    """A function of tensors, recorded once per shape of its arguments; on a CPU the plain function.

    The function must not wait for the host, and what it returns is overwritten by the next call: copy what is kept.

    Args:
        function: of tensors, giving tensors.
        enabled: False = call it as it is.
    """

    def __init__(self, function: Function, enabled: bool = True) -> None:
        self._function = function
        self._enabled = enabled
        self._recorded: dict[tuple[torch.Size, ...], _Recording] = {}

    def __call__(self, *arguments: Tensor) -> Sequence[Tensor]:
        """Give what the function gives for these arguments."""
        if not self._enabled or arguments[0].device.type != "cuda":
            return self._function(*arguments)
        key = tuple(a.shape for a in arguments)
        if key not in self._recorded:
            self._recorded[key] = _Recording(self._function, arguments)
        return self._recorded[key].replay(arguments)


class _Recording:
    """One function at one set of shapes."""

    def __init__(self, function: Function, arguments: Sequence[Tensor]) -> None:
        self._inputs = [a.clone() for a in arguments]
        side = torch.cuda.Stream(arguments[0].device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(arguments[0].device))
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                function(*self._inputs)
        torch.cuda.current_stream(arguments[0].device).wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may use the GPU meanwhile.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._outputs = function(*self._inputs)

    def replay(self, arguments: Sequence[Tensor]) -> Sequence[Tensor]:
        """Run it on these arguments."""
        for kept, argument in zip(self._inputs, arguments, strict=True):
            kept.copy_(argument)
        self._graph.replay()
        return self._outputs
