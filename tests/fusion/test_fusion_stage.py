"""Planes in, planes out: the same picture whatever its depth, range, subsampling and order."""

from fractions import Fraction

import numpy as np
import pytest
from at_once import at_once
from pictures import plane_exposures

from streamfuse.core.color_info import ColorInfo, luma_range
from streamfuse.core.frame import AlignedBracket, Bracket, Frame, Neighbours
from streamfuse.errors import UsageError
from streamfuse.fusion.fuser import create_fuser
from streamfuse.fusion.luma import normalise, quantise
from streamfuse.fusion.stage import BlendStage, WeighStage, fuse_planes
from streamfuse.zmq.joined import join

LIMITED, FULL = ColorInfo(1, 1, 1, False), ColorInfo(1, 1, 1, True)


@pytest.fixture(scope="module", params=["lcndr-xs", "mertens"])
def fuser(request):
    return create_fuser(request.param, device="cpu")


def converted(exposures, old, new):
    """The luma of the same pictures in other code values."""
    (bits, color), (to_bits, to_color) = old, new
    black, white = luma_range(bits, color.full_range)
    to_black, to_white = luma_range(to_bits, to_color.full_range)
    scale = (to_white - to_black) / (white - black)
    dtype = np.uint8 if to_bits == 8 else np.uint16
    return [(np.rint((e[0].astype(float) - black) * scale + to_black).astype(dtype),) for e in exposures]


@pytest.mark.parametrize(
    "new", [(10, LIMITED), (12, LIMITED), (16, LIMITED), (8, FULL), (10, FULL), (16, FULL)]
)
def test_depths_and_ranges_agree(new):
    old, fuser = (8, LIMITED), create_fuser("lcndr-xs", device="cpu")
    eight = [(np.clip(e[0], 16, 235),) for e in plane_exposures(90, 120, 2, 8, (0, 0), LIMITED)]
    other = converted(eight, old, new)
    small = normalise(fuse_planes(fuser, eight, *old)[0], *old)
    large = normalise(fuse_planes(fuser, other, *new)[0], *new)
    # one code value of 8 bits: each result is rounded once, 8-bit full range also on the way in
    np.testing.assert_allclose(small, large, atol=1.01 / 219 * (2 if new == (8, FULL) else 1))


