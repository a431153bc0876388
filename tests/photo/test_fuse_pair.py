"""`fuse_pair` and `Fuser`: arrays in, one array out, of the same kind."""

import numpy as np
import pytest
from pictures import rgb_exposures
from runs import streamfuse as command

import streamfuse
from streamfuse.errors import DeviceError, UsageError, WeightsError


@pytest.fixture(scope="module", params=["lcndr", "lcndr-xs", "mertens"])
def fuser(request):
    return streamfuse.Fuser(fuser=request.param, device="cpu")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(48, 64), (45, 67), (16, 16), (1, 1), (3, 200)])
def test_same_size_and_dtype_out(fuser, dtype, size):
    for pictures in (
        rgb_exposures(size[0], size[1], 2, dtype=dtype),
        [p[..., 0] for p in rgb_exposures(size[0], size[1], 3, dtype=dtype)],
    ):
        fused = fuser(pictures)
        assert (fused.shape, fused.dtype) == (pictures[0].shape, dtype)


def test_eight_and_sixteen_bits_agree():
    fuser = streamfuse.Fuser("fast", "cpu")
    eight = rgb_exposures(60, 80, 3)
    sixteen = fuser([p.astype(np.uint16) * 257 for p in eight])
    assert np.abs(fuser(eight) - sixteen / 257).max() <= 0.51


def test_the_order_does_not_matter(fuser):
    pictures = rgb_exposures(60, 80, 3)
    np.testing.assert_array_equal(fuser(pictures), fuser(pictures[::-1]))
    np.testing.assert_array_equal(fuser(pictures), fuser([pictures[1], pictures[2], pictures[0]]))


def test_grey_pictures_in_colour_stay_grey(fuser):
    pictures = [np.repeat(p[..., :1], 3, axis=2) for p in rgb_exposures(60, 80)]
    fused = fuser(pictures).astype(int)
    assert np.ptp(fused, axis=2).max() <= 1
    assert np.abs(fused[..., 0] - fuser([p[..., 0] for p in pictures])).max() <= 1


def test_equal_pictures_come_out_nearly_as_they_are(fuser):
    # edge revision may strengthen detail; tone and colour stay
    picture = rgb_exposures(90, 120)[1] // 2 + 60
    fused = fuser([picture, picture]).astype(int)
    assert np.abs(fused.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 2


def test_extreme_pictures_do_not_wrap(fuser):
    black, white = np.zeros((40, 50, 3), np.uint8), np.full((40, 50, 3), 255, np.uint8)
    assert fuser([black, black]).max() == 0
    assert fuser([white, white]).min() == 255
    mixed = fuser([black, white]).astype(int)
    assert np.ptp(mixed, axis=2).max() <= 1


def test_views_and_inputs_are_left_alone(fuser):
    pictures = [p[::-1, ::2] for p in rgb_exposures(40, 80)]
    copies = [p.copy() for p in pictures]
    np.testing.assert_array_equal(fuser(pictures), fuser(copies))
    for picture, copy in zip(pictures, copies, strict=True):
        np.testing.assert_array_equal(picture, copy)


def test_fuse_pair_is_the_best_preset():
    under, over = rgb_exposures(40, 56)
    wanted = streamfuse.Fuser("best", "cpu")([under, over])
    np.testing.assert_array_equal(streamfuse.fuse_pair(under, over, device="cpu"), wanted)
    fast = streamfuse.fuse_pair(under, over, preset="fast", device="cpu")
    assert np.abs(fast.astype(int) - wanted).max() > 0


COLOUR = np.zeros((8, 9, 3), np.uint8)


@pytest.mark.parametrize(
    ("pictures", "says"),
    [
        ([], "at least two pictures, got 0"),
        ([COLOUR], "at least two pictures, got 1"),
        ([COLOUR, COLOUR[:-1]], "one shape and dtype"),
        ([COLOUR, COLOUR[..., 0]], "one shape and dtype"),
        ([COLOUR, COLOUR.astype(np.uint16)], "one shape and dtype"),
        ([COLOUR.astype(np.float32)] * 2, "got .* float32"),
        ([COLOUR[..., :2]] * 2, r"got \(8, 9, 2\)"),
        ([COLOUR[:0]] * 2, r"got \(0, 9, 3\)"),
        ([[[1, 2], [3, 4]]] * 2, "got .* int64"),
    ],
)
def test_wrong_pictures_are_told(pictures, says):
    with pytest.raises(UsageError, match=says):
        streamfuse.Fuser(fuser="mertens")(pictures)


def test_wrong_settings_are_told():
    with pytest.raises(UsageError, match="no preset 'bets'"):
        streamfuse.Fuser("bets")
    with pytest.raises(UsageError, match="no fuser 'magic'"):
        streamfuse.fuse_pair(COLOUR, COLOUR, fuser="magic")
    with pytest.raises(WeightsError):
        streamfuse.Fuser(fuser="missing.safetensors")
    with pytest.raises(DeviceError):
        streamfuse.Fuser(device="cuda:99")


def test_the_still_command_writes_a_picture(tmp_path):
    import cv2

    names = []
    for n, picture in enumerate(rgb_exposures(48, 64, 3)):
        names.append(tmp_path / f"{n}.png")
        assert cv2.imwrite(str(names[-1]), picture[..., ::-1])
    result = command("still", *names, "-o", tmp_path / "fused.png", "--preset", "fast")
    assert result.exit_code == 0, result.stderr
    assert "3 exposures fused by lcndr-xs" in result.stdout
    assert cv2.imread(str(tmp_path / "fused.png")).shape == (48, 64, 3)
