"""HLG in 10 bit from what runs now: live outputs and ZeroMQ."""

from __future__ import annotations

import io
import threading

import av
import numpy as np
import pytest
from fused_frames import clip, source_info
from runs import SAMPLE, streamfuse

import streamfuse as api
from streamfuse.config import Config
from streamfuse.core.color_info import ColorInfo
from streamfuse.encode.stream import StreamEncoder
from streamfuse.errors import EncoderError, UsageError
from streamfuse.runtime.live.lanes import Lanes
from streamfuse.runtime.relay import publish

HLG = Config().with_overrides(hdr="hlg", preset="fast")
COLOR = ColorInfo(matrix=9, primaries=9, transfer=18)


@pytest.mark.slow
def test_a_live_run_records_hlg(tmp_path):
    out = tmp_path / "a.mp4"
    result = streamfuse(
        "live",
        "sim:size=160x96",
        "--preset",
        "fast",
        "--hdr",
        "hlg",
        "--sink",
        out,
        "--duration",
        "3",
        "--json",
    )
    assert result.exit_code == 0, result.stderr
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("hevc", "yuv420p10le")
        assert (context.color_primaries, context.color_trc, context.colorspace) == (9, 18, 9)
        assert next(container.decode(video=0)).width == 160


def test_streams_are_hevc_of_ten_bits():
    info = source_info(128, 96, bits=10, color=COLOR)
    memory = io.BytesIO()
    with av.open(memory, "w", format="mpegts") as container:
        encoder = StreamEncoder(container, info)
        for frame in clip(info, 6):
            container.mux(list(encoder.encode(frame)))
        container.mux(list(encoder.flush()))
    memory.seek(0)
    with av.open(memory) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert (context.name, frame.format.name, context.color_trc) == ("hevc", "yuv420p10le", 18)
    with (
        av.open(io.BytesIO(), "w", format="flv") as container,
        pytest.raises(EncoderError, match="h264 is not"),
    ):
        StreamEncoder(container, info, codec="h264")


def test_all_lanes_have_one_white():
    lanes = Lanes(Config().with_overrides(hdr="hlg"))
    assert lanes.current.fuser.name == "radiance"
    assert len({id(lane.fuser) for lane in lanes._lanes.values()}) == 1


def test_published_frames_are_hlg(tmp_path):
    frames = []
    relay = publish(
        [SAMPLE], [f"push+bind:ipc://{tmp_path}/s"], HLG
    )  # which loses none where the machine is busy
    address = f"pull:ipc://{tmp_path}/s"

    def listen():
        for frame in api.subscribe(address):
            frames.append(frame)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    relay.run()
    listener.join(20)
    assert len(frames) == 8
    assert {(frame.bits, frame.color) for frame in frames} == {(10, COLOR)}
    assert all(np.ptp(frame.planes[0]) > 200 for frame in frames)


@pytest.mark.parametrize("encoding", ["jpeg", "h264"])
def test_eight_bits_are_no_place_for_it(tmp_path, encoding):
    with pytest.raises(EncoderError, match="raw frames of 10 bit"):
        publish([SAMPLE], [f"pub+bind:ipc://{tmp_path}/s?encoding={encoding}"], HLG)


def test_what_does_not_go_with_it_is_refused(tmp_path):
    with pytest.raises(UsageError, match="transfer"):
        Lanes(HLG.with_overrides(transfer="slog3"))
    with pytest.raises(UsageError, match="--maps"):
        publish([SAMPLE], [f"pub+bind:ipc://{tmp_path}/s"], HLG, maps=["weights"])
    result = streamfuse("live", "sim:", "--hdr", "pq")
    assert result.exit_code == 2
