"""Where a stream is: `zmq+pub://127.0.0.1:5556`, `pub+bind:tcp://127.0.0.1:5556?topic=cam`, `ipc:///tmp/cam` ...

    [zmq][+TYPE][+bind|+connect][+tcp|+ipc]://ADDRESS[?option=value&...]
    TYPE[+bind|+connect]:tcp://ADDRESS, and the same with ipc and zmq+ before it
    tcp://ADDRESS, ipc://PATH

A sink is `pub` (live: whoever is slow loses frames) or `push` (each frame goes to one receiver and none is lost);
a source is `sub` or `pull`. Sinks bind and sources connect unless the endpoint says otherwise. A TCP address without
a host is 127.0.0.1; `*` in its place is every interface, and a port `*` is any free one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl, urlencode

from streamfuse.errors import UsageError

Role = Literal["sink", "source"]
Kind = Literal["pub", "push", "sub", "pull"]

_KINDS: Mapping[Role, tuple[Kind, Kind]] = {"sink": ("pub", "push"), "source": ("sub", "pull")}
_ATTACH = ("bind", "connect")
_TRANSPORTS = ("tcp", "ipc")
_SHAPE = re.compile(
    r"(?P<words>[a-z+]+?)(?::(?P<transport>[a-z]+))?://(?P<address>[^?]*)(?:\?(?P<query>.*))?"
)
_TCP = re.compile(r"(?P<host>\[[0-9a-fA-F:.%a-z]+\]|[^:/\[\]\s]*):(?P<port>\d{1,5}|\*)")
_LOOPBACK = re.compile(r"127(\.\d+){3}|localhost|\[::1\]")
_IPC_BYTES = 107  # of a Unix socket's path
_EXAMPLES: Mapping[Role, str] = {
    "sink": "write it like pub:tcp://127.0.0.1:5556, push:tcp://127.0.0.1:5556 or ipc:///tmp/frames",
    "source": "write it like sub:tcp://127.0.0.1:5556, pull:tcp://127.0.0.1:5556 or ipc:///tmp/frames",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a stream.

    Args:
        kind: the ZeroMQ socket type.
        bind: whether this end binds, and the other one connects.
        address: as ZeroMQ takes it.
        options: what stood behind the '?'.
    """

    kind: Kind
    bind: bool
    address: str
    options: Mapping[str, str]

    @property
    def live(self) -> bool:
        """Tell whether frames are left out for the slow (PUB and SUB), in place of waiting for them."""
        return self.kind in {"pub", "sub"}

    @property
    def local(self) -> bool:
        """Tell whether both ends are on this machine, as far as the address tells."""
        found = _TCP.fullmatch(self.address.removeprefix("tcp://"))
        return found is None or _LOOPBACK.fullmatch(found["host"]) is not None

    @property
    def public(self) -> bool:
        """Tell whether other machines can reach a socket bound here."""
        return self.bind and not self.local

    def __str__(self) -> str:
        return f"{self.kind}+{_ATTACH[not self.bind]}:{self.address}"


def is_endpoint(text: str) -> bool:
    """Tell whether a source or a sink of this name is a ZeroMQ stream: zmq, a socket type or ipc comes first in it."""
    words = re.split(r"[+:]", text, maxsplit=1)
    return "://" in text and words[0] in {"zmq", "pub", "push", "sub", "pull", "ipc"}


def parse_endpoint(text: str, role: Role) -> Endpoint:
    """Read an endpoint.

    Raises:
        UsageError: it is none, or not one for a sink, or for a source.
    """
    found = _SHAPE.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise UsageError(f"{text!r} is no ZeroMQ endpoint: {_EXAMPLES[role]}.")
    words = found["words"].split("+")
    words = words[1:] if words[0] == "zmq" else words
    transports = [word for word in words if word in _TRANSPORTS] + [found["transport"]] * bool(
        found["transport"]
    )
    attach = [word for word in words if word in _ATTACH]
    kinds = [word for word in words if word not in (*_TRANSPORTS, *_ATTACH)]
    if len(transports) > 1 or len(attach) > 1 or len(kinds) > 1 or not set(transports) <= set(_TRANSPORTS):
        raise UsageError(f"{text!r} is no ZeroMQ endpoint: {_EXAMPLES[role]}.")
    kind = kinds[0] if kinds else _KINDS[role][0]
    if kind not in _KINDS[role]:
        raise UsageError(
            f"{text!r} is no {role}: a {role} is {' or '.join(_KINDS[role])}; {_EXAMPLES[role]}."
        )
    bind = attach == ["bind"] if attach else role == "sink"
    transport = transports[0] if transports else "tcp"
    try:
        address = _tcp(found["address"], bind) if transport == "tcp" else _ipc(found["address"])
    except ValueError as error:
        raise UsageError(f"{text!r} {error}: {_EXAMPLES[role]}.") from None
    return Endpoint(cast(Kind, kind), bind, f"{transport}://{address}", _query(found["query"] or "", text))


def with_options(text: str, options: Mapping[str, object]) -> str:
    """Give the endpoint with further options behind its '?'; None leaves one out."""
    query = urlencode({key: value for key, value in options.items() if value is not None})
    if not query:
        return text
    return f"{text}{'&' if '?' in text else '?'}{query}"


def _tcp(address: str, bind: bool) -> str:
    found = _TCP.fullmatch(address)
    if not found or (found["port"] != "*" and not 0 < int(found["port"]) < 65536):
        raise ValueError("has no HOST:PORT")
    if not bind and "*" in (found["host"], found["port"]):
        raise ValueError("cannot be connected to, since * is for binding; name the other end's host and port")
    return f"{found['host'] or '127.0.0.1'}:{found['port']}"


def _ipc(path: str) -> str:
    if not path or len(path.encode()) > _IPC_BYTES:
        raise ValueError(f"has no path of 1 to {_IPC_BYTES} bytes")
    return path


def _query(query: str, text: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(dict(pairs)) != len(pairs):
        raise UsageError(f"{text!r} names an option twice.")
    return dict(pairs)
