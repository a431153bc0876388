"""Reads what a file tells of HDR10 byte by byte, by the standards alone: neither FFmpeg nor code of the package.

MP4 and MOV: ISO/IEC 14496-12 (boxes mdcv and clli). Matroska and WebM: RFC 9559 (Colour). HEVC: the SEI messages 137
and 144 of ITU-T H.265 annex D. AV1: the metadata OBUs of section 5.8 of its specification.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
MASTERS = (
    0x18538067,
    0x1654AE6B,
    0xAE,
    0xE0,
    0x55B0,
    0x55D0,
)  # Segment, Tracks, TrackEntry, Video, Colour, volume


@dataclass
class Told:
    """Of one place: red, green, blue and white as x, y; luminance as (most, least); MaxCLL and MaxFALL; in cd/m2."""

    places: list[float] = field(default_factory=list)
    luminance: tuple[float, float] | None = None
    light: tuple[int, int] | None = None


def from_mp4(data: bytes) -> Told:
    told = Told()

    def read(start: int, end: int) -> None:
        while start + 8 <= end:
            size, kind = struct.unpack_from(">I4s", data, start)
            head = 8
            if size == 1:
                size, head = struct.unpack_from(">Q", data, start + 8)[0], 16
            assert 8 <= size <= end - start, f"{kind} of {size} bytes does not fit"
            inside = start + head
            if kind in CONTAINERS:
                read(inside, start + size)
            elif kind == b"stsd":
                read(inside + 8, start + size)
            elif kind in (b"hvc1", b"hev1", b"av01"):
                read(inside + 78, start + size)
            elif kind == b"mdcv":
                green, blue, red, white = (struct.unpack_from(">2H", data, inside + 4 * n) for n in range(4))
                told.places = [value * 0.00002 for pair in (red, green, blue, white) for value in pair]
                most, least = struct.unpack_from(">2I", data, inside + 16)
                told.luminance = most * 0.0001, least * 0.0001
            elif kind == b"clli":
                told.light = struct.unpack_from(">2H", data, inside)
            start += size

    read(0, len(data))
    return told


def from_matroska(data: bytes) -> Told:
    told, values = Told(), {}

    def number(at: int, keep: bool) -> tuple[int, int]:
        width = 1
        while not data[at] & (0x80 >> (width - 1)):
            width += 1
        value = int.from_bytes(data[at : at + width], "big")
        return (value if keep else value & ((1 << 7 * width) - 1)), at + width

    def read(at: int, end: int) -> None:
        while at < end:
            kind, at = number(at, True)
            size, at = number(at, False)
            stop = min(at + size, end)
            if kind in MASTERS:
                read(at, stop)
            else:
                values.setdefault(kind, data[at:stop])
            at = stop

    read(0, len(data))
    decimal = {
        k: struct.unpack(">f" if len(v) == 4 else ">d", v)[0]
        for k, v in values.items()
        if 0x55D1 <= k <= 0x55DA
    }
    told.places = [decimal[k] for k in range(0x55D1, 0x55D9) if k in decimal]
    if 0x55D9 in decimal:
        told.luminance = decimal[0x55D9], decimal[0x55DA]
    if 0x55BC in values:
        told.light = tuple(int.from_bytes(values[k], "big") for k in (0x55BC, 0x55BD))
    return told


def from_hevc(packet: bytes) -> Told:
    """Of a coded picture as containers hold it: NAL units after their length in four bytes."""
    told, at = Told(), 0
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big")
        unit = packet[at + 4 : at + 4 + size]
        at += 4 + size
        if unit[0] >> 1 & 0x3F != 39:  # prefix SEI
            continue
        body, place = unit[2:].replace(b"\0\0\3", b"\0\0"), 0
        while place + 2 < len(body):
            kind, length = body[place], body[place + 1]
            payload = body[place + 2 : place + 2 + length]
            place += 2 + length
            if kind == 137:
                green, blue, red, white = (struct.unpack_from(">2H", payload, 4 * n) for n in range(4))
                told.places = [value * 0.00002 for pair in (red, green, blue, white) for value in pair]
                most, least = struct.unpack_from(">2I", payload, 16)
                told.luminance = most * 0.0001, least * 0.0001
            elif kind == 144:
                told.light = struct.unpack_from(">2H", payload)
    return told


def from_av1(packet: bytes) -> Told:
    """Of a temporal unit as containers hold it: OBUs with their sizes."""
    told, at = Told(), 0
    while at < len(packet):
        kind, extended = packet[at] >> 3 & 15, packet[at] >> 2 & 1
        assert packet[at] & 2, "an OBU without a size"
        at += 1 + extended
        size, at = _leb128(packet, at)
        body = packet[at : at + size]
        at += size
        if kind != 5:  # metadata
            continue
        what, start = _leb128(body, 0)
        if what == 1:
            told.light = struct.unpack_from(">2H", body, start)
        elif what == 2:
            told.places = [value / 65536 for value in struct.unpack_from(">8H", body, start)]
            most, least = struct.unpack_from(">2I", body, start + 16)
            told.luminance = most / 256, least / 16384
    return told


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
