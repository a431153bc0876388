"""The smallest subscriber: pip install pyzmq numpy; python subscribe.py tcp://127.0.0.1:5556"""

import json
import sys

import numpy as np
import zmq

DTYPES = {"uint8": "|u1", "uint16": "<u2", "float16": "<f2", "float32": "<f4"}


def decode(message):
    """[topic, header, part ...] -> (header, {name: array}); ValueError if it does not follow the protocol."""
    header = json.loads(bytes(message[1]))
    if header["streamfuse"] != 1:
        raise ValueError(f"version {header['streamfuse']} of the protocol, not 1")
    infos = header.get("parts", [])
    if len(infos) != len(message) - 2:
        raise ValueError("not as many parts as the header names")
    arrays = zip(infos, message[2:], strict=True)
    return header, {
        p["name"]: np.frombuffer(data, DTYPES[p["dtype"]]).reshape(p["shape"]) for p, data in arrays
    }


if __name__ == "__main__":
    socket = zmq.Context().socket(zmq.SUB)
    socket.rcvhwm = 2
    socket.subscribe("")
    socket.connect(sys.argv[1])
    while (received := decode(socket.recv_multipart()))[0]["kind"] != "end":
        header, arrays = received
        if header["kind"] == "frame":
            print(header["seq"], header["pixel_format"], {name: a.shape for name, a in arrays.items()})
