"""Each kernel does what its torch reference does: on the CPU through the emulator, on a GPU as it is."""

from __future__ import annotations

import cuda_cases as make
import pytest
import torch
from emulator import kernel_names, put
from torch import Tensor

from streamfuse.backends.cuda import blend, finish, launch, unpack, warp

# Float arithmetic in another order: half a thousandth of a code value at 8 bit.
CLOSE = {"atol": 2e-6, "rtol": 2e-5}


def same_codes(ours: Tensor, expected: Tensor, bits: int, most: int = 1) -> None:
    """Equal but where a value lies between two codes; at 16 bit that is as near as float32 gets."""
    difference = (ours.cpu().to(torch.float64) - expected.cpu().to(torch.float64)).abs()
    assert difference.max() <= most + (bits == 16)
    assert (difference > 0).to(torch.float64).mean() <= (0.02 if bits < 16 else 0.3)


@pytest.mark.parametrize(("size", "bits", "full"), make.FORMATS)
def test_unpack(start, device, size, bits, full):
    codes, how = make.codes(size, bits, 1), make.the_coding(bits, full)
    for small in (size, (size[0] // 2, size[1] // 2), (max(1, size[0] * 3 // 7), max(1, size[1] * 3 // 7))):
        ours = unpack.unpack(put(codes, device), how, small, 1.7, start)
        expected = unpack.unpack_reference(codes, how, small, 1.7, torch.float64)
        code = 1.7 * how.scale + 1e-6  # a reduced code between two may be rounded either way
        difference = (ours.cpu() - expected).abs()
        assert difference.max() <= code
        share = 2e-3 if bits < 16 else 0.1
        assert (difference > 1e-5).sum() <= max(
            1, share * difference.numel()
        )  # one pixel of few is a large share


def a_tone(factor: float, power: float, device: torch.device | None = None) -> unpack.Tone:
    """A plain ratio, or (factor 0) a curve from a table."""
    x = torch.linspace(0, 1, 1024)
    table = (x * factor).clamp(max=1.0) if factor else x**power
    balance = ((1.3, 0.8), (0.9, 1.2))  # white balance before and after
    return unpack.Tone(table if device is None else put(table, device), factor, *balance)


@pytest.mark.parametrize(("size", "bits", "full"), make.FORMATS)
@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 0), None])
def test_match(start, device, size, bits, full, subsampling):
    how, luma, chroma = make.the_coding(bits, full), make.codes(size, bits, 2), None
    if subsampling is not None:
        chroma = make.codes((2, -(-size[0] >> subsampling[1]), -(-size[1] >> subsampling[0])), bits, 3)
    for tone in ((2.1, 0.0), (0.53, 0.0), (0.0, 0.6)):
        expected = unpack.match_reference(luma, chroma, a_tone(*tone), how, torch.float64)
        moved = None if chroma is None else put(chroma, device)
        ours = unpack.match(put(luma, device), moved, a_tone(*tone, device), how, start)
        # A reduced luma between two codes, and a value between two nodes of a table, may take either.
        most = 3 if tone[0] else 4 * 2 ** (bits - 8)
        for one, other in zip(ours, expected, strict=True):
            if other is not None:
                same_codes(one, other, bits, most)


