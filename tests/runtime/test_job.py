"""What all runs do alike: everything is closed, also where one part cannot be opened, and a stop is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from streamfuse.config import Config
from streamfuse.core.frame import Frame, FusedFrame
from streamfuse.core.protocols import Drain, Sink, Source, SourceInfo
from streamfuse.core.reports import SinkReport, SourceReport
from streamfuse.errors import OutputError, WeightsError
from streamfuse.runtime import relay
from streamfuse.runtime.job import FusionJob, Job
from streamfuse.runtime.line import Line
from streamfuse.synthetic.sample_source import SampleSource

CONFIG = Config().with_overrides(preset="fast", fuser="mertens", align="off")


class Watched(Source):
    """A source that tells whether it was closed, and has something to say."""

    def __init__(self) -> None:
        self._source = SampleSource(64, 48, frames=6)
        self.info = self._source.info
        self.closed = False

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._source)

    def report(self) -> SourceReport:
        return SourceReport(warnings=("The source says so.",), decode_errors=2)

    def close(self) -> None:
        self.closed = True


class Kept(Sink):
    """A sink that keeps the numbers of frames."""

    def __init__(self) -> None:
        self.outputs = ["kept"]
        self.numbers: list[int] = []
        self.closed = False

    def write(self, frame: FusedFrame) -> None:
        self.numbers.append(frame.index)

    def report(self) -> SinkReport:
        return SinkReport(warnings=("The sink says so.",))

    def close(self) -> None:
        self.closed = True


def test_a_fusion_closes_all_and_tells_what_its_parts_say() -> None:
    source, sink = Watched(), Kept()
    job = FusionJob.opened(source, CONFIG, lambda info: [sink])
    assert job.warnings == ("The source says so.", "The sink says so.")
    done = job.run()
    assert (done.frames_in, done.frames_out, sink.numbers) == (6, 6, list(range(6)))
    assert source.closed and sink.closed
    assert not job.interrupted
    assert job.outputs == ("kept",)
    assert job.found is not None and job.found.cycle == 2
    assert job.findings()[:2] == job.warnings
    assert "2 of its packets" in job.findings()[2]


def test_what_is_open_is_closed_where_a_sink_cannot_be_opened() -> None:
    source = Watched()

    def fail(info: SourceInfo) -> list[Sink]:
        raise OutputError(f"No place for {info.name}.")

    with pytest.raises(OutputError):
        FusionJob.opened(source, CONFIG, fail)
    assert source.closed


def test_no_sink_is_opened_where_the_chain_cannot_be_built() -> None:
    source = Watched()
    with pytest.raises(WeightsError):
        FusionJob.opened(
            source,
            CONFIG.with_overrides(fuser="no-such-file.safetensors"),
            lambda info: pytest.fail("opened"),
        )
    assert source.closed


def test_a_stop_counts_as_an_interrupt() -> None:
    job = FusionJob.opened(Watched(), CONFIG, lambda info: [Kept()])
    job.stop()
    job.run()
    assert job.interrupted


class Ahead(Watched):
    """A source that is never further ahead of what labels its frames than the queue between them has room for."""

    def __init__(self) -> None:
        super().__init__()
        self._source = SampleSource(64, 48, frames=60)
        self.job: FusionJob | None = None
        self.given = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        assert self.job is not None
        for frame in self._source:
            end = time.monotonic() + 5
            while frame.index > self.job.statistics.stages[1].items_in + 8 and time.monotonic() < end:
                time.sleep(0.001)
            yield frame
        self.given.set()


class Waiting(Kept):
    """A sink that takes nothing before a source has given all."""

    def __init__(self, source: Ahead) -> None:
        super().__init__()
        self._source = source

    def write(self, frame: FusedFrame) -> None:
        assert self._source.given.wait(20)
        super().write(frame)


def test_what_comes_too_fast_is_left_out_as_whole_brackets_before_it_is_fused() -> None:
    source = Ahead()
    sink = Waiting(source)
    source.job = FusionJob.opened(source, CONFIG, lambda info: [sink], policy="drop-oldest")
    done = source.job.run()
    assert 0 < done.drops == 60 - len(sink.numbers)
    assert all((after - before) % 2 == 1 for before, after in pairwise(sink.numbers))
    assert sink.numbers[-1] == 59


class Numbers(Drain[Frame]):
    """Takes frames that were not fused."""

    def __init__(self) -> None:
        self.outputs: list[str] = []
        self.numbers: list[int] = []

    def write(self, frame: Frame, /) -> None:
        self.numbers.append(frame.index)

    def close(self) -> None:
        return


def test_an_empty_line_passes_everything_on_as_it_is() -> None:
    drain = Numbers()
    nothing: Line[Frame, Frame] = Line.empty()
    Job(SampleSource(64, 48, frames=3), nothing, [drain]).run()
    assert drain.numbers == [0, 1, 2]


def test_a_line_takes_only_what_fits() -> None:
    """Checked by mypy: a comment that ignores nothing would be an error there."""
    frames: Line[Frame, Frame] = Line.empty()
    Job[Frame, Frame](SampleSource(64, 48, frames=1), frames, [Kept()])  # type: ignore[list-item]
    frames.followed_by(Line("receive", relay.AsReceived())).then("again", relay.AsReceived())  # type: ignore[arg-type]


def test_the_publishers_that_are_open_are_closed_where_the_next_one_fails(tmp_path: Path) -> None:
    taken = f"pub:ipc://{tmp_path}/one"
    for _ in range(2):  # the second time it fails as the first did, not because the address is still in use
        with pytest.raises(OutputError, match="no-such-folder"):
            relay.capture_publish(["sample:?frames=1"], [taken, f"pub:ipc://{tmp_path}/no-such-folder/two"])
