"""Each kernel does what its torch reference does: on the CPU through the emulator, on a GPU as it is."""

from __future__ import annotations

import cuda_cases as make
import pytest
import torch
from emulator import Emulator, fenced, kernel_names
from torch import Tensor

from streamfuse.cuda import blend, finish, launch, unpack, warp
from streamfuse.cuda.launch import Launcher, launcher_for

# Float arithmetic in another order: half a thousandth of a code value at 8 bit.
CLOSE = {"atol": 2e-6, "rtol": 2e-5}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture
def start(device: torch.device, request: pytest.FixtureRequest) -> Launcher:
    if device.type == "cuda":
        launcher = launcher_for(device)
        assert launcher is not None, f"CuPy: {launch.cupy_problem()}"
        return launcher
    emulator: Emulator = request.getfixturevalue("emulator")
    return emulator


def put(values: Tensor, device: torch.device) -> Tensor:
    """On the device; on the CPU between fences."""
    return fenced(values) if device.type == "cpu" else values.to(device)


def same_codes(ours: Tensor, expected: Tensor, share: float = 2e-3) -> None:
    """Equal but for single codes where a value lies between two of them."""
    difference = (ours.cpu().to(torch.float64) - expected.cpu().to(torch.float64)).abs()
    assert difference.max() <= 1
    assert (difference > 0).to(torch.float64).mean() <= share


@pytest.mark.parametrize("size", [*make.SIZES, make.LARGE])
@pytest.mark.parametrize(("bits", "full"), make.DEPTHS)
def test_unpack(start, device, size, bits, full):
    codes, how = make.codes(size, bits, 1), make.the_coding(bits, full)
    for small in (size, (size[0] // 2, size[1] // 2), (max(1, size[0] * 3 // 7), max(1, size[1] * 3 // 7))):
        ours = unpack.unpack(put(codes, device), how, small, 1.7, start)
        expected = unpack.unpack_reference(codes, how, small, 1.7, torch.float64)
        code = 1.7 * how.scale * 1.001  # a reduced code between two may be rounded either way
        difference = (ours.cpu() - expected).abs()
        assert difference.max() <= code
        assert (difference > 1e-5).double().mean() < 2e-3


def a_tone(exact: bool, brighten: bool, device: torch.device) -> unpack.Tone:
    x = torch.linspace(0, 1, 1024)
    factor = 2.0 if brighten else 0.5
    table = (x * factor).clamp(max=1.0) if exact else (x ** (0.6 if brighten else 1.7))
    return unpack.Tone(put(table, device), factor if exact else 0.0)


@pytest.mark.parametrize("size", [*make.SIZES, make.LARGE])
@pytest.mark.parametrize(("bits", "full"), make.DEPTHS)
@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 0), None])
def test_match(start, device, size, bits, full, subsampling):
    how, luma = make.the_coding(bits, full), make.codes(size, bits, 2)
    chroma = None
    if subsampling is not None:
        chroma = make.codes((2, -(-size[0] >> subsampling[1]), -(-size[1] >> subsampling[0])), bits, 3)
    for exact, brighten in ((True, True), (True, False), (False, True)):
        expected = unpack.match_reference(luma, chroma, a_tone(exact, brighten, device).__class__(
            a_tone(exact, brighten, torch.device("cpu")).table, a_tone(exact, brighten, device).factor
        ), how, torch.float64)
        ours = unpack.match(
            put(luma, device), None if chroma is None else put(chroma, device),
            a_tone(exact, brighten, device), how, start,
        )  # fmt: skip
        if exact:
            same_codes(ours[0], expected[0], 0.02)
        if chroma is not None:
            same_codes(ours[1], expected[1], 0.02) if exact else None


@pytest.mark.parametrize("size", [*make.SIZES, make.LARGE])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("cubic", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_synthesise(start, device, size, bits, cubic, count):
    rows, columns = max(2, size[0] * 3 // 7), max(2, size[1] * 3 // 7)
    scale = (size[0] / rows, size[1] / columns)
    planes = [make.codes((2, *size), bits, 10 + n) for n in range(3)]
    flows = [make.a_flow(rows, columns, 20 + n) for n in range(2)]
    weight, share = (make.floats((rows, columns), 30 + n) for n in range(2))
    top = float((1 << bits) - 1)

    def sides(place):
        return tuple(
            warp.Neighbour(place(p), place(f)) for p, f in zip(planes[:count], flows[:count], strict=True)
        )

    expected = warp.synthesise_reference(
        sides(lambda t: t), planes[2], weight, share, scale, top, cubic, torch.float64
    )
    ours = warp.synthesise(
        sides(lambda t: put(t, device)), put(planes[2], device), put(weight, device), put(share, device),
        scale, top, cubic, start,
    )  # fmt: skip
    same_codes(ours, expected, 0.01)


def test_a_neighbour_without_motion_is_taken_as_it_is(start, device):
    plane = make.codes((1, 40, 50), 8, 1)
    side = (warp.Neighbour(put(plane, device), None),)
    ours = warp.synthesise(side, put(plane, device), None, None, (1.0, 1.0), 255.0, True, start)
    assert torch.equal(ours.cpu(), plane)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), *make.SIZES, (240, 427)])
