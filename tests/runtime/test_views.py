"""Panels beside each other and pictures of the stages."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from streamfuse.core.color import chroma_shape
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import (
    AlignedBracket,
    Bracket,
    Frame,
    FusedFrame,
    FusionMaps,
    Neighbours,
    WeighedBracket,
)
from streamfuse.core.protocols import SourceInfo
from streamfuse.errors import OutputError
from streamfuse.runtime.views import StageDump, side_by_side, side_by_side_width

COLOR = ColorInfo(1, 1, 1, False)


def picture(value, size, subsampling, bits, grey=False):
    dtype = np.uint8 if bits == 8 else np.uint16
    shapes = [size] if grey else [size, *[chroma_shape(size[0], size[1], subsampling)] * 2]
    return tuple(np.full(shape, value, dtype) for shape in shapes)


def instant(size=(32, 48), subsampling=(1, 1), bits=8, grey=False, index=0):
    under, over, fused = (picture(v, size, subsampling, bits, grey) for v in (40, 200, 120))
    frame = Frame(under, bits, subsampling, COLOR, index, Fraction(1, 25), index)
    bracket = Bracket(frame, 0, 2, {1: Neighbours(frame, None)})
    aligned = AlignedBracket(bracket, (under, over), (0.0, 3.0), (None, np.ones(size, np.float32)))
    prior = np.full((2, 8, 12), 0.5, np.float32)
    weighed = WeighedBracket(aligned, FusionMaps((prior,) * 6, (prior[0] * 2,)))
    return weighed, FusedFrame(fused, bits, subsampling, COLOR, index, Fraction(1, 25), index)


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (16, 17)])
@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 0), (2, 0)])
@pytest.mark.parametrize(("bits", "grey"), [(8, False), (10, False), (8, True)])
def test_three_panels_with_whole_chroma_samples(size, subsampling, bits, grey):
    weighed, fused = instant(size, subsampling, bits, grey)
    out = side_by_side(weighed, fused)
    info = SourceInfo("made", size[1], size[0], bits, subsampling, COLOR, Fraction(1, 25), Fraction(25))
    assert (out.width, out.height) == (side_by_side_width(info), size[0])
    assert len(out.planes) == len(fused.planes)
    if not grey:
        assert out.planes[1].shape == chroma_shape(out.height, out.width, subsampling)
    panels = np.split(out.luma, 3, axis=1)
    assert [int(panel.min()) for panel in panels] == [int(panel.max()) for panel in panels] == [40, 200, 120]
    assert out.luma.dtype == fused.luma.dtype
    assert (out.pts, out.index) == (fused.pts, fused.index)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (10, np.uint16)])
def test_every_tenth_instant_is_dumped_and_the_frame_passes(tmp_path, bits, dtype):
    dump = StageDump(tmp_path / "a/b")
    for index in range(21):
        weighed, fused = instant(bits=bits, index=index)
        assert dump(weighed, fused) is fused
    fused_files = sorted((tmp_path / "a/b").glob("*-fused.png"))
    assert [path.name[:6] for path in fused_files] == ["000000", "000010", "000020"]
    assert cv2.imread(str(fused_files[0]), cv2.IMREAD_UNCHANGED).dtype == dtype
    assert (tmp_path / "a/b/000000-1-trust.png").exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="--dump-stages"):
        StageDump(tmp_path / "file/dump")


def test_a_picture_that_cannot_be_written(tmp_path):
    dump = StageDump(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(OutputError, match="cannot be written"):
        dump(*instant())
