"""A live run: a camera, fusion that keeps up with it, outputs that do not harm each other, figures at any time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from streamfuse.config import Config
from streamfuse.core.frame import Bracket, FusedFrame, Rgb
from streamfuse.core.jit import when_compiling
from streamfuse.core.protocols import DrivenSource, Source
from streamfuse.errors import DeviceError, UsageError, WeightsError
from streamfuse.look.stage import LookStage
from streamfuse.runtime.bracket_queue import BracketQueue, brackets_that_wait
from streamfuse.runtime.hdr_output import sent
from streamfuse.runtime.live.events import Events
from streamfuse.runtime.live.figures import AgeWindow, RateMeter
from streamfuse.runtime.live.ingest import Ingest
from streamfuse.runtime.live.lanes import Lanes
from streamfuse.runtime.live.live_config import LiveConfig, stride
from streamfuse.runtime.live.output_set import OutputSet
from streamfuse.runtime.live.session import Session
from streamfuse.runtime.live.shifter import Shifter
from streamfuse.runtime.live.status import LiveStatus, LiveSummary, View
from streamfuse.runtime.live.view_board import ViewBoard
from streamfuse.runtime.progress import COMPILING

_TICK_SECONDS = 0.1
_REPORT_SECONDS = 0.25
_SOURCE_SECONDS = 5.0  # to end after it was closed
_FUSION_SECONDS = 15.0  # to finish what is on its way
_MAX_FAILURES = 5  # of the stages in a row, without a frame between them
_MAX_WARNINGS = 1000

Progress = Callable[[LiveStatus], None]


class LiveRun:
    """One run of `streamfuse live`; it is its own `LiveControl`.

    Args:
        source: a camera; closed at the end. What it reports of itself is in the status; a
            `DrivenSource` lets its exposures be chosen.
        config: the settings; `config.live.outputs` are opened. The preset is that of `config.live`, and where that
            is None the one of `config.fuse`.
        events: where the run tells what happens.
        lanes: the presets, if they are loaded already, as is best done before a camera is opened.
        listener: called with each fused frame in order, from one thread; must not wait.

    Raises:
        StreamfuseError: an output that can never work, or is in use; the source is closed then.

    Example:
        >>> from streamfuse.camera import open_camera
        >>> numbers: list[int] = []
        >>> config = Config().with_overrides(preset="fast")
        >>> run = LiveRun(open_camera("sim:?size=64x48"), config, listener=lambda frame: numbers.append(frame.index))
        >>> summary = run.run(duration=1)
        >>> summary.status.frames_out == len(numbers)
        True
    """

    def __init__(
        self,
        source: Source,
        config: Config,
        *,
        events: Events | None = None,
        lanes: Lanes | None = None,
        listener: Callable[[FusedFrame], object] | None = None,
    ) -> None:
        self._source = source
        self._config = config
        self._events = events or Events()
        self._listener = listener
        info = source.info
        rate = info.rate / (info.simultaneous if info.simultaneous > 1 else stride(config))
        self._rate = float(rate)
        self._ingest = Ingest(info, config.input, config.live.lookahead)
        unit = self._ingest.unit
        self._queue = BracketQueue(brackets_that_wait(self._rate, unit or config.input.cycle or 2), unit)
        self._board = ViewBoard()
        self._rate_out = RateMeter()
        self._ages = AgeWindow()
        self._early = 0  # brackets that came before that
        self._stopping = False
        self._state: Literal["starting", "running", "stopping", "stopped"] = "starting"
        self._fatal: BaseException | None = None
        self._warnings: deque[str] = deque(maxlen=_MAX_WARNINGS)
        self._began = time.monotonic()
        self._seconds = 0.0
        self._interrupted = False
        self._reconnects = 0
        try:
            look = config.look.look
            self._look = LookStage(look) if look.active else None
            self._outputs = OutputSet(config.live, sent(info, config), rate, self._events)
        except BaseException:
            source.close()
            raise
        try:
            self._lanes = lanes or Lanes(config)
        except BaseException:
            source.close()
            self._outputs.close()
            raise
        self._session: Session | None = None
        self._shifter = Shifter(self._lanes, self._queue, self._rate)
        self._capture = threading.Thread(target=self._read, name="streamfuse camera", daemon=True)
        self._fusion = threading.Thread(target=self._fuse, name="streamfuse fusion", daemon=True)

    # The run

    def run(self, duration: float | None = None, on_progress: Progress | None = None) -> LiveSummary:
        """Run until the camera ends, until `stop`, for `duration` seconds, or until a Ctrl-C; finish the outputs.

        Raises:
            StreamfuseError: the camera was lost for good, or the stages fail whatever is tried.
        """
        self._began = time.monotonic()
        camera = self._source.report().camera
        if camera is not None:
            self._events.tell("source", f"{self._source.info.name}: {camera.mode}.", mode=camera.mode)
        self._capture.start()
        self._fusion.start()
        try:
            self._supervise(duration, on_progress)
        except KeyboardInterrupt:
            self._interrupted = True
            self._events.tell("stop", "Interrupted: finishing the outputs.")
        finally:
            with suppress(KeyboardInterrupt):  # a second one gives up what is in flight
                self._wind_up()
            self._outputs.close()
            self._seconds = time.monotonic() - self._began
            self._state = "stopped"
        if self._fatal is not None:
            raise self._fatal
        return self.summary()

    def stop(self) -> None:
        """End soon and cleanly; from any thread or a signal handler."""
        self._stopping = True

    def close(self) -> None:
        """Let go of everything without having run."""
        self._source.close()
        self._outputs.close()
        self._state = "stopped"

    def reload(self, config: Config) -> None:
        """Take over what can change while a run goes on: outputs and the preset; the rest is told to need a restart.

        Raises:
            StreamfuseError: a new output that cannot work; nothing has changed then.
        """
        opened, closed = self._outputs.exchange(config.live.outputs)
        self._tell_unchanged(config)
        new_preset = (config.live.preset, config.fuse.preset) != (
            self._config.live.preset,
            self._config.fuse.preset,
        )
        live = self._config.live.model_copy(
            update={"preset": config.live.preset, "outputs": config.live.outputs}
        )
        fuse = self._config.fuse.model_copy(update={"preset": config.fuse.preset})
        self._config = self._config.model_copy(update={"live": live, "fuse": fuse})
        if new_preset and self._shifter.ready:
            self._lanes.load(self._config)
            with when_compiling(lambda: self._events.tell_once("compile", COMPILING)):
                self._lanes.prepare(self._source.info)
            self._shifter.start(self._config, self._ingest.unit)
        self._events.tell("reload", f"Reloaded: {opened} outputs opened, {closed} closed.")

    def summary(self) -> LiveSummary:
        """Tell what was done so far."""
        return LiveSummary(
            self.status(),
            round(self._seconds, 2),
            self._interrupted,
            tuple(self._outputs.files),
            (*self._warnings, *self._outputs.warnings),
        )

    # LiveControl

    def status(self) -> LiveStatus:
        """Do what `LiveControl.status` says."""
        found, camera, info = self._ingest.report, self._source.report().camera, self._source.info
        running = self._state in ("starting", "running")
        reconnecting = running and camera is not None and camera.state == "reconnecting"
        lane = self._lanes.running
        return LiveStatus(
            source=info.name,
            state="reconnecting" if reconnecting else self._state,
            uptime=round(self._seconds or time.monotonic() - self._began, 2),
            width=info.width,
            height=info.height,
            rate_in=round(self._ingest.frames_in.rate, 2),
            rate_out=round(self._rate_out.rate, 2),
            preset=lane.preset,
            coarse=lane.rung == "coarse",
            thinned=self._queue.thinned,
            device=lane.fuser.device,
            fuser=lane.fuser.name,
            cycle=found.cycle if found else 0,
            order=found.order if found else (),
            gap_ev=round(found.gap_ev, 2) if found else 0.0,
            frames_in=self._ingest.frames_in.count + (camera.discarded if camera else 0),
            frames_out=self._rate_out.count,
            dropped=self._queue.drops + self._queue.skipped,
            discarded=self._ingest.discarded + self._early + (camera.discarded if camera else 0),
            repaired=self._ingest.repaired,
            reconnects=camera.reconnects if camera else 0,
            age_ms=self._ages.percentiles_ms(),
            delay_frames=self._ingest.delay_frames,
            bracket_rate=round(self._ingest.brackets.rate, 2),
            exposures=camera.exposures if camera else (),
            recording=self._outputs.recording,
            outputs=self._outputs.statuses,
            error=(str(self._fatal) if self._fatal else camera.error if camera else None)
            or self._ingest.error,
            lost=camera.lost if camera else 0,
        )

    def picture(self, view: View, after: int = -1, timeout: float = 0.0) -> tuple[int, Rgb] | None:
        """Do what `LiveControl.picture` says."""
        return self._board.picture(view, after, timeout)

    def start_recording(self) -> str:
        """Do what `LiveControl.start_recording` says."""
        return self._outputs.start_recording()

    def stop_recording(self) -> str:
        """Do what `LiveControl.stop_recording` says."""
        return self._outputs.stop_recording()

    def set_exposures(
        self, mode: Literal["auto", "manual"], bias_ev: float = 0.0, gap_ev: float | None = None
    ) -> None:
        """Do what `LiveControl.set_exposures` says."""
        if not isinstance(self._source, DrivenSource):
            raise UsageError(f"The exposures of {self._source.info.name} cannot be set from here.")
        self._source.set_exposures(mode, bias_ev, gap_ev)

    # In the camera's thread

    def _read(self) -> None:
        try:
            for frame in self._source:
                if self._stopping:
                    break
                self._notice_reconnect()
                for bracket in self._ingest.push(frame):
                    self._offer(bracket)
            if self._stopping:
                self._ingest.reset()  # what it holds may be old: it counts as discarded
            else:
                for bracket in self._ingest.flush():
                    self._offer(bracket)
        except Exception as error:
            if not self._stopping:  # a source that is closed while it reads may well fail in that read
                self._fatal = error
        finally:
            self._queue.end()

    def _offer(self, bracket: Bracket) -> None:
        """Give it to fusion, if that has begun: what came before would only be old by then."""
        if not self._shifter.ready:
            self._early += 1
        else:
            self._queue.put(bracket)

    def _notice_reconnect(self) -> None:
        camera = self._source.report().camera
        if camera is not None and camera.reconnects != self._reconnects:
            self._reconnects = camera.reconnects
            self._ingest.reset()

    # In the fusion thread

    def _fuse(self) -> None:
        failures, done = 0, 0
        try:
            with when_compiling(lambda: self._events.tell_once("compile", COMPILING)):
                self._lanes.prepare(self._source.info)
            self._shifter.start(self._config, self._ingest.unit)
        except Exception as error:
            self._fatal = self._fatal or error
            self._stopping = True
            return
        while not self._queue.ended:
            self._session = session = Session(
                self._lanes,
                self._queue,
                self._config.smooth.enabled and self._config.output.hdr == "off",
                self._ingest.unit is None,
                self._look,
                self._board.show,
                self._publish,
            )
            try:
                session.run()
            except Exception as error:
                if (
                    not threading.main_thread().is_alive()
                ):  # the program ends, and no pool takes work any more
                    self._stopping = True
                    return
                failures = 1 if self._rate_out.count > done else failures + 1
                if failures >= _MAX_FAILURES or isinstance(error, DeviceError | WeightsError | UsageError):
                    self._fatal = self._fatal or error
                    self._stopping = True
                    return
                self._warn("fusion", f"Fusion failed and begins again: {error}")
                time.sleep(min(failures, 5) * _TICK_SECONDS * 5)
                self._lanes.renew()
            done = self._rate_out.count
            self._session = None

    def _publish(self, frame: FusedFrame) -> None:
        if frame.captured_at is not None:
            self._ages.add(time.monotonic() - frame.captured_at)
        self._rate_out.tick()
        if self._state == "starting":
            self._state = "running"
        self._outputs.offer(frame)
        if self._listener is not None:
            self._listener(frame)

    # In the thread of `run`

    def _supervise(self, duration: float | None, on_progress: Progress | None) -> None:
        until = None if duration is None else self._began + duration
        told, reported = False, 0.0
        while self._fusion.is_alive() and not self._stopping:
            time.sleep(_TICK_SECONDS)
            if until is not None and time.monotonic() >= until:
                return
            self._outputs.check()
            told = told or self._tell_exposures()
            if self._config.live.preset == "auto":
                sentence = self._shifter.judge(self._session, self._rate_out.count)
                if sentence is not None:
                    self._warn("preset", sentence)
            if on_progress is not None and time.monotonic() - reported >= _REPORT_SECONDS:
                reported = time.monotonic()
                on_progress(self.status())

    def _tell_exposures(self) -> bool:
        """Give what was found of them, once it is known."""
        found = self._ingest.report
        if found is None:
            return False
        order, device = ", ".join(found.order), self._lanes.current.fuser.device
        text = f"Found {found.cycle} exposures ({order}), {found.gap_ev:.1f} EV apart; fusing on {device}."
        self._events.tell(
            "exposures", text, cycle=found.cycle, order=found.order, gap_ev=round(found.gap_ev, 2)
        )
        return True

    def _wind_up(self) -> None:
        """Let the camera go, and finish what is on its way."""
        self._stopping = True
        self._state = "stopping"
        closer = threading.Thread(target=self._source.close, name="streamfuse camera closer", daemon=True)
        closer.start()
        closer.join(_SOURCE_SECONDS)
        self._capture.join(_SOURCE_SECONDS)
        if closer.is_alive() or self._capture.is_alive():
            self._warn("source", f"{self._source.info.name} did not close in time and was left behind.")
            self._queue.end()
        self._fusion.join(_FUSION_SECONDS)
        if self._fusion.is_alive():
            self._warn("fusion", "Fusion did not finish in time: the last frames are missing.")

    def _warn(self, event: str, sentence: str) -> None:
        self._warnings.append(sentence)
        self._events.tell(event, sentence, level="warning")

    def _tell_unchanged(self, config: Config) -> None:
        old, new = self._config.live, config.live
        fixed = [key for key in LiveConfig.model_fields if key not in ("preset", "outputs")]
        names = [f"live.{key}" for key in fixed if getattr(old, key) != getattr(new, key)]
        sections = ("input", "align", "smooth", "look")
        names += [name for name in sections if getattr(self._config, name) != getattr(config, name)]
        if names:
            self._warn("reload", f"{', '.join(names)} changed and needs a restart: the old value stays.")
