"""The figures of a run as Prometheus reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import get_args, get_type_hints

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from streamfuse.runtime.live.status import LiveControl, LiveStatus, OutputStatus

_COUNTERS = (
    ("frames_captured", "Frames captured.", "frames_in"),
    ("frames_fused", "Frames fused.", "frames_out"),
    ("frames_dropped", "Frames dropped because fusion could not keep up.", "dropped"),
    (
        "frames_discarded",
        "Frames never used: while starting, or while the exposure was changing.",
        "discarded",
    ),
    ("brackets_repaired", "Brackets paired around a lost or doubled frame.", "repaired"),
    ("frames_lost", "Frames damaged on the way or lost by the camera.", "lost"),
    ("reconnects", "Times that the source was opened again.", "reconnects"),
)
_GAUGES = (
    ("uptime_seconds", "Seconds since the run began.", "uptime"),
    ("input_frames_per_second", "Frames captured per second.", "rate_in"),
    ("output_frames_per_second", "Frames fused per second.", "rate_out"),
    ("brackets_per_second", "Complete brackets per second.", "bracket_rate"),
    ("delay_frames", "Input frames after an instant that its fused frame needs.", "delay_frames"),
    ("exposure_gap_ev", "How far neighbouring exposures are apart, EV.", "gap_ev"),
    ("coarse", "Whether motion and weights are found at a coarser scale, to hold the rate.", "coarse"),
    ("thinned", "Whether one frame of each bracket is fused only, to hold the rate.", "thinned"),
    ("picture_width_pixels", "Width of the fused picture.", "width"),
    ("picture_height_pixels", "Height of the fused picture.", "height"),
)
_OUTPUT_COUNTERS = (
    ("output_frames", "Frames that the output took.", "frames"),
    ("output_frames_dropped", "Frames that the output was too slow for.", "dropped"),
    ("output_restarts", "Times that the output was opened again.", "restarts"),
)
_QUANTILES = ("0.5", "0.95", "0.99")
_STATES: tuple[str, ...] = get_args(get_type_hints(LiveStatus)["state"])
_OUTPUT_STATES: tuple[str, ...] = get_args(get_type_hints(OutputStatus)["state"])


class RunCollector(Collector):
    """Reads a run each time that it is asked.

    Args:
        control: the run.
        clients: how many watch a stream of pictures.
        encoded: how many JPEGs were made for them.
    """

    def __init__(self, control: LiveControl, clients: Callable[[], int], encoded: Callable[[], int]) -> None:
        self._control = control
        self._clients = clients
        self._encoded = encoded

    def describe(self) -> Sequence[Metric]:
        """Nothing: the run need not be asked before it has begun."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give every figure."""
        status = self._control.status()
        yield InfoMetricFamily(
            "streamfuse_run",
            "What is fused, and what fuses.",
            {name: str(getattr(status, name)) for name in ("source", "preset", "device", "fuser")},
        )
        yield _states("state", "State of the run.", _STATES, {"": status.state})
        for name, text, field in _COUNTERS:
            yield CounterMetricFamily(f"streamfuse_{name}", text, getattr(status, field))
        for name, text, field in _GAUGES:
            yield GaugeMetricFamily(f"streamfuse_{name}", text, getattr(status, field))
        yield from self._ages(status)
        yield GaugeMetricFamily(
            "streamfuse_recording", "Whether a file is recorded.", status.recording is not None
        )
        yield from _exposures(status)
        yield from _outputs(status)
        yield GaugeMetricFamily("streamfuse_web_stream_clients", "Clients of /stream.mjpg.", self._clients())
        yield CounterMetricFamily(
            "streamfuse_web_pictures_encoded", "JPEGs made for the page.", self._encoded()
        )

    def _ages(self, status: LiveStatus) -> Iterator[Metric]:
        name = "streamfuse_frame_age_seconds"
        ages = SummaryMetricFamily(name, "From capture to the fused frame, over the last minute.")
        for quantile, age in zip(_QUANTILES, status.age_ms, strict=True):
            if math.isfinite(age):
                ages.add_sample(name, {"quantile": quantile}, age / 1000)
        yield ages


def registry(
    control: LiveControl, clients: Callable[[], int] = lambda: 0, encoded: Callable[[], int] = lambda: 0
) -> CollectorRegistry:
    """Make a registry of all figures of a run and its process (memory, files, CPU time), apart from the global one."""
    found = CollectorRegistry(auto_describe=False)
    found.register(RunCollector(control, clients, encoded))
    ProcessCollector(registry=found)
    return found


def _exposures(status: LiveStatus) -> Iterator[Metric]:
    times = GaugeMetricFamily("streamfuse_exposure_seconds", "Set exposure time.", labels=["exposure"])
    gains = GaugeMetricFamily("streamfuse_exposure_gain", "Set gain.", labels=["exposure"])
    for rank, (microseconds, gain) in enumerate(status.exposures):
        times.add_metric([str(rank)], microseconds / 1e6)
        gains.add_metric([str(rank)], gain)
    yield times
    yield gains


def _outputs(status: LiveStatus) -> Iterator[Metric]:
    names = _distinct([output.name for output in status.outputs])
    for name, text, field in _OUTPUT_COUNTERS:
        family = CounterMetricFamily(f"streamfuse_{name}", text, labels=["output"])
        for label, output in zip(names, status.outputs, strict=True):
            family.add_metric([label], getattr(output, field))
        yield family
    states = {label: output.state for label, output in zip(names, status.outputs, strict=True)}
    yield _states("output_state", "State of the output.", _OUTPUT_STATES, states, "output")


def _states(
    name: str, text: str, possible: Sequence[str], found: Mapping[str, str], label: str | None = None
) -> Metric:
    """1 for the state that holds and 0 for the others, so that each can be plotted and alarmed on."""
    labels = ["state"] if label is None else [label, "state"]
    family = GaugeMetricFamily(f"streamfuse_{name}", text, labels=labels)
    for of, current in found.items():
        for state in possible:
            family.add_metric([of, state][-len(labels) :], float(state == current))
    return family


def _distinct(names: Sequence[str]) -> list[str]:
    """Give the names with a number behind a second one of the same: equal labels would make the answer invalid."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return found
