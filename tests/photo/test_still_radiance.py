"""`streamfuse still -o scene.exr`: photographs merged into linear light."""

import json

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from PIL import ExifTags, Image, ImageCms
from runs import streamfuse

from streamfuse.core.color import planes_to_rgb
from streamfuse.imaging import hdr_transfer as hdr
from streamfuse.imaging.aces import to_ap1
from streamfuse.imaging.hdr_transfer import BT709
from streamfuse.imaging.photometric import SRGB, decoded
from streamfuse.photo.still_radiance import MOST_EV, PQ, primaries_of


def scene(height=60, width=400):
    """Radiance of which 1 is clipped in the darkest exposure."""
    ramp = np.exp2(np.linspace(-10, -0.2, width))
    return ramp[None, :, None] * np.ones((height, 1, 1)) * np.array([1.0, 0.8, 0.5])


def taken(ev, bits=16):
    """sRGB of the scene at an exposure."""
    codes = np.linspace(0, 1, 65536)
    light = np.clip(scene() * 2.0**ev, 0, 1)
    rgb = np.interp(light, decoded(codes, SRGB), codes)
    return np.round(rgb * (2**bits - 1)).astype(np.uint16 if bits == 16 else np.uint8)


def read(path):
    with OpenEXR.File(str(path)) as file:
        return np.asarray(file.channels()["RGB"].pixels, np.float32)


@pytest.mark.parametrize("suffix", ["exr", "hdr"])
def test_a_bracket_is_the_light_of_its_scene(tmp_path, suffix):
    for n, ev in enumerate((6.0, 0.0, 3.0)):  # in any order
        cv2.imwrite(str(tmp_path / f"{n}.png"), taken(ev)[..., ::-1])
    out = tmp_path / f"scene.{suffix}"
    result = streamfuse("still", *tmp_path.glob("?.png"), "-o", out, "--white", "2", "--json")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["frames_in"], summary["fuser"], summary["outputs"]) == (3, "radiance", [str(out)])
    assert "0.0, 3.0, 6.0 EV (measured)" in summary["notes"][-1]
    found = read(out) if suffix == "exr" else cv2.imread(str(out), cv2.IMREAD_UNCHANGED)[..., ::-1]
    bright = scene() * 4 > 0.02
    np.testing.assert_allclose(found[bright], scene()[bright] * 4, rtol=0.03)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_a_bracket_in_log_is_the_light_of_its_scene(tmp_path, suffix):
    for n, ev in enumerate((0.0, 3.0, 6.0)):
        cv2.imwrite(str(tmp_path / f"{n}.png"), taken(ev)[..., ::-1])
    out = tmp_path / f"scene.{suffix}"
    result = streamfuse("still", *tmp_path.glob("?.png"), "-o", out, "--white", "2", "--hdr", "log")
    assert result.exit_code == 0, result.stderr
    signal = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)[..., ::-1] / 65535
    found = np.exp2(signal * 17.52 - 9.72) @ np.linalg.inv(to_ap1(BT709)).T
    bright = scene() * 4 > 0.05
    np.testing.assert_allclose(found[bright], scene()[bright] * 4, rtol=0.03)


@pytest.mark.parametrize("width", [400, 321])
def test_avif_is_the_light_in_pq(tmp_path, width):
    for n, ev in enumerate((0.0, 3.0, 6.0)):
        cv2.imwrite(str(tmp_path / f"{n}.png"), taken(ev)[:, :width, ::-1])
    out = tmp_path / "scene.avif"
    result = streamfuse("still", *sorted(tmp_path.glob("?.png")), "-o", out, "--white", "2", "--json")
    assert result.exit_code == 0, result.stderr
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
    assert (frame.format.name, frame.color_primaries, frame.color_trc) == ("yuv420p10le", 9, 16)
    planes = tuple(
        np.frombuffer(memoryview(p), np.uint16).reshape(p.height, -1)[:, : p.width] for p in frame.planes
    )
    light = hdr.pq_decode(planes_to_rgb(planes, 10, (1, 1), PQ) / 65535) / hdr.REFERENCE_WHITE
    wanted = scene()[:, :width] * 4 @ hdr.between_primaries(hdr.BT709, hdr.BT2020).T
    middle = np.s_[10:50, 100:300]
    np.testing.assert_allclose(light[middle], wanted[middle], rtol=0.06)
    assert light.max() < 1000 / 203 * 1.02
    with Image.open(out) as picture:  # another reader takes it
        assert picture.size == (width, 60)


def test_exif_is_believed(tmp_path):
    for n, (ev, seconds) in enumerate(((0.0, 1 / 320), (4.0, 1 / 20))):
        exif = Image.Exif()
        exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExposureTime: seconds, ExifTags.Base.ISOSpeedRatings: 100}
        Image.fromarray(taken(ev, 8)).save(tmp_path / f"{n}.jpg", quality=98, exif=exif)
    result = streamfuse("still", tmp_path / "0.jpg", tmp_path / "1.jpg", "-o", tmp_path / "o.exr", "--json")
    assert result.exit_code == 0, result.stderr
    note = json.loads(result.stdout)["notes"][-1]
    assert "0.0, 4.0 EV (as Exif tells)" in note and "3 EV below" in note