@pytest.mark.parametrize("brighter", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_compare(start, device, size, brighter, count):
    here, there = make.floats(size, 1), make.floats((count, *size), 2)
    flows = torch.stack([make.a_flow(*size, 3 + n) for n in range(count)])
    table = torch.linspace(0, 1, 1024)

    def settings(place):
        return warp.Comparison(place((table - 0.02).clamp(min=0)), place(table + 0.03), 0.35, 0.02, 0.012)

    for motion in (flows, None):
        expected = warp.compare_reference(
            here, there, motion, brighter, settings(lambda t: t), torch.float64
        )
        ours = warp.compare(
            put(here, device), put(there, device), None if motion is None else put(motion, device),
            brighter, settings(lambda t: put(t, device)), start,
        )  # fmt: skip
        # One node of the table, where a luma lies between two, moves a pixel's share of the mean.
        torch.testing.assert_close(ours[0].cpu().double(), expected[0], atol=5e-3, rtol=2e-2)
        torch.testing.assert_close(ours[1].cpu().double(), expected[1], **CLOSE)


@pytest.mark.parametrize("size", make.SIZES)
@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("extra", [0, 2])
def test_blend(start, device, size, count, extra):
    check_blend(start, device, size, 8, count, extra, gains=True)


@pytest.mark.parametrize("bits", [8, 10])
def test_blend_of_a_larger_picture(start, device, bits):
    check_blend(start, device, make.LARGE, bits, 2, 1, gains=False)


def check_blend(start, device, size, bits, count, extra, gains):
    lumas, how = make.codes((count, *size), bits, 5), make.the_coding(bits)
    maps = make.the_maps(*size, count, extra, 6, gains)
    expected = blend.blend_reference(lumas, how, maps, make.EXPONENTS, extra, torch.float64)
    moved = blend.DeviceMaps(
        tuple(put(p, device) for p in maps.priors), tuple(put(g, device) for g in maps.gains), maps.coverage
    )
    ours = blend.blend(put(lumas, device), how, moved, make.EXPONENTS, extra, start)
    torch.testing.assert_close(ours.cpu().double(), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("size", [*make.SIZES, make.LARGE])
@pytest.mark.parametrize(("bits", "full"), make.DEPTHS)
@pytest.mark.parametrize("dither", [False, True])
def test_pack_luma(start, device, size, bits, full, dither):
    how = make.the_coding(bits, full)
    fused = make.floats(size, 7) * 1.2 - 0.1
    out = torch.empty(size, dtype=torch.uint8 if bits == 8 else torch.uint16)
    ours = finish.pack_luma(put(fused, device), how, put(out.fill_(0), device), dither, start)
    same_codes(ours, finish.pack_luma_reference(fused, how, dither, torch.float64))


@pytest.mark.parametrize("size", [*make.SIZES, make.LARGE])
@pytest.mark.parametrize(("bits", "full"), make.DEPTHS)
@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize("count", [2, 3])
def test_fuse_chroma(start, device, size, bits, full, subsampling, count):
    how, lumas = make.the_coding(bits, full), make.codes((count, *size), bits, 8)
    small = (-(-size[0] >> subsampling[1]), -(-size[1] >> subsampling[0]))
    chroma = make.codes((2, count, *small), bits, 9)
    fused, maps = make.floats(size, 10), make.the_maps(*size, count, 1, 11)
    arguments = (lumas, fused, chroma, maps.priors[2])
    expected = finish.fuse_chroma_reference(*arguments, maps.coverage, how, False, torch.float64)
    out = put(torch.zeros((2, *small), dtype=lumas.dtype), device)
    placed = (put(a, device) for a in arguments)
    ours = finish.fuse_chroma(*placed, maps.coverage, how, out, launcher=start)
    same_codes(ours, expected)


def test_dithering_keeps_the_mean_of_a_gradient_that_rounding_would_step():
    how = make.the_coding(8, True)
    fused = torch.full((64, 64), 100.25 / 255)
    plain = finish.pack_luma_reference(fused, how, False)
    mixed = finish.pack_luma_reference(fused, how, True)
    assert plain.mean() == 100
    assert abs(float(mixed.mean()) - 100.25) < 0.01
    assert len(finish.bayer(8, 8, fused).unique()) == 64


def test_every_kernel_is_run_here(emulator):
    """Last in the file: what no test above launched has not been tested."""
    declared = {name for file in launch.FILES for name in kernel_names(file)}
    if len(emulator.launched) > 5:  # the whole file was run, not a single test
        assert declared - emulator.launched == set()
