"""The part of the Linux video API (V4L2, linux/videodev2.h) that a camera needs, on 64-bit systems."""

from __future__ import annotations

import ctypes
import fcntl
from ctypes import Structure, c_char, c_int32, c_int64, c_uint8, c_uint32, c_uint64
from typing import Final

CAPTURE: Final = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
MMAP: Final = 1  # V4L2_MEMORY_MMAP
CAN_CAPTURE: Final = 0x00000001
CAN_STREAM: Final = 0x04000000
HAS_DEVICE_CAPS: Final = 0x80000000
BUFFER_ERROR: Final = 0x00000040
BUFFER_MONOTONIC: Final = 0x00002000
CONTROL_DISABLED: Final = 0x0001
CONTROL_READ_ONLY: Final = 0x0004

AUTOGAIN: Final = 0x00980912
EXPOSURE_AUTO: Final = 0x009A0901
EXPOSURE_MANUAL: Final = 1  # of EXPOSURE_AUTO's menu
EXPOSURE_ABSOLUTE: Final = 0x009A0902  # in units of 100 microseconds
EXPOSURE_AUTO_PRIORITY: Final = 0x009A0903  # exposure_dynamic_framerate


class Capability(Structure):
    """struct v4l2_capability."""

    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FormatDescription(Structure):
    """struct v4l2_fmtdesc."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("description", c_char * 32),
        ("pixelformat", c_uint32),
        ("mbus_code", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class Format(Structure):
    """struct v4l2_format, with struct v4l2_pix_format in it; the union is aligned like a pointer."""

    _fields_ = (
        ("type", c_uint32),
        ("padding", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixelformat", c_uint32),
        ("field", c_uint32),
        ("bytesperline", c_uint32),
        ("sizeimage", c_uint32),
        ("colorspace", c_uint32),
        ("priv", c_uint32),
        ("flags", c_uint32),
        ("ycbcr_enc", c_uint32),
        ("quantization", c_uint32),
        ("xfer_func", c_uint32),
        ("rest", c_uint8 * 152),
    )


class StreamParameters(Structure):
    """struct v4l2_streamparm, with struct v4l2_captureparm in it."""

    _fields_ = (
        ("type", c_uint32),
        ("capability", c_uint32),
        ("capturemode", c_uint32),
        ("numerator", c_uint32),
        ("denominator", c_uint32),
        ("rest", c_uint8 * 184),
    )


class RequestBuffers(Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = (
        ("count", c_uint32),
        ("type", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("flags", c_uint8),
        ("reserved", c_uint8 * 3),
    )


class Buffer(Structure):
    """struct v4l2_buffer."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("bytesused", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("seconds", c_int64),
        ("microseconds", c_int64),
        ("timecode", c_uint32 * 4),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("offset", c_uint64),  # a union with pointers, of which the lower half counts
        ("length", c_uint32),
        ("reserved", c_uint32 * 2),
    )


class ControlDescription(Structure):
    """struct v4l2_queryctrl."""

    _fields_ = (
        ("id", c_uint32),
        ("type", c_uint32),
        ("name", c_char * 32),
        ("minimum", c_int32),
        ("maximum", c_int32),
        ("step", c_int32),
        ("default", c_int32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 2),
    )


class Control(Structure):
    """struct v4l2_control."""

    _fields_ = (("id", c_uint32), ("value", c_int32))


def _request(direction: int, number: int, size: int) -> int:
    """As the macros _IOR (2), _IOW (1) and _IOWR (3) of the type 'V' make it."""
    return direction << 30 | size << 16 | ord("V") << 8 | number


QUERYCAP: Final = _request(2, 0, ctypes.sizeof(Capability))
ENUM_FMT: Final = _request(3, 2, ctypes.sizeof(FormatDescription))
G_FMT: Final = _request(3, 4, ctypes.sizeof(Format))
S_FMT: Final = _request(3, 5, ctypes.sizeof(Format))
REQBUFS: Final = _request(3, 8, ctypes.sizeof(RequestBuffers))
QUERYBUF: Final = _request(3, 9, ctypes.sizeof(Buffer))
QBUF: Final = _request(3, 15, ctypes.sizeof(Buffer))
DQBUF: Final = _request(3, 17, ctypes.sizeof(Buffer))
STREAMON: Final = _request(1, 18, 4)
STREAMOFF: Final = _request(1, 19, 4)
G_PARM: Final = _request(3, 21, ctypes.sizeof(StreamParameters))
S_PARM: Final = _request(3, 22, ctypes.sizeof(StreamParameters))
G_CTRL: Final = _request(3, 27, ctypes.sizeof(Control))
S_CTRL: Final = _request(3, 28, ctypes.sizeof(Control))
QUERYCTRL: Final = _request(3, 36, ctypes.sizeof(ControlDescription))


def ioctl(fd: int, request: int, argument: Structure | ctypes.Array[c_int32]) -> None:
    """Ask the device; the argument is read and filled in place.

    Raises:
        OSError: it refuses.
    """
    fcntl.ioctl(fd, request, argument, True)


def fourcc(name: str) -> int:
    """Give the number of a pixel format such as MJPG."""
    return int.from_bytes(name.encode("ascii"), "little")


def fourcc_name(number: int) -> str:
    """Give the name of a pixel format."""
    return number.to_bytes(4, "little").decode("ascii", "replace").strip("\0 ")
