"""Presets whose cost a test sets: they burn processor time, as a busy network does; a `sleep` would leave it idle."""

from __future__ import annotations

import hashlib
import time

from streamfuse.fusion.fuser import MertensFuser
from streamfuse.fusion.stage import BlendStage
from streamfuse.runtime.live import lanes


class Costs(dict):
    """Rung -> seconds of a processor that each of its frames burns; may be changed while a run goes on."""

    def __init__(self, fast=0.0, balanced=0.0, best=0.0, coarse=None):
        super().__init__(fast=fast, balanced=balanced, best=best, coarse=fast if coarse is None else coarse)
        self.loaded = []
        """Rungs in the order in which they were loaded."""
        self.used = []
        """Rung of each frame that was blended in a run."""

    def install(self, monkeypatch):
        """Have the lanes burn; gives itself."""
        costs = self

        class Named(MertensFuser):
            def __init__(self, preset):
                self.name = f"mertens of {preset}"
                self.preset = preset
                costs.loaded.append(preset)

        class Burning(BlendStage):
            def push(self, item):
                costs.used.append(self._fuser.preset)  # type: ignore[attr-defined]
                burn(costs[self._fuser.preset])  # type: ignore[attr-defined]
                yield from super().push(item)

        monkeypatch.setattr(
            lanes, "create_fuser", lambda name, *, preset, coarse, **_: Named("coarse" if coarse else preset)
        )
        monkeypatch.setattr(lanes, "BlendStage", Burning)
        return self


_WORK = bytes(1 << 18)


def burn(seconds):
    """Work for so many seconds of this thread's own processor time, outside of the interpreter as kernels do."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        hashlib.sha256(_WORK)
