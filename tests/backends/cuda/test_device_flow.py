"""The kernels of the motion search against their references, and the motion against what it should be."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from emulator import kernel_names, put

from streamfuse.align.flow import FlowEstimator
from streamfuse.backends.cuda import flow

SIZES = [(16, 16), (31, 45), (64, 70)]


def scene(height: int, width: int, seed: int) -> np.ndarray:
    """Texture of several scales, in [0, 1]."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width), np.float32)
    for step in (4, 8, 16, 32):
        rough = rng.standard_normal((height // step + 2, width // step + 2)).astype(np.float32)
        picture += cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC) * np.sqrt(step)
    return np.asarray((picture - picture.min()) / np.ptp(picture), np.float32)


def moved(
    height: int, width: int, seed: int, reach: float = 4.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(source, target, exact flow (h, w, 2))."""
    rng = np.random.default_rng(seed)
    target = scene(height, width, seed)
    rough = rng.standard_normal((3, 4, 2)).astype(np.float32) * reach
    field = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    where = field + np.dstack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in (width, height))))
    source = cv2.remap(target, where, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return source, target, field


def pair(
    size: tuple[int, int], dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two pictures x 255 with their batch, and a field not far from the truth."""
    made = [moved(*size, seed) for seed in (1, 2)]
    source, target = (torch.from_numpy(np.stack([m[n] for m in made])) * 255 for n in (0, 1))
    field = torch.from_numpy(np.stack([m[2] for m in made])).permute(0, 3, 1, 2).contiguous()
    torch.manual_seed(1)
    return source.to(dtype), target.to(dtype), (field + 0.5 * torch.randn_like(field)).to(dtype)


def nearly(ours: torch.Tensor, expected: torch.Tensor, close: float, share: float) -> None:
    """Within `close` but for a share of the values: a choice between two candidates may fall either way."""
    far = (ours.cpu().double() - expected.double()).abs() > close
    assert far.double().mean() <= share


@pytest.mark.parametrize("size", SIZES)
def test_search(start, device, size):
    exact = flow.search_reference(*pair(size, torch.float64))
    ours = flow.search(*(put(t, device) for t in pair(size)), start)  # type: ignore[arg-type, call-arg]
    assert ours.shape[2:] == flow.patch_counts(*size)
    nearly(ours, exact, 0.02, 0.02)


@pytest.mark.parametrize("size", SIZES)
def test_densify(start, device, size):
    source, target, _ = pair(size)
    patches = torch.randn(2, 2, *flow.patch_counts(*size)) * 3
    exact = flow.densify_reference(source.double(), target.double(), patches.double())
    ours = flow.densify(put(source, device), put(target, device), put(patches, device), start)
    nearly(ours, exact, 1e-3, 0.0)


@pytest.mark.parametrize("size", SIZES)
def test_a_refinement(start, device, size):
    source, target, field = pair(size)
    seen = flow.look_along(target.double(), field.double())
    system = flow.linearise_reference(source.double(), seen, field.double())
    relaxed = flow.relax_reference(field.double(), system)
    placed = [put(t, device) for t in (source, target, field)]
    torch.testing.assert_close(
        flow.look_along(placed[1], placed[2], start).cpu().double(), seen, atol=1e-2, rtol=0
    )
    ours = flow.linearise(placed[0], put(seen.float(), device), placed[2], start).cpu().double()
    torch.testing.assert_close(ours, system, atol=1e-2, rtol=2e-2)
    ours = flow.relax(placed[2], put(system.float(), device), start)
    nearly(ours, relaxed, 1e-3, 0.0)


def end_point_error(found: np.ndarray, exact: np.ndarray) -> float:
    inner = (slice(8, -8), slice(8, -8))
    return float(np.hypot(*(found - exact)[inner].transpose(2, 0, 1)).mean())


@pytest.mark.parametrize("finest", [0, 1])
def test_motion_is_as_good_as_that_of_the_cpu_path(finest):
    ours, theirs = [], []
    for seed in (5, 6):
        source, target, exact = moved(96, 160, seed)
        found = flow.dense_flow(torch.from_numpy(source)[None], torch.from_numpy(target)[None], finest)
        ours.append(end_point_error(found[0].permute(1, 2, 0).numpy(), exact))
        theirs.append(end_point_error(FlowEstimator("flow", finest)(source, target), exact))
    assert np.mean(ours) < 1.2 * np.mean(theirs) + 0.05
    assert np.mean(ours) < 0.5


def test_kernels_and_references_find_the_same_motion(start, device):
    source, target, _ = moved(60, 90, 7)
    planes = [torch.from_numpy(p)[None] for p in (source, target)]
    expected = flow.dense_flow(*planes, 0, refinements=2)  # type: ignore[arg-type, call-arg]
    ours = flow.dense_flow(*(put(p, device) for p in planes), 0, start, refinements=2)  # type: ignore[arg-type, call-arg]
    nearly(ours, expected, 0.05, 0.05)


def test_no_motion_is_none_and_small_pictures_have_none():
    still = torch.from_numpy(scene(40, 60, 1))[None]
    assert flow.dense_flow(still, still, 0).abs().max() < 0.01
    tiny = torch.rand(1, 12, 40)
    assert flow.dense_flow(tiny, tiny.flip(2), 0).abs().max() == 0


def test_a_flat_picture_gives_no_motion_but_no_nan_either():
    flat = torch.full((1, 32, 48), 0.5)
    assert flow.dense_flow(flat, flat + 0.1, 0).abs().max() < 0.5


def test_every_kernel_of_the_search_is_run_here(emulator):
    """Last in the file, as that of test_kernels.py."""
    assert set(kernel_names("flow")) - emulator.launched in (set(), set(kernel_names("flow")))
