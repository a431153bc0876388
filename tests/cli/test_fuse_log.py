"""`--transfer`: footage of cameras that code logarithmically, HLG and PQ, merged into the light of its scene."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from fused_frames import fused, source_info, write
from runs import SAMPLE, fuse, streamfuse

from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.encode.video_sink import VideoFileSink
from streamfuse.imaging import hdr_transfer as hdr
from streamfuse.imaging.camera_logs import CURVES

FAST = ("--preset", "fast")
CLIP = 6.0  # scene light at which the sensor clips, of the brightest channel
GAP = 3.0


def scene():
    """Light (H, W, 3) in the camera's primaries: a ramp of grey over patches of colour, up to what it clips at."""
    ramp = np.exp2(np.linspace(-7, np.log2(0.9 * CLIP), 320))
    light = np.repeat(np.tile(ramp, (120, 1))[..., None], 3, axis=2)
    light[60:90] *= (1.0, 0.6, 0.4)
    light[90:] *= (0.5, 0.8, 1.0)
    light[:20, :80] = 4 * CLIP  # a lamp
    return light


def coded(light, name, ev, full_range):
    """Planes of 10 bit as a camera writes them."""
    curve = CURVES[name]
    signals = np.linspace(0, 1, 65536)
    seen = np.minimum(light * 2.0**ev, CLIP)
    signal = np.interp(seen, curve.decode(signals), signals)
    if not curve.by_range and not full_range:
        signal = (1023 * signal - 64) / 876  # whose code value is that of the formula after all
    rgb = np.round(65535 * np.clip(signal, 0, 1)).astype(np.uint16)
    return rgb_to_planes(rgb, bits=10, subsampling=(0, 0), color=ColorInfo(9, 9, 1, full_range))


def clip(path, name, full_range=False, transfer=1):
    info = source_info(320, 120, bits=10, subsampling=(0, 0), color=ColorInfo(9, 9, transfer, full_range))
    taken = [coded(scene(), name, ev, full_range) for ev in (-GAP, 0.0)]
    write(VideoFileSink(path, info, codec="ffv1"), [fused(info, taken[n % 2], n) for n in range(8)])


@pytest.mark.parametrize(
    ("name", "full_range"),
    [(name, False) for name in CURVES] + [("slog3", True), ("logc3", True)],
)
def test_the_light_of_the_scene_comes_back(tmp_path, name, full_range):
    tag = {"hlg": 18, "pq": 16}.get(name, 1)
    clip(tmp_path / "a.mkv", name, full_range, tag)
    asked = ("--transfer", name) if tag == 1 else ()  # HLG and PQ are known by their tag
    fuse(tmp_path / "a.mkv", "-o", tmp_path / "%03d.hdr", "--white", "0", *asked, *FAST)
    found = cv2.imread(str(tmp_path / "004.hdr"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    primaries = CURVES[name].primaries or hdr.BT2020
    # White is what the darkest exposure clips at.
    clips_at = min(CLIP, float(CURVES[name].decode(np.array(1.0))))
    # The darkest exposure took 2^GAP less of the scene.
    wanted = scene() / (clips_at * 2**GAP) @ hdr.between_primaries(primaries, hdr.BT709).T
    part = (slice(26, 112, 4), slice(60, 300, 4))
    large = wanted[part] > 0.5 * wanted[part].max(axis=2, keepdims=True)
    error = np.abs(found[part][large] / wanted[part][large] - 1)
    assert np.median(error) < 0.02
    assert np.percentile(error, 90) < 0.06


def test_a_log_is_not_for_ordinary_screens(tmp_path):
    result = streamfuse("fuse", SAMPLE, "-o", tmp_path / "a.mp4", "--transfer", "slog3")
    assert result.exit_code == 2 and "--transfer slog3 is for high dynamic range" in result.stderr


def test_a_clip_in_pq_is_merged_again(tmp_path):
    clip(tmp_path / "a.mkv", "pq", transfer=16)
    summary = fuse(tmp_path / "a.mkv", "-o", tmp_path / "b.mp4", "--hdr", "hlg", *FAST)
    assert summary.frames_out == 8
