"""Fusing in strips: the same picture as in one piece."""

import numpy as np
import pytest
from networks import random_network
from pictures import plane_exposures

from streamfuse.core.color_info import ColorInfo
from streamfuse.fusion.fuser import LcndrFuser, MertensFuser
from streamfuse.fusion.models import save_weights
from streamfuse.fusion.stage import fuse_planes
from streamfuse.fusion.strips import fuse_strips

COLOR = ColorInfo(1, 1, 1, True)
BITS = 16


@pytest.fixture(scope="module")
def fuser(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(random_network(long_side=96), path, {})
    return LcndrFuser(str(path), "cpu")


def readers(exposures):
    return [lambda first, end, planes=planes: tuple(p[first:end] for p in planes) for planes in exposures]


def in_strips(fuser, exposures, strip_pixels, workers=1):
    size = exposures[0][0].shape
    kinds = {"strip_pixels": strip_pixels, "workers": workers}
    parts = list(fuse_strips(fuser, readers(exposures), size, BITS, COLOR, **kinds))
    tops = [top for top, _ in parts]
    heights = [len(planes[0]) for _, planes in parts]
    assert tops == [sum(heights[:n]) for n in range(len(parts))]
    return parts, [np.concatenate(planes) for planes in zip(*(planes for _, planes in parts), strict=True)]


@pytest.mark.parametrize(
    ("height", "width", "count"), [(256, 384, 2), (301, 200, 3), (257, 391, 2), (97, 760, 2), (500, 97, 2)]
)
def test_gives_the_picture_of_one_piece(fuser, height, width, count):
    exposures = plane_exposures(height, width, count, BITS, (0, 0), COLOR)
    whole = fuse_planes(fuser, exposures, BITS, COLOR)
    parts, strips = in_strips(fuser, exposures, 1)
    assert len(parts) > 1
    for mine, wanted in zip(strips, whole, strict=True):
        # a code value of 16 bit for the rounding of sums in another order
        np.testing.assert_allclose(mine.astype(int), wanted.astype(int), atol=2)


def test_order_of_the_exposures_does_not_matter(fuser):
    exposures = plane_exposures(256, 384, 3, BITS, (0, 0), COLOR)
    _, forward = in_strips(fuser, exposures, 1)
    _, backward = in_strips(fuser, exposures[::-1], 1)
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(a, b)


def test_several_at_a_time_give_the_same_picture_in_order(fuser):
    exposures = plane_exposures(500, 200, 3, BITS, (0, 0), COLOR)
    _, alone = in_strips(fuser, exposures, 1)
    for workers in (2, 5):
        _, together = in_strips(fuser, exposures, 1, workers)
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_strip_that_cannot_be_read_ends_the_others(fuser):
    def reader(first, end):
        if first > 100:
            raise OSError("gone")
        return tuple(p[first:end] for p in exposures[0])

    exposures = plane_exposures(500, 200, 2, BITS, (0, 0), COLOR)
    with pytest.raises(OSError, match="gone"):
        list(fuse_strips(fuser, [reader, reader], (500, 200), BITS, COLOR, strip_pixels=1, workers=3))


def test_grey(fuser):
    exposures = [planes[:1] for planes in plane_exposures(256, 384, 2, BITS, (0, 0), COLOR)]
    parts, strips = in_strips(fuser, exposures, 1)
    assert len(parts) > 1
    assert len(strips) == 1
    np.testing.assert_allclose(
        strips[0].astype(int), fuse_planes(fuser, exposures, BITS, COLOR)[0].astype(int), atol=2
    )


def test_what_the_network_sees_whole_comes_in_one_piece(fuser):
    exposures = plane_exposures(90, 96, 2, BITS, (0, 0), COLOR)
    parts, strips = in_strips(fuser, exposures, 1)
    assert len(parts) == 1
    np.testing.assert_array_equal(strips[0], fuse_planes(fuser, exposures, BITS, COLOR)[0])


def test_other_fusers_come_in_one_piece():
    exposures = plane_exposures(120, 160, 2, BITS, (0, 0), COLOR)
    parts, strips = in_strips(MertensFuser(), exposures, 1)
    assert len(parts) == 1
    np.testing.assert_array_equal(strips[0], fuse_planes(MertensFuser(), exposures, BITS, COLOR)[0])


def test_reads_no_more_than_a_strip_and_its_margins(fuser):
    exposures = plane_exposures(1024, 256, 2, BITS, (0, 0), COLOR)
    read = []

    def reader(planes):
        return lambda first, end: read.append(end - first) or tuple(p[first:end] for p in planes)

    list(fuse_strips(fuser, [reader(p) for p in exposures], (1024, 256), BITS, COLOR, strip_pixels=1))
    assert max(read) <= 1024 // 2