@pytest.mark.parametrize(("size", "bits", "full"), make.FORMATS)
@pytest.mark.parametrize("cubic", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_synthesise(start, device, size, bits, full, cubic, count):
    rows, columns = max(2, size[0] * 3 // 7), max(2, size[1] * 3 // 7)
    scale = (size[0] / rows, size[1] / columns)
    planes = [make.codes((2, *size), bits, 10 + n) for n in range(3)]
    flows = [make.a_flow(rows, columns, 20 + n) for n in range(2)]
    weight, share = (make.floats((rows, columns), 30 + n) for n in range(2))
    top = make.the_coding(bits, full).top

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
    same_codes(ours, expected, bits)


def test_a_neighbour_without_motion_is_taken_as_it_is(start, device):
    plane = make.codes((1, 40, 50), 8, 1)
    side = (warp.Neighbour(put(plane, device), None),)
    ours = warp.synthesise(side, put(plane, device), None, None, (1.0, 1.0), 255.0, True, start)
    assert torch.equal(ours.cpu(), plane)


@pytest.mark.parametrize("size", [(1, 1), (5, 4), *make.SIZES])
@pytest.mark.parametrize("brighter", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_compare(start, device, size, brighter, count):
    here, there = make.floats(size, 1), make.floats((count, *size), 2)
    flows = torch.stack([make.a_flow(size[0], size[1], 3 + n) for n in range(count)])
    table = torch.linspace(0, 1, 1024)

    def settings(place):
        return warp.Comparison(place((table - 0.02).clamp(min=0)), place(table + 0.03), 0.35, 0.02, 0.012)

    for motion in (flows, None):
        expected = warp.compare_reference(here, there, motion, brighter, settings(lambda t: t), torch.float64)
        ours = warp.compare(
            put(here, device), put(there, device), None if motion is None else put(motion, device),
            brighter, settings(lambda t: put(t, device)), start,
        )  # fmt: skip
        # One node of the table, where a luma lies between two, moves a pixel's share of the mean.
        torch.testing.assert_close(ours[0].cpu().double(), expected[0], atol=5e-3, rtol=2e-2)
        torch.testing.assert_close(ours[1].cpu().double(), expected[1], **CLOSE)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", make.SIZES)
@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("extra", [-5, -1, 0, 2])
def test_blend(start, device, size, count, extra):
    check_blend(start, device, size, 8, count, extra, gains=True)


@pytest.mark.parametrize("bits", [8, 10])
def test_blend_of_a_larger_picture(start, device, bits):
    check_blend(start, device, make.LARGE, bits, 2, 1, gains=False)


def check_blend(start, device, size, bits, count, extra, gains):
    lumas, how = make.codes((count, *size), bits, 5), make.the_coding(bits)
    maps = make.the_maps(size[0], size[1], count, extra, 6, gains)
    expected = blend.blend_reference(lumas, how, maps, make.EXPONENTS, extra, torch.float64)
    moved = blend.DeviceMaps(
        tuple(put(p, device) for p in maps.priors), tuple(put(g, device) for g in maps.gains), maps.coverage
    )
    ours = blend.blend(put(lumas, device), how, moved, make.EXPONENTS, extra, start)
    torch.testing.assert_close(ours.cpu().double(), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize(("size", "bits", "full"), make.FORMATS)
@pytest.mark.parametrize("dither", [False, True])
def test_pack_luma(start, device, size, bits, full, dither):
    how = make.the_coding(bits, full)
    fused = make.floats(size, 7) * 1.2 - 0.1
    out = torch.empty(size, dtype=torch.uint8 if bits == 8 else torch.uint16)
    ours = finish.pack_luma(put(fused, device), how, put(out.fill_(0), device), dither, start)
    same_codes(ours, finish.pack_luma_reference(fused, how, dither, torch.float64), bits)


@pytest.mark.parametrize(("size", "bits", "full"), make.FORMATS)
@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize("count", [2, 3])
def test_fuse_chroma(start, device, size, bits, full, subsampling, count):
    how, lumas = make.the_coding(bits, full), make.codes((count, *size), bits, 8)
    small = (-(-size[0] >> subsampling[1]), -(-size[1] >> subsampling[0]))
    chroma = make.codes((2, count, *small), bits, 9)
    fused, maps = make.floats(size, 10), make.the_maps(size[0], size[1], count, 1, 11)
    arguments = (lumas, fused, chroma, maps.priors[2])
    expected = finish.fuse_chroma_reference(*arguments, maps.coverage, how, False, torch.float64)
    out = put(torch.zeros((2, *small), dtype=lumas.dtype), device)
    placed = (put(a, device) for a in arguments)
    ours = finish.fuse_chroma(*placed, maps.coverage, how, out, launcher=start)  # type: ignore[arg-type, call-arg]
    # Colours far outside of the gamut are brought back by quotients of small differences.
    same_codes(ours, expected, bits, 16 if bits == 16 else 1)


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
    # test_device_flow.py has those of the motion search
    declared = {name for file in launch.FILES if file != "flow" for name in kernel_names(file)}
    if len(emulator.launched) > 10:  # the whole file was run, not a single test
        assert declared - emulator.launched == set()
