"""`streamfuse fuse` in high dynamic range: what is written, and what is refused."""

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from fused_frames import fused, source_info
from runs import SAMPLE, fuse, streamfuse

import streamfuse as api
from streamfuse.core.color import planes_to_rgb, rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.imaging import hdr_transfer as hdr
from streamfuse.imaging import photometric
from streamfuse.imaging.aces import to_ap1

FAST = ("--preset", "fast")
TRANSFER = {"pq": 16, "hlg": 18}


def decoded(path):
    """R'G'B' in [0, 1] of each picture."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            planes = [
                np.frombuffer(memoryview(p), np.uint16).reshape(p.height, -1)[:, : p.width]
                for p in frame.planes
            ]
            yield planes_to_rgb(tuple(planes), 10, (1, 1), ColorInfo(9, 9)) / 65535


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("kind", ["pq", "hlg"])
def test_video_has_the_tags_of_its_kind(tmp_path, kind, suffix):
    out = tmp_path / f"a.{suffix}"
    summary = fuse(SAMPLE, "-o", out, "--hdr", kind, *FAST)
    assert (summary.frames_out, summary.fuser, summary.warnings) == (8, "radiance", [])
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("hevc", "Main 10", "yuv420p10le")
        assert (context.color_primaries, context.color_trc, context.colorspace) == (9, TRANSFER[kind], 9)
        assert context.color_range == 1
        side = {data.type.name: bytes(data) for data in next(container.decode(video=0)).side_data}  # type: ignore[arg-type, attr-defined]
    if kind == "hlg":
        assert "CONTENT_LIGHT_LEVEL" not in side
        return
    assert np.frombuffer(side["CONTENT_LIGHT_LEVEL"], "<u4").tolist() == [1000, 1000]
    fractions = np.frombuffer(side["MASTERING_DISPLAY_METADATA"], "<i4")[:20].reshape(10, 2)
    values = fractions[:, 0] / fractions[:, 1]
    p3_and_white = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
    np.testing.assert_allclose(values[:8], p3_and_white, atol=2e-5)
    np.testing.assert_allclose(values[8:], (1e-4, 1000.0))


def test_the_tags_are_in_the_container_too(tmp_path):
    out = tmp_path / "a.mp4"
    fuse(SAMPLE, "-o", out, "--hdr", "pq", *FAST)
    data = out.read_bytes()
    at = data.rindex(b"colrnclx")  # primaries, transfer, matrix, range: ISO/IEC 14496-12
    assert data[at + 8 : at + 15] == bytes((0, 9, 0, 16, 0, 9, 0))


def test_mediainfo_reads_the_same_in_the_container_and_in_the_stream(tmp_path):
    reader = pytest.importorskip("pymediainfo").MediaInfo
    out = tmp_path / "a.mp4"
    fuse(SAMPLE, "-o", out, "--hdr", "pq", *FAST)
    (video,) = (track.to_data() for track in reader.parse(str(out)).tracks if track.track_type == "Video")
    assert (video["color_primaries"], video["transfer_characteristics"]) == ("BT.2020", "PQ")
    assert video["hdr_format_compatibility"] == "HDR10"
    assert video["mastering_display_color_primaries"] == "Display P3"
    assert video["maximum_content_light_level"] == "1000 cd/m2"
    assert video["masteringdisplay_luminance_source"] == video["maxcll_source"] == "Container / Stream"


def test_av1_holds_the_metadata(tmp_path):
    out = tmp_path / "a.webm"
    fuse(SAMPLE, "-o", out, "--hdr", "pq", "--peak-nits", "600", *FAST)
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.pix_fmt, context.color_trc) == (
            "av1",
            "yuv420p10le",
            16,
        )
        side = {data.type.name: bytes(data) for data in next(container.decode(video=0)).side_data}  # type: ignore[arg-type, attr-defined]
    assert np.frombuffer(side["CONTENT_LIGHT_LEVEL"], "<u4").tolist() == [600, 600]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_log_pictures_hold_the_light_of_exr(tmp_path, suffix):
    common = ("--white", "2", *FAST, "--frames", "0:4")
    fuse(SAMPLE, "-o", tmp_path / "%03d.exr", *common)
    fuse(SAMPLE, "-o", tmp_path / f"%03d.{suffix}", "--hdr", "log", *common)
    assert len(list(tmp_path.glob(f"*.{suffix}"))) == 4
    codes = cv2.imread(str(tmp_path / f"003.{suffix}"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    signal = codes / 65535
    ap1 = np.where(
        signal > 0.155251141552511, np.exp2(signal * 17.52 - 9.72), (signal - 0.0729055) / 10.5402377
    )
    with OpenEXR.File(str(tmp_path / "003.exr")) as file:
        pixels = np.asarray(file.channels()["RGB"].pixels, np.float32)
    wanted = pixels @ to_ap1(hdr.BT709).T
    seen = wanted > 0.004
    assert seen.mean() > 0.5
    np.testing.assert_allclose(ap1[seen], wanted[seen], rtol=0.01)


def test_pq_and_hlg_and_exr_hold_one_radiance(tmp_path):
    common = ("--white", "2", *FAST)
    fuse(SAMPLE, "-o", tmp_path / "%03d.exr", *common)
    for kind in ("pq", "hlg"):
        fuse(SAMPLE, "-o", tmp_path / f"{kind}.mp4", "--hdr", kind, "--crf", "4", *common)
    with OpenEXR.File(str(tmp_path / "003.exr")) as file:
        pixels = np.asarray(file.channels()["RGB"].pixels, np.float32)
        header = dict(file.header())
    assert pixels.shape == (90, 160, 3)
    np.testing.assert_allclose(header["chromaticities"][:6], (0.64, 0.33, 0.3, 0.6, 0.15, 0.06), atol=1e-6)
    assert header["whiteLuminance"] == hdr.REFERENCE_WHITE
    assert 2 < pixels.max() <= 4.02  # two EV above white the darkest exposure clips
    to_709 = hdr.between_primaries(hdr.BT2020, hdr.BT709).T
    pq = hdr.pq_decode(list(decoded(tmp_path / "pq.mp4"))[3]) / hdr.REFERENCE_WHITE @ to_709
    hlg = hdr.hlg_decode(list(decoded(tmp_path / "hlg.mp4"))[3]) / hdr.HLG_WHITE @ to_709
    middle = (pixels > 0.05) & (pixels < 1.5)
    for found in (pq, hlg):
        assert abs(np.median(found[middle] / pixels[middle]) - 1) < 0.01


PATCH = 40


def chart():
    """Radiance (H, W, 3) of BT.709's primaries: a grey ramp of six steps, then patches of colour; 1 clips darkest."""
    hues = [(1, 1, 1), (1, 0.1, 0.1), (0.1, 1, 0.1), (0.1, 0.1, 1), (0.8, 0.4, 0.2)]
    levels = 0.7 * 2.0 ** -np.arange(6)
    patches = np.array(hues)[:, None] * levels[None, :, None]
    return np.repeat(np.repeat(patches, PATCH, 0), PATCH, 1)


