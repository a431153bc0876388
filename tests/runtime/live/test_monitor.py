"""What people and supervisors are told of a live run."""

import json
import socket
from dataclasses import replace

from streamfuse.cli.live import _last_words
from streamfuse.errors import ConfigError
from streamfuse.runtime.live import monitor
from streamfuse.runtime.live.events import Events, log_to_stderr, stop_logging
from streamfuse.runtime.live.monitor import Monitor, Supervisor, line
from streamfuse.runtime.live.status import LiveStatus, LiveSummary, OutputStatus


def status(**changes):
    figures = LiveStatus(
        source="cam", state="running", uptime=1.0, width=64, height=48, rate_in=30.0, rate_out=29.5, preset="fast",
        device="cpu", fuser="lcndr-xs", cycle=2, order=("under", "over"), gap_ev=3.0, frames_in=100, frames_out=90,
        dropped=2, discarded=8, repaired=0, reconnects=0, age_ms=(150.0, 180.0, 210.0), delay_frames=3,
        bracket_rate=15.0, exposures=(), recording=None, outputs=(OutputStatus("a", "running", 9, 0, 0),),
    )  # fmt: skip
    return replace(figures, **changes)


def test_the_line_says_what_matters():
    assert line(status()) == (
        "cam: running, 30.0 -> 29.5 fps, fast on cpu, "
        "150 ms from capture to fused (99 % below 210), 2 left out, 1 of 1 outputs"
    )
    assert line(status(state="starting", frames_in=7)) == (
        "cam: starting (7 frames so far, looking for the exposures)"
    )
    assert line(status(recording="a.mp4", error="It is gone.")).endswith("recording a.mp4, It is gone.")


def test_the_last_words_of_a_run_that_was_too_short_say_so():
    short = LiveSummary(
        status(frames_out=0, dropped=0, discarded=60, age_ms=(0.0, 0.0, 0.0)), 2.0, False, (), ()
    )
    words = _last_words(short)
    assert "no frame was fused of 100 in 2 s" in words
    assert "let it run longer" in words
    assert "0 ms" not in words
    assert "90 frames from 100 in 2 s" in _last_words(LiveSummary(status(), 2.0, False, (), ()))


def test_a_supervisor_hears_ready_alive_and_stopping(tmp_path, monkeypatch):
    address = tmp_path / "notify"
    clock = [100.0]
    monkeypatch.setattr(monitor.time, "monotonic", lambda: clock[0])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(0.2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        supervisor = Supervisor()

        def heard():
            messages = []
            try:
                while True:
                    messages.append(channel.recv(4096).decode().splitlines()[0])
            except TimeoutError:
                return messages

        supervisor.watch(status(frames_out=1))
        assert heard() == ["READY=1", "WATCHDOG=1"]
        clock[0] += 2
        supervisor.watch(status(frames_out=1))  # no new frame, and no reason for it: let the watchdog bite
        assert heard() == []
        supervisor.watch(status(frames_out=1, state="reconnecting"))
        assert heard() == ["WATCHDOG=1"]
        clock[0] += 2
        supervisor.watch(status(frames_out=2))
        supervisor.tell("STOPPING=1")
        assert heard() == ["WATCHDOG=1", "STOPPING=1"]


def test_without_a_supervisor_nothing_happens(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Supervisor().watch(status())
    monkeypatch.setenv("NOTIFY_SOCKET", "/no/such/socket")
    Supervisor().watch(status())


def test_what_is_asked_for_is_done_at_the_next_report_and_its_failure_told(capsys):
    handler = log_to_stderr()
    try:
        with Monitor() as shown:
            done = []
            shown.ask(lambda: done.append(1))
            assert done == []
            shown.update(status())
            shown.update(status())
            assert done == [1]

            def fail():
                raise ConfigError("live.yaml is wrong.")

            shown.ask(fail)
            shown.update(status())
    finally:
        stop_logging(handler)
    assert capsys.readouterr().err == "Not reloaded: live.yaml is wrong.\n"


def test_events_are_json_lines_without_credentials(capsys):
    handler = log_to_stderr(as_json=True)
    try:
        Events().tell("output", "rtsp://me:secret@host/x is lost", level="warning", output="x", frames=3)
    finally:
        stop_logging(handler)
    event = json.loads(capsys.readouterr().err)
    assert event.pop("time").startswith("20")
    assert event == {
        "level": "warning", "event": "output", "text": "rtsp://***@host/x is lost", "output": "x", "frames": 3,
    }  # fmt: skip


def test_once_a_minute_the_status_is_an_event(capsys, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(monitor.time, "monotonic", lambda: clock[0])
    handler = log_to_stderr(as_json=True)
    try:
        with Monitor(quiet=True) as shown:
            for _ in range(130):
                shown.update(status())
                clock[0] += 1
    finally:
        stop_logging(handler)
    events = [json.loads(text) for text in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events] == ["status", "status"]
    assert events[0]["age_ms"] == [150.0, 180.0, 210.0]
