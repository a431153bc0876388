"""A graph of layers as ONNX, written without the package `onnx`: what `cv2.dnn` reads.

The message formats and field numbers are those of onnx.proto (ONNX IR version 8, opset 17).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Attribute = int | float | str | Sequence[int]
Constant = npt.NDArray[np.float32] | npt.NDArray[np.int64]

_IR_VERSION, OPSET = 8, 17
_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_KINDS = {"float": 1, "int": 2, "string": 3, "ints": 7}  # AttributeProto.AttributeType


class Graph:
    """Takes layers one after the other; each is known by the name of what it gives.

    Example:
        >>> graph = Graph()
        >>> doubled = graph.layer("Mul", "x", graph.constant(np.float32([2])))
        >>> model = graph.model({"x": (1, 1, 4, 4)}, [doubled])
    """

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def constant(self, values: Constant) -> str:
        """Add an array of numbers, float32 or int64; give its name."""
        name = f"c{len(self._constants)}"
        kind = _INT64 if values.dtype == np.int64 else _FLOAT
        data = np.ascontiguousarray(values, np.int64 if kind == _INT64 else np.float32).tobytes()
        dims = b"".join(_number(1, side) for side in values.shape)
        self._constants.append(dims + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, data))
        return name

    def layer(self, kind: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a layer that gives one array; `kind` and `attributes` are those of the ONNX operators."""
        name = f"x{len(self._nodes)}"
        ends = b"".join(_bytes(1, one.encode()) for one in inputs) + _bytes(2, name.encode())
        settings = b"".join(_bytes(5, _attribute(key, value)) for key, value in attributes.items())
        self._nodes.append(ends + _bytes(3, name.encode()) + _bytes(4, kind.encode()) + settings)
        return name

    def model(self, inputs: Mapping[str, Sequence[int]], outputs: Sequence[str]) -> npt.NDArray[np.uint8]:
        """Give the whole as a file's content.

        Args:
            inputs: name and shape of each, float32.
            outputs: names of layers.
        """
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _bytes(2, b"streamfuse")
        graph += b"".join(_bytes(5, constant) for constant in self._constants)
        graph += b"".join(_bytes(11, _described(name, shape)) for name, shape in inputs.items())
        graph += b"".join(_bytes(12, _described(name, ())) for name in outputs)
        opset = _bytes(1, b"") + _number(2, OPSET)
        content = _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, opset)
        return np.frombuffer(content, np.uint8)


def _described(name: str, shape: Sequence[int]) -> bytes:
    """Give a ValueInfoProto of a float32 array."""
    dims = b"".join(_bytes(1, _number(1, side)) for side in shape)
    tensor = _number(1, _FLOAT) + _bytes(2, dims)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _attribute(name: str, value: Attribute) -> bytes:
    """Give an AttributeProto."""
    if isinstance(value, str):
        kind, content = "string", _bytes(4, value.encode())
    elif isinstance(value, float):
        kind, content = "float", _varint(2 << 3 | 5) + np.float32(value).tobytes()
    elif isinstance(value, int):
        kind, content = "int", _number(3, value)
    else:
        kind, content = "ints", b"".join(_number(8, one) for one in value)
    return _bytes(1, name.encode()) + content + _number(20, _KINDS[kind])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value % (1 << 64))


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