@pytest.mark.parametrize(("kind", "codec"), [("pq", "hevc"), ("hlg", "hevc"), ("pq", "av1"), ("hlg", "av1")])
def test_a_ramp_and_patches_of_known_radiance_are_decoded_within_two_percent(tmp_path, kind, codec):
    color = ColorInfo(1, 1, 1)
    radiance, codes = chart(), np.linspace(0, 1, 65536)
    info = source_info(radiance.shape[1], radiance.shape[0], bits=10, color=color, rate=25)
    taken = []
    for ev in (0.0, 3.0):
        coded = np.interp(
            np.minimum(radiance * 2**ev, 1), photometric.decoded(codes, photometric.PLAIN), codes
        )
        taken.append(
            rgb_to_planes(np.round(65535 * coded).astype(np.uint16), bits=10, subsampling=(1, 1), color=color)
        )
    with VideoFileSink(tmp_path / "a.mkv", info, codec="ffv1") as sink:
        for n in range(8):
            sink.write(fused(info, taken[n % 2], n))
    white = 2.0
    fuse(
        tmp_path / "a.mkv",
        "-o",
        tmp_path / "b.mkv",
        "--hdr",
        kind,
        "--codec",
        codec,
        "--crf",
        "2",
        "--white",
        white,
        *FAST,
    )
    signal = list(decoded(tmp_path / "b.mkv"))[4]
    light = (
        hdr.pq_decode(signal) / hdr.REFERENCE_WHITE
        if kind == "pq"
        else hdr.hlg_decode(signal) / hdr.HLG_WHITE
    )
    middle = slice(PATCH // 2, None, PATCH)
    # Of the output's own primaries, which every one of BT.709's is a mixture of.
    wanted = 2.0**white * radiance[middle, middle] @ hdr.between_primaries(hdr.BT709, hdr.BT2020).T
    seen = np.median(
        [
            light[middle.start + dy :: PATCH, middle.start + dx :: PATCH]
            for dy in (-6, 0, 6)
            for dx in (-6, 0, 6)
        ],
        0,
    )
    # A channel that is small beside another is a difference of large ones, of whole codes.
    large = wanted > 0.3 * wanted.max(axis=2, keepdims=True)
    np.testing.assert_allclose(seen[large], wanted[large], rtol=0.02)


def test_radiance_pictures_are_read_by_others(tmp_path):
    fuse(SAMPLE, "-o", tmp_path / "%03d.hdr", *FAST)
    picture = cv2.imread(str(tmp_path / "000.hdr"), cv2.IMREAD_UNCHANGED)
    assert picture.dtype == np.float32 and picture.max() > 1.5


def test_from_python():
    frames = list(api.fuse_video(SAMPLE, preset="fast", hdr="pq"))
    assert {(f.bits, f.color.transfer, f.color.primaries, f.radiance is None) for f in frames} == {
        (10, 16, 9, True)
    }
    radiant = next(api.fuse_video(SAMPLE, preset="fast", hdr="linear"))
    assert radiant.radiance.shape == (90, 160, 3) and radiant.radiance.dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "o.mp4", "--hdr", "pq", "--codec", "h264"), "hevc or av1, not h264"),
        (("-o", "o.mov", "--hdr", "hlg", "--codec", "prores"), "hevc or av1, not prores"),
        (("-o", "o.mp4", "--hdr", "pq", "--bits", "8"), "stored in 10 bit"),
        (("-o", "o.mp4", "--hdr", "pq", "--pix-fmt", "yuv420p"), "stored in 10 bit"),
        (("-o", "o.mp4", "--hdr", "hlg", "--peak-nits", "600"), "HLG has no peak"),
        (("-o", "o.mp4", "--peak-nits", "600"), "--peak-nits is for high dynamic range"),
        (("-o", "o.mp4", "--white", "1"), "--white is for high dynamic range"),
        (("-o", "o.mp4", "--hdr", "pq", "--fuser", "mertens"), "--fuser is not done"),
        (("-o", "o.mp4", "--hdr", "pq", "--side-by-side"), "--side-by-side is not done"),
        (("-o", "o.mp4", "--hdr", "pq", "--deflicker", "on"), "--deflicker on is not done"),
        (("-o", "o.mp4", "--hdr", "pq", "--dump-stages", "d"), "--dump-stages"),
        (("-o", "o_%03d.png", "--hdr", "pq"), "cannot tell that it is PQ"),
        (("-o", "zmq+pub://127.0.0.1:5999", "--hdr", "pq"), "cannot tell that it is PQ"),
        (("-o", "o_%03d.exr", "--hdr", "hlg"), "leave --hdr hlg out"),
    ],
)
def test_what_is_not_done_is_refused_in_a_sentence(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    result = streamfuse("fuse", SAMPLE, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not list(tmp_path.iterdir())


def test_segments_need_a_white(tmp_path):
    clip = tmp_path / "a.mkv"
    fuse(SAMPLE, "-o", clip)
    result = streamfuse("batch", clip, "-o", tmp_path / "o", "--hdr", "pq", "--segments", "2")
    assert result.exit_code == 2 and "--white EV" in result.stderr