@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize(("bits", "size"), [(8, (45, 67)), (10, (64, 48))])
def test_planes_keep_their_kind(fuser, subsampling, bits, size):
    exposures = plane_exposures(size[0], size[1], 3, bits, subsampling, LIMITED)
    fused = fuse_planes(fuser, exposures, bits, LIMITED)
    assert [(p.shape, p.dtype) for p in fused] == [(p.shape, p.dtype) for p in exposures[0]]
    assert all(p.max() < 1 << bits for p in fused)
    assert join(fused) is not None  # in one buffer, so that a publisher sends them as one part


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_the_exposures_does_not_matter(fuser, order):
    exposures = plane_exposures(64, 80, 3, 16, (1, 1), FULL)
    plain = fuse_planes(fuser, exposures, 16, FULL)
    other = fuse_planes(fuser, [exposures[i] for i in order], 16, FULL)
    for a, b in zip(plain, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_grey_planes_stay_alone(fuser):
    exposures = [e[:1] for e in plane_exposures(40, 40, 2, 8, (0, 0), LIMITED)]
    assert len(fuse_planes(fuser, exposures, 8, LIMITED)) == 1


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("color", [LIMITED, FULL])
def test_nothing_wraps(bits, color):
    black, white = luma_range(bits, color.full_range)
    wild = np.array([[-5.0, -1e-6, 0.0, 0.5, 1.0, 1.0 + 1e-6, 7.0]], np.float32)
    codes = quantise(wild, bits, color)
    assert codes.tolist()[0][:3] == [black] * 3
    assert codes.tolist()[0][-3:] == [white] * 3
    assert (np.diff(codes.astype(int)) >= 0).all()


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("color", [LIMITED, FULL])
def test_normalising_and_quantising_are_inverse(bits, color):
    black, white = luma_range(bits, color.full_range)
    dtype: type[np.unsignedinteger] = np.uint8 if bits == 8 else np.uint16
    codes = np.arange(black, white + 1).astype(dtype)[None]
    values = normalise(codes, bits, color)
    assert values.dtype == np.float32
    assert (float(values[0, 0]), float(values[0, -1])) == (0.0, pytest.approx(1.0, abs=1e-6))
    np.testing.assert_array_equal(quantise(values, bits, color), codes)


def test_foot_and_headroom_are_clipped():
    values = normalise(np.array([[0, 15, 16, 235, 236, 255]], np.uint8), 8, LIMITED)
    np.testing.assert_allclose(values, [[0, 0, 0, 1, 1, 1]], atol=1e-6)


def test_too_few_or_unequal_exposures_are_told(fuser):
    exposures = plane_exposures(32, 32, 2, 8, (1, 1), LIMITED)
    with pytest.raises(UsageError, match="at least two exposures, got 1"):
        fuse_planes(fuser, exposures[:1], 8, LIMITED)
    smaller = plane_exposures(32, 30, 2, 8, (1, 1), LIMITED)
    with pytest.raises(UsageError, match=r"got 30x32\+15x16\+15x16, 32x32"):
        fuse_planes(fuser, [exposures[0], smaller[1]], 8, LIMITED)
    with pytest.raises(UsageError, match=r"got 32x32, 32x32\+16x16\+16x16"):
        fuse_planes(fuser, [exposures[0], exposures[1][:1]], 8, LIMITED)


def test_the_stages_give_what_the_function_gives_and_keep_the_frame(fuser):
    planes = plane_exposures(48, 64, 2, 8, (1, 1), LIMITED)
    frames = [
        Frame(p, 8, (1, 1), LIMITED, 40 + i, Fraction(1, 25), 7 + i, captured_at=float(i))
        for i, p in enumerate(planes)
    ]
    bracket = Bracket(frames[0], 0, 2, {1: Neighbours(None, frames[1])})
    trust = np.full((48, 64), 0.75, np.float32)
    aligned = AlignedBracket(bracket, tuple(planes), (0.0, 3.0), (None, trust))
    weigh, blend = WeighStage(fuser), BlendStage(fuser)
    (weighed,) = weigh.push(aligned)
    (fused,) = blend.push(weighed)
    assert [*weigh.flush(), *blend.flush()] == []
    for mine, wanted in zip(fused.planes, fuse_planes(fuser, planes, 8, LIMITED), strict=True):
        np.testing.assert_array_equal(mine, wanted)
    assert (fused.pts, fused.time_base, fused.index, fused.captured_at) == (40, Fraction(1, 25), 7, 0.0)
    assert fused.exposures == (7, 8)
    assert fused.stats["untrusted_share"] == pytest.approx(0.25)


@pytest.mark.parametrize("size", [(48, 64), (400, 700)])  # the larger one is fused in integers
def test_a_level_is_added_before_luma_is_rounded(size):
    fuser = create_fuser("lcndr-xs", device="cpu")
    planes = plane_exposures(size[0], size[1], 2, 8, (1, 1), FULL)
    frame = Frame(planes[0], 8, (1, 1), FULL, 0, Fraction(1, 25), 0)
    bracket = Bracket(frame, 0, 2, {1: Neighbours(None, frame)})
    aligned, asked = AlignedBracket(bracket, tuple(planes), (0.0, 3.0), (None, None)), []
    (weighed,) = WeighStage(fuser).push(aligned)

    def blended(more):
        def level(of, picture):
            asked.append((of, picture))
            return more / 255

        (fused,) = BlendStage(fuser, level).push(weighed)
        return fused.planes

    plain = blended(0.0)
    for mine, wanted in zip(plain, fuse_planes(fuser, planes, 8, FULL), strict=True):
        np.testing.assert_array_equal(mine, wanted)
    assert asked[0][0] is aligned
    assert float(asked[0][1].mean()) == pytest.approx(plain[0].mean() / 255, abs=0.01)
    for more in (0.3, -2.0):
        moved = blended(more)[0].astype(float) - plain[0]
        inside = (plain[0] > 3) & (plain[0] < 252)
        assert moved[inside].mean() == pytest.approx(more, abs=0.03)
        assert np.abs(moved).max() <= np.ceil(abs(more))


def test_the_level_of_frames_that_are_blended_at_once_is_asked_for_in_order():
    fuser = create_fuser("mertens")
    planes, asked = plane_exposures(48, 64, 2, 8, (1, 1), FULL), []
    weighed = []
    for index in range(8):
        frame = Frame(planes[0], 8, (1, 1), FULL, index, Fraction(1, 25), index)
        # The one in the middle has no partner: it has no level, and passes as it is.
        missing = {} if index == 4 else {1: Neighbours(None, frame)}
        aligned = AlignedBracket(Bracket(frame, 0, 2, missing), tuple(planes), (0.0, 3.0), (None, None))
        weighed += WeighStage(fuser).push(aligned)

    def level(of, picture):
        asked.append(of.bracket.reference.index)
        return 0.0

    fused = at_once(BlendStage(fuser, level), weighed)
    assert [frame.index for frame in fused] == [*range(8)]
    assert asked == [0, 1, 2, 3, 5, 6, 7]
