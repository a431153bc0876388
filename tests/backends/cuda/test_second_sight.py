"""The second look on a device is that of the CPU."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from streamfuse.align import ghost
from streamfuse.align.second_look import MARGIN, SecondLook
from streamfuse.align.second_look import poor_box as cpu_box
from streamfuse.backends.cuda import ghosts
from streamfuse.backends.cuda.second_sight import DeviceSecondLook, poor_box
from streamfuse.core.frame import Map

SIZE = (90, 150)


def soft(seed: int, *shape: int) -> Map:
    noise = np.random.default_rng(seed).random((*SIZE, *shape), np.float32)
    return np.asarray(
        cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 1, cv2.NORM_MINMAX), np.float32
    )


def tensor(*maps: Map) -> torch.Tensor:
    return torch.from_numpy(np.stack(maps)).contiguous()


def fields(*maps: Map) -> torch.Tensor:
    return tensor(*maps).permute(0, 3, 1, 2).contiguous()


REFERENCE, RAISED, OWN = soft(0), [soft(1), soft(2)], [soft(3), soft(4)]
FIRST, SECOND = [6 * soft(5, 2), -6 * soft(5, 2)], [4 * soft(6, 2), -5 * soft(6, 2)]


def test_misfits_and_choices_are_those_of_the_cpu() -> None:
    cpu = SecondLook(REFERENCE, RAISED, OWN, 1)
    device = DeviceSecondLook(torch.from_numpy(REFERENCE), tensor(*RAISED), tensor(*OWN), None)
    np.testing.assert_allclose(device.misfit(fields(*FIRST)), cpu.misfit(FIRST), atol=2e-3)
    followed = device.better(fields(*FIRST), fields(*SECOND), torch.ones(SIZE)).permute(0, 2, 3, 1)
    np.testing.assert_allclose(followed, np.stack(cpu.better(FIRST, SECOND)), atol=0.3)


def test_the_box_is_that_of_the_cpu() -> None:
    misfit = np.zeros((120, 200), np.float32)
    misfit[40:50, 60:70] = misfit[70:75, 90:120] = 1.0
    inside = np.zeros_like(misfit)
    y, bottom, x, right = cpu_box(misfit, MARGIN) or (0, 0, 0, 0)
    inside[y:bottom, x:right] = 1
    np.testing.assert_array_equal(poor_box(torch.from_numpy(misfit)), inside)
    assert not poor_box(torch.zeros(120, 200)).any()


def test_what_is_left_is_added_as_the_cpu_adds_it() -> None:
    """The search itself is replaced: a field that is known."""
    rest = 3 * soft(7, 2)
    device = DeviceSecondLook(torch.from_numpy(REFERENCE), tensor(*RAISED), tensor(*OWN), None)
    cpu = SecondLook(REFERENCE, RAISED, OWN, 1)
    box = cpu_box(cpu.misfit(FIRST), MARGIN)
    assert box == (0, SIZE[0], 0, SIZE[1])  # random pictures fit nowhere
    found = device.again(
        fields(*FIRST), fields(*SECOND), lambda one, other: fields(*[rest] * len(one))
    ).permute(0, 2, 3, 1)
    expected = np.stack(cpu.again(FIRST, SECOND, lambda one, other: rest))
    apart = np.abs(found.numpy() - expected)
    assert np.quantile(apart, 0.99) < 0.1
    assert np.abs(expected - np.stack(FIRST)).mean() > 0.1


def test_weights_of_sides_that_differ_in_clipped_places_are_those_of_the_cpu() -> None:
    before, after = (4 * soft(seed) for seed in (8, 9))
    seen, own = [soft(1), 0.5 * soft(2)], [soft(3), 0.4 * soft(4)]
    expected = ghost.side_weights(before, after, ghost.apart(*seen), ghost.apart(*own))
    found = ghosts.side_weights(tensor(before, after), tensor(*seen), tensor(*own))
    np.testing.assert_allclose(found, expected, atol=0.02)
