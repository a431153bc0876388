"""The tool from the outside: what it writes, read back."""

import csv
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from make_alternating import main


@pytest.fixture
def hdr_folder(tmp_path):
    folder = tmp_path / "hdr"
    folder.mkdir()
    scene = np.random.default_rng(0).random((32, 48, 3)).astype(np.float32) ** 12
    for number in range(6):
        cv2.imwrite(
            str(folder / f"{number}.hdr"), cv2.GaussianBlur(np.roll(scene, number, axis=1), (0, 0), 2)
        )
    return folder


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def decode(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def mean_luma(picture):
    return picture.reformat(format="gray").to_ndarray().mean()


@pytest.mark.parametrize(
    ("codec", "bits", "pixel_format"), [("libx264", 8, "yuv420p"), ("ffv1", 10, "yuv420p10le")]
)
def test_video_alternates_and_says_what_it_is(hdr_folder, tmp_path, codec, bits, pixel_format):
    result = call(hdr_folder, tmp_path / "out.mkv", "--codec", codec, "--bits", bits, "--first", "over")
    assert result.exit_code == 0, result.output
    pictures = decode(tmp_path / "out.mkv")
    assert len(pictures) == 6
    means = [mean_luma(picture) for picture in pictures]
    assert min(means[::2]) > max(means[1::2])
    assert pictures[0].format.name == pixel_format
    with av.open(str(tmp_path / "out.mkv")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1


def test_lossless_video_is_the_oracle_s_picture(hdr_folder, tmp_path):
    result = call(hdr_folder, tmp_path / "out.mkv", "--codec", "ffv1", "--oracle", tmp_path / "oracle")
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "oracle").iterdir())) == 12
    for instant, picture in enumerate(decode(tmp_path / "out.mkv")):
        ideal = cv2.imread(str(tmp_path / "oracle" / f"{instant:06d}_{instant % 2}.png"))
        luma = ideal[..., ::-1] @ [0.2126, 0.7152, 0.0722] * 219 / 255 + 16
        decoded = picture.to_ndarray()[: picture.height]
        assert np.abs(decoded - luma).mean() < 1


def test_truth_names_what_was_lost_and_doubled(hdr_folder, tmp_path):
    truth = tmp_path / "truth.csv"
    result = call(hdr_folder, tmp_path / "out", "--drop", 0.3, "--double", 0.3, "--seed", 2, "--truth", truth)
    assert result.exit_code == 0, result.output
    with truth.open() as file:
        rows = list(csv.DictReader(file))
    instants = [int(row["instant"]) for row in rows]
    assert instants == sorted(instants)
    assert instants != list(range(6))
    assert all(int(row["rank"]) == int(row["instant"]) % 2 for row in rows)
    assert len(list((tmp_path / "out").glob("*.png"))) == len(rows)


def test_separate_files_hold_every_instant(hdr_folder, tmp_path):
    result = call(hdr_folder, tmp_path / "out.mkv", "--separate", "--cycle", 3, "--gap", 1.5)
    assert result.exit_code == 0, result.output
    means = [[mean_luma(picture) for picture in decode(tmp_path / f"out_{rank}.mkv")] for rank in range(3)]
    assert [len(column) for column in means] == [6, 6, 6]
    assert max(means[0]) < min(means[1]) < max(means[1]) < min(means[2])


def test_time_stamps_of_a_clip_are_kept(hdr_folder, tmp_path):
    assert call(hdr_folder, tmp_path / "first.mkv", "--gap", 1).exit_code == 0
    result = call(tmp_path / "first.mkv", tmp_path / "second.mkv", "--width", 24, "--count", 4)
    assert result.exit_code == 0, result.output
    first, second = (decode(tmp_path / name) for name in ("first.mkv", "second.mkv"))
    assert [p.pts * p.time_base for p in second] == [p.pts * p.time_base for p in first[:4]]
    assert (second[0].width, second[0].height) == (24, 16)


def test_panorama(tmp_path):
    world = cv2.GaussianBlur(np.random.default_rng(0).random((64, 128, 3)).astype(np.float32), (0, 0), 1)
    cv2.imwrite(str(tmp_path / "world.hdr"), world)
    result = call(tmp_path / "world.hdr", tmp_path / "out.mkv", "--count", 3, "--width", 64, "--objects", 1)
    assert result.exit_code == 0, result.output
    assert len(decode(tmp_path / "out.mkv")) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.mp4", "out.mkv"), "no file nowhere.mp4"),
        (("{hdr}", "{tmp}/missing/out.mkv"), "no folder"),
        (("{hdr}", "{tmp}/there.mkv"), "exists already"),
        (("{hdr}", "{hdr}"), "not empty"),
        (("{hdr}", "{tmp}/out.mkv", "--drop", "1"), "shares"),
        (("{hdr}", "{tmp}/out.mkv", "--cycle", "1"), "two at least"),
    ],
)
def test_errors_are_one_sentence(hdr_folder, tmp_path, arguments, message):
    (tmp_path / "there.mkv").write_bytes(b"mine")
    result = call(*(text.format(hdr=hdr_folder, tmp=tmp_path) for text in arguments))
    assert result.exit_code == 1
    assert message in result.output
    assert isinstance(result.exception, SystemExit)
    assert (tmp_path / "there.mkv").read_bytes() == b"mine"
    assert len(list(hdr_folder.glob("*.hdr"))) == 6


def test_a_run_that_fails_leaves_nothing_half_written(hdr_folder, tmp_path):
    (hdr_folder / "4.hdr").write_bytes(b"damaged")
    for output in ("out.mkv", "out"):
        result = call(hdr_folder, tmp_path / output)
        assert result.exit_code == 1
        assert "4.hdr" in result.output
    assert not (tmp_path / "out.mkv").exists()
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(("codec", "stored"), [("libx264", "yuv444p"), ("ffv1", "yuv420p")])
def test_odd_sizes_are_stored_as_the_codec_can_and_it_is_said(tmp_path, codec, stored):
    folder = tmp_path / "hdr"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.hdr"), np.random.default_rng(0).random((21, 33, 3)).astype(np.float32))
    result = call(folder, tmp_path / "out.mkv", "--codec", codec)
    assert result.exit_code == 0, result.output
    (picture,) = decode(tmp_path / "out.mkv")
    assert (picture.width, picture.height, picture.format.name) == (33, 21, stored)
    assert ("fewer players" in result.stderr) == (stored == "yuv444p")
