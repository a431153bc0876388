"""The golden vectors: messages as bytes, and what a decoder has to make of them.

    python tests/support/golden_vectors.py      writes golden/vectors.json and golden/header.schema.json anew

Those that are there change only with the version of the protocol: other implementations are tested with them. New ones
are for optional fields that version 1 has got.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import numpy as np

from streamfuse.zmq.message import DTYPES, header_schema

GOLDEN = Path(__file__).parents[1] / "zmq" / "golden"
STREAM = "0123456789abcdef"
COLOR = {"matrix": 1, "primaries": 1, "transfer": 1, "full_range": False}


def picture(name, width=6, height=4, **changes):
    return {
        "streamfuse": 1, "stream": STREAM, "seq": 7, "published_at": 1700000000.25, "dropped": 0,
        "content": "fused", "encoding": "raw", "pixel_format": name, "width": width, "height": height,
        "color": COLOR, "time_base": [1, 30], "rate": [30, 1], "simultaneous": 1,
    } | changes  # fmt: skip


def frame(name, parts, width=6, height=4, **changes):
    own = {
        "kind": "frame", "index": 7, "pts": 7, "captured_at": 1700000000.125, "keyframe": True,
        "exposures": [6, 7], "exposure": None, "stats": {"ghost_share": 0.25},
        "parts": [{"name": n, "dtype": d, "shape": list(s)} for n, d, s in parts],
    }  # fmt: skip
    return picture(name, width, height) | own | changes


def ramp(dtype, shape):
    """0, 1, 2 ... as this dtype, little-endian."""
    return np.arange(np.prod(shape)).astype(DTYPES[dtype]).tobytes()


def raw(name, parts, **changes):
    return frame(name, parts, **changes), [ramp(dtype, shape) for _, dtype, shape in parts]


def apart(header, parts):
    """The bytes of each array, also of a joined payload."""
    whole, place = b"".join(parts), 0
    for info in header.get("parts", []):
        size = int(np.prod(info["shape"])) * np.dtype(DTYPES[info["dtype"]]).itemsize
        yield whole[place : place + size]
        place += size


def joined(header, parts):
    return header, [b"".join(parts)]


YUV420 = [("y", "uint8", (4, 6)), ("cb", "uint8", (2, 3)), ("cr", "uint8", (2, 3))]
ODD = [("y", "uint8", (3, 5)), ("cb", "uint8", (2, 3)), ("cr", "uint8", (2, 3))]
TEN_BIT = [("y", "uint16", (4, 6)), ("cb", "uint16", (2, 3)), ("cr", "uint16", (2, 3))]
MAPS = [("weights", "float16", (2, 2, 3)), ("ghost", "uint8", (2, 4, 6))]
SINGLE = {
    "content": "exposure",
    "exposures": [],
    "exposure": {"time_us": 500.0, "gain": 1.0, "rank": 0},
    "stats": {},
}
ENVELOPE = {"streamfuse": 1, "stream": STREAM, "seq": 8, "published_at": 1700000000.25, "dropped": 3}


def good():
    yield "yuv420p", *raw("yuv420p", YUV420)
    yield "yuv420p odd size", *raw("yuv420p", ODD, width=5, height=3)
    yield "yuv420p10le", *raw("yuv420p10le", TEN_BIT)
    yield "yuv444p", *raw("yuv444p", [(n, "uint8", (4, 6)) for n in ("y", "cb", "cr")])
    yield "nv12", *raw("nv12", [("y", "uint8", (4, 6)), ("cbcr", "uint8", (2, 3, 2))])
    yield "rgb24", *raw("rgb24", [("rgb", "uint8", (4, 6, 3))])
    yield "bgr24", *raw("bgr24", [("bgr", "uint8", (4, 6, 3))])
    yield "rgb48le", *raw("rgb48le", [("rgb", "uint16", (4, 6, 3))])
    yield "gray", *raw("gray", [("y", "uint8", (4, 6))])
    yield "gray16le", *raw("gray16le", [("y", "uint16", (4, 6))])
    yield "maps", *raw("yuv420p", YUV420 + MAPS)
    yield "yuv420p, joined", *joined(*raw("yuv420p", YUV420))
    yield "maps, joined", *joined(*raw("yuv420p", YUV420 + MAPS))
    yield "single exposure", *raw("yuv420p", YUV420, **SINGLE)
    yield "pixels that are not square", *raw("yuv420p", YUV420, sample_aspect=[16, 15])
    yield "no time stamp", *raw("yuv420p", YUV420, pts=None, captured_at=None)
    yield "field of a later minor version", *raw("yuv420p", YUV420, sharpness=0.5)
    yield "jpeg", frame("yuv420p", [("jpeg", "uint8", (10,))], encoding="jpeg"), [bytes(range(10))]
    yield "h264, not a keyframe", *raw("yuv420p", [("h264", "uint8", (9,))], encoding="h264", keyframe=False)
    yield "hello", picture("yuv420p", kind="hello"), []
    yield "heartbeat", ENVELOPE | {"kind": "heartbeat"}, []
    yield "end of stream", ENVELOPE | {"kind": "end"}, []


def bad():
    """(name, error, header or bytes, parts)"""
    header, parts = raw("yuv420p", YUV420)
    yield "version 2", "WireVersionError", header | {"streamfuse": 2}, parts
    yield "part too short", "WireError", header, [parts[0][:-1], *parts[1:]]
    yield "part too long", "WireError", header, [parts[0] + b"\0", *parts[1:]]
    yield "part missing", "WireError", header, parts[:2]
    yield "part too many", "WireError", header, [*parts, b"x"]
    yield "joined, too short", "WireError", header, [b"".join(parts)[:-1]]
    yield "joined, too long", "WireError", header, [b"".join(parts) + b"\0"]
    yield "header cut off", "WireError", json.dumps(header).encode()[:-20], parts
    yield "header is not JSON", "WireError", b"\x80\x04\x95", parts


def vectors():
    found = []
    for name, header, parts in good():
        data = json.dumps(header).encode()
        arrays = {
            info["name"]: {
                "dtype": info["dtype"],
                "shape": info["shape"],
                "sha256": hashlib.sha256(part).hexdigest(),
            }
            for info, part in zip(header.get("parts", []), apart(header, parts), strict=True)
        }
        expect = {"kind": header["kind"], "seq": header["seq"], "parts": arrays}
        found.append({"name": name, "message": packed(b"fused", data, *parts), "expect": expect})
    for name, error, header, parts in bad():
        data = header if isinstance(header, bytes) else json.dumps(header).encode()
        found.append({"name": name, "message": packed(b"fused", data, *parts), "error": error})
    return found


def packed(*parts):
    return [base64.b64encode(part).decode() for part in parts]


def written():
    """File name -> text, as it has to be."""
    return {
        "vectors.json": json.dumps(vectors(), indent=1) + "\n",
        "header.schema.json": json.dumps(header_schema(), indent=1) + "\n",
    }


def load():
    return [
        vector | {"message": [base64.b64decode(part) for part in vector["message"]]}
        for vector in json.loads((GOLDEN / "vectors.json").read_text())
    ]


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for file, text in written().items():
        (GOLDEN / file).write_text(text)
