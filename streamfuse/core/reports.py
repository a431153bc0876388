"""What sources and sinks have to tell of themselves, as far as it matters to whoever runs them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal


@dataclass(slots=True)
class ReceiverStatistics:
    """What a receiver of frames over a network has counted so far.

    Args:
        received: frames that came and were in order.
        lost: frames that were sent and never came (gaps of `seq`).
        skipped: frames that came and were left out, because a newer one was there.
        undecodable: frames that came and could not be decoded, because one before them was lost.
        stale: messages that came again or out of order, or belong to a stream that is over.
        restarts: changes to another stream, as the publisher was started again, or to other numbers of the same.
        rejected: messages that were refused, by the class of their error.
        publisher_dropped: frames that the publisher says it has left out itself.
        connects, disconnects, denied, failed: of the connection, see `LinkCounts`.
        bytes: payload received.
    """

    received: int = 0
    lost: int = 0
    skipped: int = 0
    undecodable: int = 0
    stale: int = 0
    restarts: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    publisher_dropped: int = 0
    connects: int = 0
    disconnects: int = 0
    denied: int = 0
    failed: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """A camera at this moment.

    Args:
        state: `running`, `reconnecting` or `ended`.
        mode: what it really delivers, in words.
        discarded: frames that were not used because their exposure was in transition or not due.
        lost: frames that the camera lost, as far as it tells.
        reconnects: how often it was opened again.
        error: the last failure, or what keeps it from doing better, in one sentence; None: nothing is wrong.
        bracket_rate: pairs of frames per second over the last few seconds.
        exposures: what the camera was last told, darkest first: (microseconds, gain) each; () if it is not controlled.
        latency: (fewest, most) frames that a change of exposure took to be seen; None: not measured.
        mains: the sentence on flicker of lamps that was recognised; None: none was.
    """

    state: Literal["running", "reconnecting", "ended"]
    mode: str
    discarded: int
    lost: int
    reconnects: int
    error: str | None
    bracket_rate: float
    exposures: tuple[tuple[float, float], ...]
    latency: tuple[int, int] | None
    mains: str | None = None


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What a source has to tell so far.

    Args:
        warnings: what its user should know, a sentence each.
        notes: what was done to its pictures that one may want to know, a sentence each.
        decode_errors: packets or pictures that could not be decoded.
        left_over: frames that were left out because no other file has one of the same instant.
        deinterlaced: frames that were deinterlaced.
        offset: seconds by which the second of two files began later, given or found; None: there are not two.
        received: counts of a stream that is received over a network; None: it is none.
        camera: what a camera is doing; None: it is none.
    """

    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    decode_errors: int = 0
    left_over: int = 0
    deinterlaced: int = 0
    offset: float | None = None
    received: ReceiverStatistics | None = None
    camera: CameraStatus | None = None


@dataclass(frozen=True, slots=True)
class SinkReport:
    """What a sink has to tell so far.

    Args:
        warnings: what could not be kept, and what else its user should know, a sentence each.
        ready: frames reach somebody; False while it takes them and still tries to.
    """

    warnings: tuple[str, ...] = ()
    ready: bool = True
