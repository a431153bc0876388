"""The metadata of HDR10 in the header of a container, which FFmpeg's muxers leave out when PyAV drives them.

The encoders have it in the stream; players that choose a display mode before they decode look for it in the header.

- MP4 and MOV: the boxes `mdcv` and `clli` of ISO/IEC 14496-12:2022 at the end of the sample entry. The
  header is the last box of a finished file, so nothing else moves.
- Matroska and WebM: MasteringMetadata, MaxCLL and MaxFALL in the Colour element of RFC 9559. The header
  comes first there, and a longer one would move everything: the space is that of the track's name, see `PLACEHOLDER`.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from streamfuse.core.mastering import Mastering
from streamfuse.encode.container import MOV
from streamfuse.imaging.hdr_transfer import CHROMATICITIES, D65

PLACEHOLDER = "HDR10".ljust(120)
"""Name of a Matroska track whose header is to take the metadata: its bytes are what they are written over."""

_ENTRIES = (b"hvc1", b"hev1", b"av01")
_WAY = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_BEFORE_ENTRIES, _VISUAL_ENTRY = 8, 78  # bytes of `stsd` before its entries, of an entry before its boxes
_SEGMENT, _TRACKS, _TRACK, _NAME, _VIDEO, _COLOUR = 0x18538067, 0x1654AE6B, 0xAE, 0x536E, 0xE0, 0x55B0
_CRC, _VOID = 0xBF, 0xEC
_MASTERING, _MAX_CLL, _MAX_FALL, _LUMINANCE_MAX = 0x55D0, 0x55BC, 0x55BD, 0x55D9
_PRIMARIES = range(0x55D1, 0x55D9)  # x and y of red, green, blue and white
_HEAD = 12  # bytes of the longest id and size


def write_mastering(path: Path, mastering: Mastering) -> bool:
    """Put the metadata into the header of a finished file; False: there is no place for it, and the file is as it was.

    Raises:
        OSError: the file cannot be read or written.
    """
    return _into_mp4(path, mastering) if path.suffix.lower() in MOV else _into_matroska(path, mastering)


def mastering_boxes(mastering: Mastering) -> bytes:
    """`mdcv` (green, blue, red and white in 0.00002, luminance in 0.0001 cd/m2) and `clli` (cd/m2)."""
    red, green, blue = CHROMATICITIES[mastering.primaries]
    places = [round(value * 50_000) for xy in (green, blue, red, D65) for value in xy]
    luminance = [round(level * 10_000) for level in (mastering.peak, mastering.black)]
    volume = struct.pack(">8H2I", *places, *luminance)
    light = struct.pack(">2H", round(mastering.peak), round(mastering.average))
    return _box(b"mdcv", volume) + _box(b"clli", light)


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(data), kind) + data


def _into_mp4(path: Path, mastering: Mastering) -> bool:
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        at = size = 0
        kind = b""
        while at + size < end:  # the last box of the file
            at += size
            file.seek(at)
            size, kind = struct.unpack(">I4s", file.read(8))
            size = {0: end - at, 1: struct.unpack(">Q", file.read(8))[0]}.get(size, size)
            if size < 8:
                return False
        file.seek(at)
        header = bytearray(file.read(size)) if kind == b"moov" else bytearray()
        chain = _entry_chain(header)
        if not chain:
            return False
        boxes = mastering_boxes(mastering)
        for place in chain:
            struct.pack_into(">I", header, place, struct.unpack_from(">I", header, place)[0] + len(boxes))
        place = chain[-1]
        entry_end = place + struct.unpack_from(">I", header, place)[0] - len(boxes)
        header[entry_end:entry_end] = boxes
        file.seek(at)
        file.write(header)
    return True


def _entry_chain(header: bytearray) -> list[int]:
    """Tell where the boxes begin that hold the first sample entry of `_ENTRIES`, from the outermost to that entry."""

    def inside(start: int, end: int, way: tuple[bytes, ...]) -> list[int]:
        while start + 8 <= end:
            size, kind = struct.unpack_from(">I4s", header, start)
            if not 8 <= size <= end - start:
                break
            if not way and kind in _ENTRIES:
                return [start]
            if way and kind == way[0]:
                skipped = 8 if kind != b"stsd" else 8 + _BEFORE_ENTRIES
                if found := inside(start + skipped, start + size, way[1:]):
                    return [start, *found]
            start += size
        return []

    return inside(0, len(header), (b"moov", *_WAY))


def _into_matroska(path: Path, mastering: Mastering) -> bool:
    with path.open("r+b") as file:
        at, end = 0, file.seek(0, 2)
        while at < end:
            file.seek(at)
            kind, size, head = _opened(file.read(_HEAD), 0)
            if kind == _TRACKS:
                break
            at += head if kind == _SEGMENT else head + size
        else:
            return False
        file.seek(at + head)
        tracks = file.read(size)
        changed = _changed_tracks(tracks, mastering)
        if changed is None:
            return False
        file.seek(at + head)
        file.write(changed)
    return True


def _changed_tracks(tracks: bytes, mastering: Mastering) -> bytes | None:
    """Give the content of Tracks, of the same length, with the metadata in place of `PLACEHOLDER`."""
    out, summed, done = b"", False, False
    for kind, data, whole in _elements(tracks):
        if kind == _CRC:
            summed = True
            continue
        if kind == _TRACK and not done:
            entry = _changed_track(data, mastering)
            if entry is not None:
                done = True
                out += whole[: len(whole) - len(data)] + entry
                continue
        out += whole
    if not done:
        return None
    crc = _element(_CRC, struct.pack("<I", zlib.crc32(out))) if summed else b""
    return crc + out


def _changed_track(entry: bytes, mastering: Mastering) -> bytes | None:
    """Give the content of a TrackEntry with the metadata, padded to its length; None: another one, or too short."""
    parts = list(_elements(entry))
    if (_NAME, PLACEHOLDER.encode()) not in [(kind, data) for kind, data, _ in parts]:
        return None
    out = b""
    for kind, data, whole in parts:
        if kind == _VIDEO:
            inner = b"".join(
                _element(_COLOUR, part + _colour(mastering)) if number == _COLOUR else all_of_it
                for number, part, all_of_it in _elements(data)
            )
            out += _element(_VIDEO, inner)
        elif kind != _NAME:
            out += whole
    spare = len(entry) - len(out)
    return out + _element(_VOID, bytes(spare - 2)) if 2 <= spare < 120 else None


def _colour(mastering: Mastering) -> bytes:
    red, green, blue = CHROMATICITIES[mastering.primaries]
    values = [value for xy in (red, green, blue, D65) for value in xy] + [mastering.peak, mastering.black]
    numbers = [*_PRIMARIES, _LUMINANCE_MAX, _LUMINANCE_MAX + 1]
    volume = b"".join(
        _element(number, struct.pack(">f", value)) for number, value in zip(numbers, values, strict=True)
    )
    light = [(_MAX_CLL, mastering.peak), (_MAX_FALL, mastering.average)]
    levels = b"".join(_element(number, struct.pack(">H", round(level))) for number, level in light)
    return levels + _element(_MASTERING, volume)


def _element(kind: int, data: bytes) -> bytes:
    """Give an EBML element with a size of as few bytes as it takes."""
    width = next(n for n in range(1, 9) if len(data) < (1 << 7 * n) - 1)
    size = (len(data) | 1 << 7 * width).to_bytes(width, "big")
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + size + data


def _opened(data: bytes, at: int) -> tuple[int, int, int]:
    """(Id, size of the content, bytes before it) of the element at a place."""
    first = 9 - data[at].bit_length()
    second = 9 - data[at + first].bit_length()
    size = int.from_bytes(data[at + first : at + first + second], "big") & (1 << 7 * second) - 1
    return int.from_bytes(data[at : at + first], "big"), size, first + second


def _elements(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """(Id, content, whole) of each element that follows another."""
    found, at = [], 0
    while at < len(data):
        kind, size, head = _opened(data, at)
        found.append((kind, data[at + head : at + head + size], data[at : at + head + size]))
        at += head + size
    return found
