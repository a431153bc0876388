"""Where the page is served: `127.0.0.1:8080`, `[::1]:8080`, `:8080`, `*:8080`."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket

from streamfuse.errors import OutputError, UsageError

_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.%\w]+)\]|(?P<host>[^\s:/\[\]@]*)):(?P<port>\d{1,5})", re.ASCII
)
_LOOPBACK_NAME = "localhost"
# A slow reader holds at most about twice this in the kernel, so what it sees is never many pictures old.
_SEND_BYTES = 256 * 1024


def parse_address(text: str) -> tuple[str, int]:
    """Give (host, port) of `HOST:PORT`.

    No host is 127.0.0.1, `*` every interface; IPv6 addresses stand in brackets; port 0 is any free one.

    Raises:
        UsageError: it is no such address.
    """
    found = _ADDRESS.fullmatch(text.strip())
    if not found or int(found["port"]) > 65535:
        raise UsageError(
            f"{text!r} is no address for the page: write it like 127.0.0.1:8080, [::1]:8080 or *:8080."
        )
    host = found["six"] or found["host"] or "127.0.0.1"
    return "0.0.0.0" if host == "*" else host, int(found["port"])


def is_loopback(host: str) -> bool:
    """Tell whether a host, as a name or a numeric address, can only mean this machine."""
    if host.lower().rstrip(".") == _LOOPBACK_NAME:
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        OutputError: the port is taken or needs other rights, or this machine does not have that address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise OutputError(
            f"The page cannot be served at {host}: no address has that name; use 127.0.0.1 or an address of this "
            "machine."
        ) from None
    failure = OSError()
    for family, kind, protocol, _, address in found:  # a name may stand for an IPv6 and an IPv4 address
        try:
            return _listen(socket.socket(family, kind, protocol), address)
        except OSError as error:
            failure = error
    raise OutputError(_explain(failure, host, port)) from None


def _listen(listener: socket.socket, address: tuple[object, ...]) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def url(listener: socket.socket) -> str:
    """Tell what to open in a browser on this machine to reach a bound socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _explain(error: OSError, host: str, port: int) -> str:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"The page cannot be served at {place}: another program has that port; choose another port."
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"The page cannot be served at {place}: this machine does not have that address; use 127.0.0.1, or * for "
            "every address it has."
        )
    if error.errno == errno.EACCES:
        return f"The page cannot be served at {place}: ports below 1024 need special rights; use one from 1024 on."
    return f"The page cannot be served at {place}: {error.strerror}."
