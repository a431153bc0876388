"""What a run in high dynamic range takes of its settings."""

from dataclasses import replace

import pytest
from fused_frames import source_info

import streamfuse
from streamfuse.config import Config
from streamfuse.core.color_info import ColorInfo
from streamfuse.errors import UsageError
from streamfuse.runtime import hdr_output
from streamfuse.runtime.chain import build_chain
from streamfuse.runtime.live.lanes import Lanes
from streamfuse.runtime.relay import publish

PQ = Config().with_overrides(hdr="pq")


def test_pictures_of_linear_light_need_no_option():
    assert hdr_output.settled(Config(), "frames/%05d.exr").output.hdr == "linear"
    assert hdr_output.settled(Config(), "film.mp4").output.hdr == "off"
    assert hdr_output.settled(PQ, "null:").output.hdr == "pq"


@pytest.mark.parametrize(
    "run", [lambda: Lanes(PQ), lambda: publish(["sample:"], ["pub+bind:tcp://127.0.0.1:5997"], PQ)]
)
def test_settings_that_ask_live_runs_for_pq_are_refused(run):
    with pytest.raises(UsageError, match="no HDR but HLG"):
        run()


def test_linear_light_does_not_go_into_video():
    linear = Config().with_overrides(hdr="linear")
    for refused in (
        lambda: hdr_output.settled(linear, "a.mp4"),
        lambda: hdr_output.output_of("a.mp4", source_info(), linear.output),
    ):
        with pytest.raises(UsageError, match="cannot hold linear light"):
            refused()


def test_log_goes_into_pictures_of_16_bit_alone():
    log = Config().with_overrides(hdr="log")
    for output in ("log_%05d.png", "log_%05d.TIF", "one.tiff", "null:"):
        assert hdr_output.settled(log, output).output.hdr == "log"
    for output in ("a.mp4", "a_%05d.jpg", "folder", "zmq+pub://127.0.0.1:5996"):
        with pytest.raises(UsageError, match="cannot hold ACEScct"):
            hdr_output.settled(log, output)
    with pytest.raises(UsageError, match="leave --hdr log out"):
        hdr_output.settled(log, "a_%05d.exr")
    with pytest.raises(UsageError, match="stored in 16 bit"):
        hdr_output.target(log.with_overrides(bits=8))


def test_frames_are_not_coded_as_log():
    for given in (
        lambda: streamfuse.fuse_video("sample:", hdr="log"),
        lambda: streamfuse.fuse_frames([], hdr="log"),
    ):
        with pytest.raises(UsageError, match='hdr="linear"'):
            given()


def test_the_chain_merges_instead_of_fusing():
    chain = build_chain(PQ)
    assert [stage.name for stage in chain.line.stages] == ["label", "pair", "align", "merge"]
    assert (chain.fuser.name, chain.fuser.device, chain.smooth) == ("radiance", "cpu", False)


@pytest.mark.parametrize(
    ("output", "size", "subsampling", "codec", "pix_fmt"),
    [
        ("a.mp4", (64, 48), (1, 1), "hevc", None),
        ("a.webm", (64, 48), (1, 1), "av1", None),
        ("a.mp4", (64, 48), (0, 0), "hevc", "yuv420p10le"),
        ("a.mp4", (63, 48), (0, 0), "hevc", None),
    ],
)
def test_what_the_sink_is_told(output, size, subsampling, codec, pix_fmt):
    info = source_info(*size, subsampling=subsampling)
    told, settings, mastering = hdr_output.output_of(output, info, PQ.output)
    assert (told.bits, told.color) == (10, ColorInfo(9, 9, 16))
    assert (settings.codec, settings.pix_fmt) == (codec, pix_fmt)
    assert (mastering.primaries, mastering.peak, mastering.average) == (12, 1000, 1000)
    wide = replace(info, color=ColorInfo(9, 9, 14))
    assert hdr_output.output_of(output, wide, PQ.output)[2].primaries == 9


@pytest.mark.parametrize("transfer", [9, 10])
def test_a_logarithm_without_a_name_is_refused(transfer):
    info = source_info(color=ColorInfo(9, 9, transfer))
    hdr_output.check_source(info, Config())
    with pytest.raises(UsageError, match="name it, as in --transfer"):
        hdr_output.check_source(info, PQ)
