"""Where frame N of a file is, without decoding what lies before it."""

from __future__ import annotations

import av
import av.container


def seek_to_frame(
    container: av.container.InputContainer, stream: av.VideoStream, number: int
) -> dict[int, int] | None:
    """Read through the packets (no decoding) and seek to a keyframe well before frame `number`.

    Returns:
        The number of each frame by its pts. None where the packets do not tell (missing or repeated time
        stamps, frames that an edit list hides), or where decoding from the beginning is as good: the
        container is then anywhere, open it again.
    """
    stamps: list[int] = []
    keys: list[int] = []
    last: int | None = None
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None or packet.is_discard or packet.is_corrupt:
                return None
            if not stamps:
                # FFmpeg decodes some streams of old x264 versions by a note in their first packet only.
                stream.codec_context.decode(packet)
            if packet.dts is not None and last is not None and packet.dts < last:
                return None  # a clock that begins anew
            last = packet.dts if packet.dts is not None else last
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
        position = {pts: i for i, pts in enumerate(sorted(stamps))}
        if len(position) != len(stamps) or number >= len(stamps):
            return None
        before = sorted(key for key in keys if position[key] <= number)
        if len(before) < 3:
            return None
        # One keyframe earlier than needed: containers seek by decoding time, and the frames shown before an
        # open GOP's keyframe need the group before it.
        container.seek(before[-2], stream=stream)
    except av.FFmpegError:
        return None
    return position
