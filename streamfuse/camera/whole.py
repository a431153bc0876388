"""Whole pictures only: after a broken one the next ones are made of it, until a picture stands for itself again."""

from __future__ import annotations

import time

import av
from av.video.frame import PictureType

from streamfuse.camera.camera_settings import Damaged

_HELD_BACK_SECONDS = 2.0


class WholePictures:
    """Decodes packets and leaves out pictures that are damaged, or made of damaged ones.

    A packet that lost a part on the way, or a picture that the decoder had to patch, breaks the chain. It is whole
    again with the next intra picture; in a stream that refreshes its pictures bit by bit (intra refresh) after a whole
    cycle, from one mark of a beginning to the next. Where no mark comes for `patience` seconds, they are taken again.

    Args:
        damaged: `keep` passes all pictures on.
        patience: seconds.

    Attributes:
        lost: pictures that were left out, or could not be decoded.
        began: whether there was a picture yet.
    """

    def __init__(self, damaged: Damaged, patience: float) -> None:
        self.lost = 0
        self.began = False
        self._keep = damaged == "keep"
        self._patience = patience
        self._broken = False
        self._broken_at: int | None = None  # latest time stamp of what was damaged
        self._broken_since = 0.0
        self._cycle = False  # a refreshing has begun since
        self._marked = False  # the last packet was

    def take(self, packet: av.Packet[av.VideoStream], *, missed: bool = False) -> list[av.VideoFrame]:
        """Give the pictures that are complete with this packet; `missed`: something before it did not come."""
        # FFmpeg puts a picture together when the next one begins, and marks it with what was found in that one.
        if packet.is_corrupt or self._marked or missed:
            self._break(packet.pts)
        self._marked = packet.is_corrupt
        try:
            pictures = packet.decode()
        except av.EOFError:
            return []
        except av.FFmpegError:
            if self.began:
                self.lost += 1
                self._break(packet.pts)
            return []
        whole = [picture for picture in pictures if self._is_whole(picture)]
        if self._keep:
            whole = list(pictures)
        elif self.began:
            skipped = 1 if self._broken and not pictures and packet.size else 0  # by the decoder itself
            self.lost += len(pictures) - len(whole) + skipped
        self.began = self.began or bool(whole)
        return whole

    def _break(self, pts: int | None) -> None:
        if not self._broken:
            self._broken_since, self._broken_at = time.monotonic(), None
        if pts is not None and (self._broken_at is None or pts > self._broken_at):
            self._broken_at = pts
        self._broken, self._cycle = True, False

    def _is_whole(self, picture: av.VideoFrame) -> bool:
        if picture.is_corrupt:
            self._break(picture.pts)
            return False
        if self._broken and self._is_after(picture):
            refreshed = picture.key_frame and self._cycle
            waited = time.monotonic() - self._broken_since > self._patience
            self._broken = not (picture.pict_type == PictureType.I or refreshed or waited)
            self._cycle = self._cycle or picture.key_frame
        return not self._broken

    def _is_after(self, picture: av.VideoFrame) -> bool:
        """Tell whether it was sent after the damage; those that the decoder held back were sent before it."""
        if self._broken_at is None or picture.pts is None:
            return True
        early = float((self._broken_at - picture.pts) * (picture.time_base or 0))
        return early < 0 or early > _HELD_BACK_SECONDS  # by that much only a clock that begins again is early
