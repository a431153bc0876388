"""What a run asks of its decoder and its encoder."""

import pytest

from streamfuse.capture.video_source import VideoFileSource
from streamfuse.config import Config
from streamfuse.core.frame import FusedFrame
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