def test_gaps_that_a_tone_curve_widens_are_bounded_and_said(tmp_path):
    light = np.geomspace(1e-5, 1.0, 400)[None, :, None] * np.ones((60, 1, 3))
    evs = (0.0, 4.0, 6.0, 10.0)
    for n, ev in enumerate(evs):
        code = np.minimum(light * 2**ev, 1) ** (1 / 2.2)
        curved = code**2 * (3 - 2 * code)  # dark made darker, light lighter, as phones do
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.round(255 * curved).astype(np.uint8))
    result = streamfuse("still", *sorted(tmp_path.glob("?.png")), "-o", tmp_path / "o.exr", "--json")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    found = [
        float(ev) for ev in summary["notes"][-1].split(" EV")[0].removeprefix("Exposures at ").split(", ")
    ]
    assert np.diff(found).max() <= MOST_EV + 0.11 and found[-1] == pytest.approx(evs[-1], abs=2)
    assert "tell how much more light they took: 2, 4. 4 EV are assumed." in " ".join(summary["warnings"])


def test_wide_gaps_that_photographs_do_tell_are_believed(tmp_path):
    for n, ev in enumerate((0.0, 5.0)):
        cv2.imwrite(str(tmp_path / f"{n}.png"), taken(ev)[..., ::-1])
    result = streamfuse("still", tmp_path / "0.png", tmp_path / "1.png", "-o", tmp_path / "o.exr", "--json")
    assert "0.0, 5.0 EV (measured)" in json.loads(result.stdout)["notes"][-1]


def test_grey_photographs_are_merged(tmp_path):
    for n, ev in enumerate((0.0, 3.0)):
        cv2.imwrite(str(tmp_path / f"{n}.png"), taken(ev)[..., 1])
    result = streamfuse("still", tmp_path / "0.png", tmp_path / "1.png", "-o", tmp_path / "o.exr")
    assert result.exit_code == 0, result.stderr
    found = read(tmp_path / "o.exr")
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


def test_fuse_of_a_folder_into_one_picture_is_the_same(tmp_path):
    (tmp_path / "in").mkdir()
    for n, ev in enumerate((0.0, 3.0)):
        cv2.imwrite(str(tmp_path / "in" / f"{n}.png"), taken(ev)[..., ::-1])
    for command, name in (("still", "a.exr"), ("fuse", "b.exr")):
        assert streamfuse(command, tmp_path / "in", "-o", tmp_path / name).exit_code == 0
    np.testing.assert_array_equal(read(tmp_path / "a.exr"), read(tmp_path / "b.exr"))


def test_profiles_tell_the_primaries():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert primaries_of(None) == primaries_of(srgb) == BT709
    assert primaries_of(b"nonsense") is None


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("-o", "o.exr", "--fuser", "mertens"), 2, "--fuser is not for the light"),
        (("-o", "o.exr", "--bits", "16"), 2, "--bits is not for the light"),
        (("-o", "o.png", "--white", "1"), 2, "--white is for linear light"),
        (("-o", "o.jpg", "--hdr", "log"), 2, "cannot hold ACEScct"),
        (("-o", "1.exr"), 1, "exists already"),
        (("-o", "nowhere/o.exr"), 1, "There is no folder"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, monkeypatch, arguments, status, said):
    monkeypatch.chdir(tmp_path)
    for n, ev in enumerate((0.0, 3.0)):
        cv2.imwrite(f"{n}.png", taken(ev))
    (tmp_path / "1.exr").write_bytes(b"old")
    result = streamfuse("still", "0.png", "1.png", *arguments)
    assert (result.exit_code, said in result.stderr) == (status, True), result.stderr
    assert (tmp_path / "1.exr").read_bytes() == b"old"


def test_a_jpeg_with_a_gain_map_is_the_light_for_those_who_know_it(tmp_path):
    codecs = pytest.importorskip("imagecodecs")
    for n, ev in enumerate((0.0, 3.0, 6.0)):
        cv2.imwrite(str(tmp_path / f"{n}.png"), taken(ev)[..., ::-1])
    out = tmp_path / "scene.jpg"
    arguments = (
        "still",
        *sorted(tmp_path.glob("?.png")),
        "-o",
        out,
        "--hdr",
        "gainmap",
        "--white",
        "2",
        "--json",
    )
    result = streamfuse(*arguments)
    assert result.exit_code == 0, result.stderr
    data = out.read_bytes()
    assert codecs.ultrahdr_check(data)
    light = codecs.ultrahdr_decode(data)[..., :3].astype(float)
    middle = np.s_[10:50, 100:390]
    np.testing.assert_allclose(light[middle], scene()[middle] * 4, rtol=0.12)
    with Image.open(out) as picture:  # everybody else sees a picture of usual brightness
        seen = np.asarray(picture.convert("RGB"))
    assert seen.shape == (60, 400, 3) and np.all(np.diff(seen[30, :, 1].astype(int)) >= -3)
    assert seen[30, -1].max() > 200


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("-o", "o.png", "--hdr", "gainmap"), 2, "a JPEG does"),
        (("-o", "o.jpg", "--hdr", "gainmap", "--fuser", "mertens"), 2, "--fuser is not for the light"),
    ],
)
def test_gain_maps_are_for_jpeg_and_light(tmp_path, monkeypatch, arguments, status, said):
    pytest.importorskip("imagecodecs")
    monkeypatch.chdir(tmp_path)
    for n, ev in enumerate((0.0, 3.0)):
        cv2.imwrite(f"{n}.png", taken(ev))
    result = streamfuse("still", "0.png", "1.png", *arguments)
    assert (result.exit_code, said in result.stderr) == (status, True), result.stderr
