"""The virtual camera's flow against what its own pictures show."""

import cv2
import numpy as np
import pytest

from streamfuse.errors import UsageError
from streamfuse.lab.evaluate.film import scene_of
from streamfuse.lab.evaluate.metrics import warp
from streamfuse.lab.evaluate.virtual_camera import MovingObject, VirtualCamera, virtual_camera


def panorama():
    noise = np.random.default_rng(0).random((128, 256, 3)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def camera(poses, **options):
    return VirtualCamera(panorama(), poses, width=64, height=48, **options)


def grey(picture):
    return np.ascontiguousarray(picture[..., 1])


def test_a_camera_at_rest_has_no_flow_and_sees_everything():
    still = camera([(10, 5, 3)] * 2)
    np.testing.assert_allclose(still.flow(0, 1), 0, atol=1e-4)
    assert still.visible(0, 1).all()


@pytest.mark.parametrize("pose", [(2, 0, 0), (0, 2, 0), (0, 0, 4), (-1.5, 1, -2)])
def test_flow_leads_to_the_same_light(pose):
    turning = camera([(0, 0, 0), pose])
    now, then = grey(turning[0]), grey(turning[1])
    seen = turning.visible(0, 1)
    assert 0.6 < seen.mean() < 1
    along = np.abs(warp(then, turning.flow(0, 1)) - now)[seen].mean()
    assert along < 0.15 * np.abs(then - now)[seen].mean()


def test_yaw_to_the_right_moves_the_picture_left_by_the_focal_length_times_the_angle():
    turning = camera([(0, 0, 0), (1, 0, 0)], fov=60)
    focal = 32 / np.tan(np.radians(30))
    flow = turning.flow(0, 1)[24, 32]
    assert flow[0] == pytest.approx(-focal * np.radians(1), rel=0.01)
    assert abs(flow[1]) < 0.01


def test_pitch_up_moves_the_picture_down():
    assert camera([(0, 0, 0), (0, 1, 0)]).flow(0, 1)[24, 32, 1] > 0.5


def test_flow_there_and_back_ends_where_it_began():
    turning = camera([(0, 0, 0), (1.5, -1, 1)])
    there, back = turning.flow(0, 1), turning.flow(1, 0)
    returned = np.dstack([warp(np.ascontiguousarray(back[..., axis]), there) for axis in (0, 1)])
    np.testing.assert_allclose((there + returned)[turning.visible(0, 1)], 0, atol=0.05)


def test_object_moves_by_its_own_path_and_covers_the_background():
    thing = MovingObject(np.full((12, 12, 3), 5, np.float32), (20, 20), (4, 1), (2, 0))
    watching = camera([(0, 0, 0)] * 3, objects=[thing])
    assert watching[0][20, 20, 0] == pytest.approx(5)
    np.testing.assert_allclose(watching.flow(0, 1)[20, 20], (5, 1), atol=1e-5)
    np.testing.assert_allclose(watching.flow(0, 2)[20, 20], (12, 2), atol=1e-5)
    np.testing.assert_allclose(watching.flow(0, 2)[40, 50], 0, atol=1e-4)
    assert watching[2][22, 32, 0] == pytest.approx(5)
    seen = watching.visible(0, 2)
    assert seen[20, 20]
    assert not seen[22, 34]  # background that the object is going to cover
    assert watching.visible(2, 0)[10, 10]


def test_made_from_a_file_it_is_the_same_every_time(tmp_path):
    path = tmp_path / "panorama.hdr"
    cv2.imwrite(str(path), panorama())
    options = {"count": 3, "objects": 2, "width": 40, "height": 30, "seed": 4}
    one, other = (virtual_camera(path, **options) for _ in range(2))
    assert len(one) == 3
    np.testing.assert_array_equal(one[2], other[2])
    np.testing.assert_array_equal(one.flow(0, 2), other.flow(0, 2))
    assert one[0].shape == (30, 40, 3)
    assert one[0].dtype == np.float32


def test_impossible_field_of_view():
    with pytest.raises(UsageError, match="180"):
        camera([(0, 0, 0)], fov=180)


def test_every_so_manieth_frame_of_a_folder_is_the_same_motion_faster(tmp_path):
    for number in range(9):
        cv2.imwrite(str(tmp_path / f"{number}.hdr"), np.full((8, 8, 3), 1 + number, np.float32))
    levels = [float(frame[0, 0, 0]) for frame in scene_of(tmp_path, start=1, count=3, step=3)]
    assert levels == pytest.approx([2, 5, 8], rel=0.02)


def test_a_camera_that_is_tilted_looks_up(tmp_path):
    sky = np.zeros((64, 128, 3), np.float32)
    sky[:32] = 1
    cv2.imwrite(str(tmp_path / "sky.hdr"), sky)
    level, up = (
        virtual_camera(tmp_path / "sky.hdr", count=1, shake=0, tilt=tilt, width=32, height=24)[0].mean()
        for tilt in (0, 20)
    )
    assert level == pytest.approx(0.5, abs=0.05)
    assert up > 0.8
