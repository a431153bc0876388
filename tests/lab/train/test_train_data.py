"""Pictures that cannot be trained on are named before a run begins."""

import cv2
import numpy as np
import pytest
from small_runs import write_stack

from streamfuse.errors import InputError
from streamfuse.lab.train.data import load_stacks


@pytest.mark.parametrize("name", ["01.jpg", "reference.jpg"])
def test_a_picture_of_another_size_than_the_rest_of_its_stack(tmp_path, name):
    write_stack(tmp_path / "scene", 1, label=True)
    cv2.imwrite(str(tmp_path / "scene" / name), np.full((64, 128), 90, np.uint8))
    with pytest.raises(InputError, match=f"scene/{name} has 128x64 pixels and 00.jpg beside it 128x96"):
        load_stacks(tmp_path)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("name", ["01.jpg", "reference.jpg", "03.png"])
def test_half_a_picture(tmp_path, name, colour):
    write_stack(tmp_path / "scene", 1, label=True)
    path = tmp_path / "scene" / name
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (96, 128), np.uint8))
    assert len(load_stacks(tmp_path, colour)) == 1
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=f"scene/{name} is cut off or damaged"):
        load_stacks(tmp_path, colour)


def test_formats_that_only_opencv_is_asked_for_are_read(tmp_path):
    (tmp_path / "scene").mkdir()
    for n, value in enumerate((60, 180)):
        cv2.imwrite(str(tmp_path / f"scene/{n:02d}.bmp"), np.full((64, 64), value, np.uint8))
    (stack,) = load_stacks(tmp_path)
    assert [int(e.mean()) for e in stack.exposures] == [60, 180]


def test_pictures_smaller_than_the_check_reads_them(tmp_path):
    (tmp_path / "scene").mkdir()
    for n, value in enumerate((60, 180)):
        cv2.imwrite(str(tmp_path / f"scene/{n:02d}.jpg"), np.full((5, 6), value, np.uint8))
    assert load_stacks(tmp_path)[0].exposures[0].shape == (5, 6)
