"""A camera as a source: it waits out failures, opens the camera again, and goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal

from streamfuse.camera.bracketer import Bracketer, PassThrough
from streamfuse.camera.bracketing import Bracketing
from streamfuse.camera.camera_protocol import Camera, EndedError
from streamfuse.camera.camera_settings import CameraOptions
from streamfuse.camera.exposure_control import BracketController
from streamfuse.camera.mains import Mains, MainsWatch
from streamfuse.camera.timeline import CLOCK, Backoff, Timeline
from streamfuse.camera.watched import Watched
from streamfuse.core.frame import Frame
from streamfuse.core.protocols import Source, SourceInfo
from streamfuse.core.reports import CameraStatus, SourceReport
from streamfuse.errors import CameraError, UsageError

_SLICE_SECONDS = 0.2  # how soon `close` is noticed while nothing comes
_RATE_SECONDS = 5.0  # over which the bracket rate is measured
_LOG = logging.getLogger("streamfuse.camera")
_ON_BEAT = (
    " The exposures are set so.",
    " The brighter exposure is set so; the darker one is too short for that in this light and keeps its bands.",
    " The exposures are too short for that in this light; the brighter one is set so when it gets longer.",
)
_STEADY_SECONDS = 10.0  # of frames after which a failure is a new one: the back-off begins again


class CameraSource(Source):
    """Frames of a camera until `close`, with time stamps that increase whatever happens to the camera.

    The camera is opened, and its first frame taken, at construction, so that what is wrong is said before any work is
    done; with `wait` that takes until it is there. When it is lost later it is opened again (see `CameraOptions`), with
    pauses that grow. The loss, each new reason why it cannot be opened, and the return are told to the logger
    `streamfuse.camera`, once.

    Args:
        connect: opens the camera.
        options: how to drive it, to wait and to reconnect.
        clock: what `captured_at` counts in.

    Attributes:
        info: what the frames are like; a camera that comes back may have another size, as its frames tell.
        control: sets the exposures; None: this camera's are not driven.

    Raises:
        CameraError: it cannot be opened, or gives no frame; while iterating: it was lost and `reconnect` is off.
    """

    def __init__(
        self,
        connect: Callable[[], Camera],
        options: CameraOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.control: BracketController | None = None
        self._connect, self._options, self._clock = connect, options, clock
        self._stopped = threading.Event()
        self._using = threading.Lock()  # the camera is closed by nobody while it is read
        self._reconnects = self._discarded_before = self._lost_before = 0
        self._error: str | None = None
        self._state: Literal["running", "reconnecting", "ended"] = "running"
        self._recent: deque[float] = deque()
        self._since = time.monotonic()
        self._backoff = Backoff(*options.backoff)
        self._watch = MainsWatch()
        self._mains: Mains | None = None
        self._first: Frame | None
        self._told: set[str] = set()  # what was told of the camera since it is away
        self._camera, self._driver, self._first = self._open_first()
        head = self._first
        self._mode = self._camera.mode
        self._timeline = Timeline(float(1 / self._mode.rate))
        self.info = _describe(head, self._camera, self._driver.stride)

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames; ends soon after `close`."""
        while not self._stopped.is_set():
            try:
                frame = self._take()
            except EndedError:
                self._state = "ended"
                return
            except CameraError as error:
                self._come_back(error)
                continue
            if frame is not None:
                self._note(frame)
                stamped = self._timeline.stamp(frame)
                self._look_for_mains(stamped)
                yield stamped

    @property
    def status(self) -> CameraStatus:
        """Give the figures of this moment, from any thread."""
        driver, camera, recent = self._driver, self._camera, tuple(self._recent)
        span = recent[-1] - recent[0] if len(recent) > 1 else 0.0
        stale = self._state != "running" or not recent or time.monotonic() - recent[-1] > _RATE_SECONDS
        return CameraStatus(
            state=self._state,
            mode=str(self._mode),
            discarded=self._discarded_before + driver.discarded,
            lost=self._lost_before + camera.lost,
            reconnects=self._reconnects,
            error=self._error or driver.note,
            bracket_rate=0.0 if stale or not span else (len(recent) - 1) / span / 2,
            exposures=tuple((told.time_us or 0.0, told.gain or 1.0) for told in driver.exposures),
            latency=driver.latency,
            mains=None if self._mains is None else str(self._mains),
        )

    def report(self) -> SourceReport:
        """Tell what the camera is doing."""
        return SourceReport(camera=self.status)

    def set_exposures(
        self, mode: Literal["auto", "manual"], bias_ev: float = 0.0, gap_ev: float | None = None
    ) -> None:
        """Choose the exposures of a camera that lets itself be driven.

        Raises:
            UsageError: this camera's exposures are not driven.
        """
        if self.control is None:
            raise UsageError(f"The exposures of {self.info.name} cannot be set from here.")
        self.control.set(mode, bias_ev, gap_ev)

    def close(self) -> None:
        """Give the camera back; from another thread, a running iteration ends soon after."""
        self._stopped.set()
        for camera in (self._camera, self._opening):
            camera.closing = True
        with self._using:
            self._camera.close()

    def _open_first(self) -> tuple[Watched, Bracketer, Frame]:
        """Open the camera, and wait for one that is absent if that is wanted."""
        while True:
            try:
                opened = self._open()
            except CameraError as error:
                if not self._options.wait:
                    raise
                self._tell(f"{error} Waiting for it.")
            else:
                if self._told:
                    self._tell_return(opened[0].name, "here")
                return opened
            time.sleep(self._backoff.next())

    def _open(self) -> tuple[Watched, Bracketer, Frame]:
        """Open the camera and wait for its first frame."""
        camera = self._opening = Watched(self._connect, self._options.open_timeout)
        camera.closing = self._stopped.is_set()
        try:
            driver = self._drive(camera)
            frame = None
            while frame is None and not self._stopped.is_set():
                frame = driver.next(_SLICE_SECONDS)
            if frame is None:
                raise CameraError(f"{camera.name} was closed while it was opened.")
            camera.limit = self._options.timeout
            return camera, driver, frame
        except EndedError as end:
            camera.close()
            raise CameraError(f"{camera.name} ended before its first picture.") from end
        except BaseException:
            camera.close()
            raise

    def _drive(self, camera: Camera) -> Bracketer:
        """Alternate the exposures, if the camera lets itself be told; the controller stays over reconnects."""
        options = self._options
        if camera.limits is None or not options.drive:
            return PassThrough(camera)
        if self.control is None:
            self.control = BracketController(
                camera.limits, options.exposures, camera.exposure, options.gap_ev, options.auto
            )
        return Bracketing(camera, self.control, self._clock)

    def _take(self) -> Frame | None:
        """Give the next frame, if one comes soon."""
        first, self._first = self._first, None
        if first is not None:
            return first
        with self._using:
            return None if self._stopped.is_set() else self._driver.next(_SLICE_SECONDS)

    def _come_back(self, error: CameraError) -> None:
        """Close the camera, then try to open it until it works or the source is closed."""
        with self._using:
            self._camera.close()
        if self._stopped.is_set():
            return
        if not self._options.reconnect:
            raise error
        self._state, self._error = "reconnecting", str(error)
        self._tell(f"{error} It is opened again as soon as that works.")
        if time.monotonic() - self._since > _STEADY_SECONDS:
            self._backoff.reset()
        while not self._stopped.wait(self._backoff.next()):
            try:
                opened = self._open()
            except CameraError as again:
                self._error = str(again)
                self._tell(f"{self._camera.name} is still away: {again}")
                continue
            self._go_on(*opened)
            return

    def _go_on(self, camera: Watched, driver: Bracketer, first: Frame) -> None:
        """Use a camera that was opened again."""
        self._discarded_before += self._driver.discarded
        self._lost_before += self._camera.lost
        self._reconnects += 1
        self._since = time.monotonic()
        self._timeline.restart()
        self._recent.clear()
        with self._using:
            self._camera, self._driver, self._first, self._mode = camera, driver, first, camera.mode
            if self._stopped.is_set():
                camera.close()
        self._state, self._error = "running", None
        self._tell_return(camera.name, "back")

    def _tell(self, sentence: str) -> None:
        """Tell what is wrong, once for as long as the camera is away."""
        if sentence not in self._told:
            self._told.add(sentence)
            _LOG.warning("%s", sentence, extra={"event": "source", "fields": {}})

    def _tell_return(self, name: str, where: str) -> None:
        self._told.clear()
        fields = {"reconnects": self._reconnects}
        _LOG.warning("%s is %s.", name, where, extra={"event": "source", "fields": fields})

    def _look_for_mains(self, frame: Frame) -> None:
        """Recognise the flicker of lamps, tell it once, and keep clear of it where the exposures are set here."""
        found = self._watch.see(frame, float((frame.pts or 0) * frame.time_base))
        if found is None or (self._mains is not None and self._mains.hz == found.hz):
            return
        self._mains = found
        sentence = f"{self._camera.name}: {found}."
        if self.control is not None and len(found.hz) == 1:
            beat = found.periods_us[0]
            self.control.keep_to_beat(beat)
            under, over = (exposure.time_us or 0.0 for exposure in self.control.exposures)
            short = sum(time_us < 0.99 * beat for time_us in (under, over))
            sentence += _ON_BEAT[short]
        _LOG.warning("%s", sentence, extra={"event": "mains", "fields": {"hz": found.hz}})

    def _note(self, frame: Frame) -> None:
        """Keep when the last frames were taken, for the bracket rate."""
        self._recent.append(frame.captured_at or time.monotonic())
        while self._recent[-1] - self._recent[0] > _RATE_SECONDS:
            self._recent.popleft()


def _describe(frame: Frame, camera: Camera, stride: float) -> SourceInfo:
    return SourceInfo(
        name=camera.name,
        width=frame.width,
        height=frame.height,
        bits=frame.bits,
        subsampling=frame.subsampling,
        color=frame.color,
        time_base=CLOCK,
        rate=(camera.mode.rate / Fraction(stride)).limit_denominator(1001),
        has_chroma=len(frame.planes) == 3,
        live=True,
    )
