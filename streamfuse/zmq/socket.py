"""Sockets as streamfuse uses them: short queues, no lingering, limits on what is read, events that are counted."""

from __future__ import annotations

import os
import socket as os_socket
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import zmq
from zmq.utils.monitor import parse_monitor_message

from streamfuse.zmq.endpoint import Endpoint

_TYPES = {"pub": zmq.XPUB, "push": zmq.PUSH, "sub": zmq.SUB, "pull": zmq.PULL}
_EVENTS = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_CONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
# Of connections within the machine: a frame needs fewer wake-ups than with the kernel's 200 KB, and stays in the
# cache, which it does not in the megabytes that TCP may take.
_LOCAL_BUFFER_BYTES = 512 << 10
_RECONNECT_MS = (100, 2000)  # first pause, longest pause
_KEEPALIVE_SECONDS = {"idle": 5, "intvl": 2, "cnt": 3}  # a pulled cable is noticed after 11 s


def make_socket(context: zmq.SyncContext, endpoint: Endpoint, *, hwm: int, max_bytes: int) -> zmq.SyncSocket:
    """Give a socket that is not bound or connected yet.

    Args:
        context: to make it in.
        endpoint: what for.
        hwm: messages that wait on this side, in each direction.
        max_bytes: a peer that sends a longer message part is disconnected.
    """
    socket = context.socket(_TYPES[endpoint.kind])
    socket.linger = 0
    socket.sndhwm = socket.rcvhwm = hwm
    socket.maxmsgsize = max_bytes
    socket.ipv6 = "[" in endpoint.address
    socket.reconnect_ivl, socket.reconnect_ivl_max = _RECONNECT_MS
    if endpoint.local and endpoint.kind in {"pub", "push"}:
        socket.sndbuf = _LOCAL_BUFFER_BYTES
    # ZeroMQ's own heartbeats are no choice: they cut off a receiver that makes the sender wait.
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = _KEEPALIVE_SECONDS["idle"]
    socket.tcp_keepalive_intvl = _KEEPALIVE_SECONDS["intvl"]
    socket.tcp_keepalive_cnt = _KEEPALIVE_SECONDS["cnt"]
    return socket


def attach(socket: zmq.SyncSocket, endpoint: Endpoint) -> str:
    """Bind or connect; gives the address with the port that was chosen.

    Raises:
        zmq.ZMQError: it is taken, not allowed, or not there.
    """
    if not endpoint.bind:
        socket.connect(endpoint.address)
        return endpoint.address
    if endpoint.address.startswith("ipc://") and _answers(endpoint.address.removeprefix("ipc://")):
        raise zmq.ZMQError(zmq.EADDRINUSE)  # libzmq would take it away from the other process
    socket.bind(endpoint.address)
    return cast(bytes, socket.last_endpoint).decode().rstrip("\0")


def _answers(path: str) -> bool:
    with os_socket.socket(os_socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


@dataclass(slots=True)
class LinkCounts:
    """What happened to the connections of a socket.

    Args:
        connects: connections that were made (and, with CURVE, authenticated).
        disconnects: connections that were lost.
        denied: handshakes that were refused because the key is not on the list.
        mismatched: handshakes with an end that speaks otherwise: CURVE against none, or not ZeroMQ.
        failed: handshakes that broke off: a wrong server key, or the other end went away meanwhile.
    """

    connects: int = 0
    disconnects: int = 0
    denied: int = 0
    mismatched: int = 0
    failed: int = 0

    @property
    def peers(self) -> int:
        """Tell how many are connected now."""
        return self.connects + self.denied + self.mismatched + self.failed - self.disconnects


class LinkMonitor:
    """Counts the events of a socket, into `counts`; used from the thread that uses the socket."""

    def __init__(self, socket: zmq.SyncSocket, counts: LinkCounts | None = None) -> None:
        self.counts = counts if counts is not None else LinkCounts()
        self._watched = socket
        self.socket: zmq.SyncSocket = socket.get_monitor_socket(_EVENTS)

    def read(self) -> None:
        """Count what has happened since; returns at once."""
        while self.socket.poll(0):
            message = parse_monitor_message(self.socket.recv_multipart())
            event = message["event"]
            if event in {zmq.EVENT_ACCEPTED, zmq.EVENT_CONNECTED}:
                _enlarge_ipc_buffer(message["value"], message["endpoint"].decode())
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.counts.connects += 1
            elif event == zmq.EVENT_DISCONNECTED:
                self.counts.disconnects += 1
            elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                self.counts.denied += 1
            elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                self.counts.mismatched += 1
            else:
                self.counts.failed += 1

    def close(self) -> None:
        """Stop watching; more than once does nothing."""
        if not self.socket.closed:
            self._watched.disable_monitor()
            self.socket.close(0)


def _enlarge_ipc_buffer(descriptor: int, address: str) -> None:
    """Do for a Unix socket what ZeroMQ does for TCP only.

    It may be closed by now, and its number another file's: the path tells.
    """
    if not address.startswith("ipc://"):
        return
    with suppress(OSError), os_socket.socket(fileno=os.dup(descriptor)) as link:
        if address.removeprefix("ipc://") in {link.getsockname(), link.getpeername()}:
            link.setsockopt(os_socket.SOL_SOCKET, os_socket.SO_SNDBUF, _LOCAL_BUFFER_BYTES)
