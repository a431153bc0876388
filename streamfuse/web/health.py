"""Whether a run is well, for whoever watches over it: a supervisor, a load balancer, an alarm."""

from __future__ import annotations

from dataclasses import dataclass

from streamfuse.runtime.live.status import LiveStatus

_REASONS = {
    "starting": "No fused frame has come yet.",
    "reconnecting": "The source gives no frames and is being opened again.",
    "stopping": "The run is ending.",
    "stopped": "The run has ended.",
}


@dataclass(frozen=True, slots=True)
class Health:
    """Whether it is well, and why not in one sentence that names no source."""

    ok: bool
    reason: str


def liveness(status: LiveStatus) -> Health:
    """Well while fused frames flow."""
    if status.state != "running":
        return Health(False, _REASONS[status.state])
    if not status.rate_out > 0:
        return Health(False, "No fused frame has come for a few seconds.")
    return Health(True, "Fused frames flow.")


def readiness(status: LiveStatus) -> Health:
    """Ready once a fused frame has come, until the run ends; a source that is opened again stays ready."""
    if status.state in {"stopping", "stopped"}:
        return Health(False, _REASONS[status.state])
    if status.frames_out == 0:
        return Health(False, _REASONS["starting"])
    return Health(True, "Pictures can be shown.")
