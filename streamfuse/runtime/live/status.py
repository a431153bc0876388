"""What a live run tells of itself, and what can be asked of it: the contract between the run and its page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from streamfuse.core.frame import Rgb

View = Literal["fused", "under", "over", "weights"]


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """One output of the run.

    Args:
        name: what to call it; never holds a credential.
        state: `running`, `waiting` (to be opened again), `failed` (given up) or `closed`.
        frames: frames that it took.
        dropped: frames that it was too slow for.
        restarts: how often it was opened again.
        error: the last failure, in one sentence.
    """

    name: str
    state: Literal["running", "waiting", "failed", "closed"]
    frames: int
    dropped: int
    restarts: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """A live run at this moment.

    Args:
        source: what to call the camera; never holds a credential.
        state: `starting` (no fused frame yet), `running`, `reconnecting`, `stopping` or `stopped`.
        uptime: seconds since the run began.
        width, height: of the fused picture; 0 before it is known.
        rate_in, rate_out: frames per second over the last few seconds, as captured and as fused.
        preset, device, fuser: what fuses.
        cycle, order, gap_ev: what was found of the exposures; 0 and () before it is known.
        frames_in, frames_out: frames captured and fused since the beginning.
        dropped: frames that were dropped because fusion or the machine could not keep up.
        discarded: frames that were never used: before the order of exposures was known or fusion was ready, in
            transition between two exposures, and without a partner when the camera was lost.
        repaired: brackets that were paired around a lost or doubled frame.
        reconnects: how often the source was opened again.
        age_ms: p50, p95 and p99 of the last minute, from capture to the fused frame, in milliseconds.
        delay_frames: input frames after an instant that its fused frame needs.
        bracket_rate: complete brackets per second.
        exposures: what the camera was last told, darkest first: time in microseconds and gain each; () if the
            camera is not controlled.
        recording: the file that is being recorded, or None.
        outputs: every output.
        error: why the source is not delivering, or the run has failed, in one sentence.
        coarse: motion and weights are found at a coarser scale than the preset stands for, to hold the rate.
        thinned: one frame of each bracket is fused only, to hold the rate: below `coarse`.
        lost: frames that never came through: damaged on the way, made of damaged ones, or lost by the camera, as far as
            it tells; they are not in `frames_in`.
    """

    source: str
    state: Literal["starting", "running", "reconnecting", "stopping", "stopped"]
    uptime: float
    width: int
    height: int
    rate_in: float
    rate_out: float
    preset: str
    device: str
    fuser: str
    cycle: int
    order: tuple[str, ...]
    gap_ev: float
    frames_in: int
    frames_out: int
    dropped: int
    discarded: int
    repaired: int
    reconnects: int
    age_ms: tuple[float, float, float]
    delay_frames: int
    bracket_rate: float
    exposures: tuple[tuple[float, float], ...]
    recording: str | None
    outputs: tuple[OutputStatus, ...]
    error: str | None = None
    coarse: bool = False
    thinned: bool = False
    lost: int = 0

    @property
    def effort(self) -> str:
        """Give the preset, and what is done to hold the rate beside it, for people."""
        less = ["coarser"] * self.coarse + ["one frame of each bracket"] * self.thinned
        return f"{self.preset} ({', '.join(less)})" if less else self.preset

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LiveSummary:
    """What a live run did; `as_dict` is what `--json` prints.

    Args:
        status: the figures at its end.
        seconds: how long it ran.
        interrupted: ended by Ctrl-C, with the outputs finished.
        files: files and addresses that were written.
        warnings: what went wrong and did not end the run, a sentence each.
    """

    status: LiveStatus
    seconds: float
    interrupted: bool
    files: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON: the status with the rest beside it."""
        rest = {key: value for key, value in asdict(self).items() if key != "status"}
        return {**self.status.as_dict(), **rest}


class LiveControl(Protocol):
    """A live run, as its page sees it; every method may be called from any thread and returns soon."""

    def status(self) -> LiveStatus:
        """Give the figures of this moment."""

    def picture(self, view: View, after: int = -1, timeout: float = 0.0) -> tuple[int, Rgb] | None:
        """Give (number, RGB) of the newest picture of a view, its number above `after`; None if none came in time.

        A view that nobody asks for costs nothing: the run makes it only for as long as someone does.
        """

    def start_recording(self) -> str:
        """Begin a new file in the run's recording folder and give its name.

        Raises:
            UsageError: already recording, or the run has no recording folder.
            OutputError: the file cannot be made.
        """

    def stop_recording(self) -> str:
        """Finish the file and give its name.

        Raises:
            UsageError: nothing is being recorded.
        """

    def set_exposures(
        self, mode: Literal["auto", "manual"], bias_ev: float = 0.0, gap_ev: float | None = None
    ) -> None:
        """Tell the bracket controller: `auto` follows the light; `manual` holds, shifted by `bias_ev`.

        Raises:
            UsageError: this source's exposure cannot be controlled, or a value is out of range.
        """
