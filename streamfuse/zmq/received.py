"""A frame that came over the network."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamfuse.core.color import copied_rgb
from streamfuse.core.frame import Exposure, FusedFrame, Pixels

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReceivedFrame(FusedFrame):
    """A `FusedFrame` and what its message says besides; also a single exposure, if `content` says so.

    Times that end in `_at` are on this machine's `time.monotonic()`, but for `published_at`, which is Unix time as it
    was sent; `captured_unix` is the Unix time of capture. Both are right as far as the clocks of both machines agree.

    Args:
        seq: its number in the stream; a gap means that frames were lost.
        stream: which run of the publisher it is from.
        topic: what it was published under.
        content: 'fused' or 'exposure'.
        encoding: how it travelled: 'raw', 'jpeg', 'h264' or 'hevc'.
        published_at: Unix time at which it was sent.
        received_at: `time.monotonic()` at which it came.
        dropped: frames that the publisher has left out so far.
        exposure: what is known of a single exposure.
    """

    seq: int
    stream: str
    topic: str
    content: str
    encoding: str
    published_at: float
    received_at: float
    dropped: int = 0
    exposure: Exposure | None = None
    _rgb: Pixels | None = None

    @property
    def age(self) -> float:
        """Seconds since it was sent (by the clocks of both machines)."""
        return time.time() - self.published_at

    def rgb(self, out: Pixels | None = None) -> Pixels:
        """Do as `FusedFrame.rgb`; what came as R'G'B' is given as it came, and may be read-only."""
        if self._rgb is None:
            return FusedFrame.rgb(self, out)
        return self._rgb if out is None else copied_rgb(self._rgb, out=out)

    def bgr(self, out: Pixels | None = None) -> Pixels:
        """Do as `FusedFrame.bgr`."""
        if self._rgb is None:
            return FusedFrame.bgr(self, out)
        return copied_rgb(self._rgb, blue_first=True, out=out)

    def tensor(self, device: str = "cpu") -> torch.Tensor:
        """(3, H, W) R'G'B' as a torch tensor: uint8, or uint16 above 8 bit."""
        import torch

        pixels = self.rgb()
        return (
            torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy()).permute(2, 0, 1).to(device)
        )

    def __repr__(self) -> str:
        return f"ReceivedFrame(seq={self.seq}, {self.width}x{self.height}, {self.bits} bit, pts={self.pts})"
