"""The smallest subscriber: pip install pyzmq numpy; python subscribe.py tcp://127.0.0.1:5556"""

import json
import math
import sys

import numpy as np
import zmq

DTYPES = {"uint8": "|u1", "uint16": "<u2", "float16": "<f2", "float32": "<f4"}


def decode(message: list[bytes]) -> tuple[dict[str, object], dict[str, np.ndarray]]:
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


if __name__ == "__main__":
    socket: zmq.Socket[bytes] = zmq.Context().socket(zmq.SUB)
    socket.rcvhwm = 2
    socket.subscribe("")
    socket.connect(sys.argv[1])
    while (received := decode(socket.recv_multipart()))[0]["kind"] != "end":
        header, arrays = received
        if header["kind"] == "frame":
            print(header["seq"], header["pixel_format"], {name: a.shape for name, a in arrays.items()})
