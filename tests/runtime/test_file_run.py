"""What a run asks of its decoder and its encoder."""

import cv2
import numpy as np
import pytest

from streamfuse.capture.video_source import VideoFileSource
from streamfuse.config import Config
from streamfuse.core.frame import FusedFrame
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation
from streamfuse.runtime import file_run
from streamfuse.runtime.sinks import open_sink
from streamfuse.synthetic.sample_source import SampleSource


@pytest.fixture
def clip(tmp_path):
    source = SampleSource(96, 64, 4)
    path = tmp_path / "clip.mkv"
    with open_sink(path, source.info, speed="ultrafast") as sink:
        for f in source:
            sink.write(FusedFrame(f.planes, f.bits, f.subsampling, f.color, f.pts, f.time_base, f.index))
    return path


@pytest.mark.parametrize("threads", [1, 3])
def test_decoder_and_encoder_take_as_many_threads_as_the_run(tmp_path, clip, monkeypatch, threads):
    taken = []
    open_source, open_sink = file_run.open_source, file_run.open_sink

    def source(*arguments, **options):
        opened = open_source(*arguments, **options)
        assert isinstance(opened, VideoFileSource)
        taken.append(opened._stream.codec_context.thread_count)
        return opened

    def sink(*arguments, **options):
        opened = open_sink(*arguments, **options)
        taken.append(opened._stream.codec_context.thread_count)
        return opened

    monkeypatch.setattr(file_run, "open_source", source)
    monkeypatch.setattr(file_run, "open_sink", sink)
    config = Config().with_overrides(preset="fast", threads=threads)
    assert file_run.FileFusion([str(clip)], str(tmp_path / "out.mkv"), config).run().frames_out == 4
    assert taken == [threads, threads]


@pytest.mark.parametrize(("preset", "factor"), [("fast", b"crf=20.0"), ("balanced", b"crf=18.0")])
def test_a_fast_run_has_a_fast_encoder(tmp_path, clip, preset, factor):
    output = tmp_path / "out.mkv"
    file_run.FileFusion([str(clip)], str(output), Config().with_overrides(preset=preset)).run()
    assert factor in output.read_bytes()  # x264 writes down how it was set


@pytest.mark.slow
def test_bands_that_were_taken_out_are_told_and_can_be_left(tmp_path):
    still = cv2.GaussianBlur(np.random.default_rng(5).random((96, 128, 3)).astype(np.float32) ** 3, (0, 0), 4)
    light = 0.01 + ((still - still.min()) / np.ptp(still)) ** 3
    film = [np.roll(light, 2 * t, axis=1) for t in range(12)]
    clip = SimulatedClip(film, Simulation((0.0, 2.0), 0, degrade="bands"))
    path = tmp_path / "bands.mkv"
    with open_sink(path, clip.info, crf=4) as sink:
        for f in clip:
            sink.write(FusedFrame(f.planes, f.bits, f.subsampling, f.color, f.pts, f.time_base, f.index))

    def notes(**options):
        config = Config().with_overrides(preset="fast", **options)
        run = file_run.FileFusion([str(path)], str(tmp_path / f"{len(options)}.mkv"), config).run()
        return [note for note in run.notes if "mains" in note]

    assert notes() == ["Bands of lamps on the mains were taken out of 6 frames (--bands off leaves them)."]
    assert notes(bands=False) == []
