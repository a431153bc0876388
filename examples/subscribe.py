"""The smallest subscriber, with R'G'B' in the end: pip install pyzmq numpy; python subscribe.py tcp://127.0.0.1:5556"""

import json
import math
import re
import sys
from typing import Any

import numpy as np
import zmq

DTYPES = {"uint8": "|u1", "uint16": "<u2", "float16": "<f2", "float32": "<f4"}
KR_KB = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}  # of BT.709 and BT.2020; all else is taken for BT.601


def decode(message: list[bytes]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """[topic, header, part ...] -> (header, {name: array}); ValueError if it does not follow the protocol."""
    header = json.loads(bytes(message[1]))
    if header["streamfuse"] != 1:
        raise ValueError(f"version {header['streamfuse']} of the protocol, not 1")
    payload = message[2] if len(message) == 3 else b"".join(message[2:])  # the parts may come joined
    arrays, place = {}, 0
    for part in header.get("parts", []):
        array = np.frombuffer(payload, DTYPES[part["dtype"]], math.prod(part["shape"]), place)
        arrays[part["name"]] = array.reshape(part["shape"])
        place += array.nbytes
    if place != len(payload):
        raise ValueError("more bytes than the header names")
    return header, arrays


def rgb(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> np.ndarray:
    """A raw frame as (H, W, 3) R'G'B', 0 to 255; chroma is repeated where it is smaller, not interpolated."""
    deep = re.search(r"(\d+)le", header["pixel_format"])  # yuv420p10le: 10 bits; rgb48le: 16 each
    arrays = {name: a / 2.0 ** (min(int(deep[1]), 16) - 8 if deep else 0) for name, a in arrays.items()}
    if "rgb" in arrays or "bgr" in arrays:
        return (arrays["rgb"] if "rgb" in arrays else arrays["bgr"][..., ::-1]).astype(np.uint8)
    full, y = header["color"]["full_range"], arrays["y"]
    y = y if full else (y - 16) * (255 / 219)
    if header["pixel_format"].startswith("gray"):
        return np.dstack([y, y, y]).round().clip(0, 255).astype(np.uint8)
    chroma = arrays["cbcr"] if "cbcr" in arrays else np.dstack([arrays["cb"], arrays["cr"]])
    down, across = (-(-size // small) for size, small in zip(y.shape, chroma.shape[:2], strict=True))
    chroma = chroma.repeat(down, 0).repeat(across, 1)[: y.shape[0], : y.shape[1]] - 128
    blue, red = np.moveaxis(chroma if full else chroma * (255 / 224), 2, 0)
    kr, kb = KR_KB.get(header["color"]["matrix"], (0.299, 0.114))
    r, b = y + 2 * (1 - kr) * red, y + 2 * (1 - kb) * blue
    return np.dstack([r, (y - kr * r - kb * b) / (1 - kr - kb), b]).round().clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    socket: zmq.Socket[bytes] = zmq.Context().socket(zmq.SUB)
    socket.rcvhwm = 2  # who is slow loses messages, the end too: so it is over after 10 s without any
    socket.subscribe("")
    socket.connect(sys.argv[1])
    while socket.poll(10_000) and (received := decode(socket.recv_multipart()))[0]["kind"] != "end":
        if received[0]["kind"] == "frame":
            picture = rgb(*received)
            print(f"{received[0]['seq']}: {picture.shape}, mean R'G'B' {picture.mean((0, 1)).round(1)}")
