"""The references of the kernels are what the CPU path does in OpenCV and NumPy: within one code value."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cuda_cases as make
import cv2
import numpy as np
import pytest
import torch

from streamfuse.align import denoise, fill, ghost
from streamfuse.align import flow as flow_rule
from streamfuse.backends.cuda import blend, finish, ghosts, unpack, warp
from streamfuse.backends.cuda import denoise as device_denoise
from streamfuse.backends.cuda import fill as device_fill
from streamfuse.backends.cuda.coding import coding
from streamfuse.backends.cuda.settings import comparison, noise_table, tone
from streamfuse.backends.cuda.weigh import DeviceWeigher
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Frame, FusionMaps
from streamfuse.fusion.blend import blend_luma
from streamfuse.fusion.chroma import fuse_chroma
from streamfuse.fusion.fuser import LcndrFuser, chroma_weights
from streamfuse.fusion.luma import normalise
from streamfuse.fusion.models import load_network
from streamfuse.fusion.stage import quantise, weigh_planes
from streamfuse.imaging import planes
from streamfuse.imaging.photometric import IntensityMapping, ratio_curve

SIZE = (97, 202)
KINDS = [(8, False, (1, 1)), (8, True, (0, 0)), (10, False, (1, 0)), (16, True, (1, 1)), (8, False, None)]


def a_frame(bits: int, full: bool, subsampling: tuple[int, int] | None, seed: int) -> Frame:
    luma = make.codes(SIZE, bits, seed).numpy()
    color = ColorInfo(matrix=1, full_range=full)
    if subsampling is None:
        return Frame((luma,), bits, (0, 0), color, 0, Fraction(1, 25), 0)
    small = (-(-SIZE[0] >> subsampling[1]), -(-SIZE[1] >> subsampling[0]))
    # Near to grey, as pictures are: not all of the cube of Y, Cb and Cr is colour.
    chroma = make.codes((2, *small), bits, seed + 50).numpy() // 4 + (3 << (bits - 3))
    return Frame((luma, *chroma), bits, subsampling, color, 0, Fraction(1, 25), 0)


def tensors(frame: Frame) -> tuple[torch.Tensor, torch.Tensor | None]:
    chroma = torch.from_numpy(np.stack(frame.planes[1:])) if len(frame.planes) > 1 else None
    return torch.from_numpy(frame.luma), chroma


def how(frame: Frame):
    return coding(frame.bits, frame.color, frame.height)


def apart(ours: torch.Tensor, theirs: np.ndarray) -> float:
    return float(np.abs(ours.double().numpy() - theirs.astype(np.float64)).max())


@pytest.mark.parametrize(("bits", "full", "subsampling"), KINDS)
def test_unpack_is_normalised_luma(bits, full, subsampling):
    frame = a_frame(bits, full, subsampling, 1)
    for size in (SIZE, (48, 101), (41, 87)):
        ours = unpack.unpack(tensors(frame)[0], how(frame), size)
        theirs = planes.normalised_luma(frame, (size[1], size[0]))
        assert apart(ours, theirs) <= how(frame).scale * 1.01


def matched(frame: Frame, curve: IntensityMapping, to_brighter: bool) -> tuple[np.ndarray, ...]:
    """Planes in the scale of another exposure, channel by channel, in OpenCV."""
    how_coded, apply = how(frame), curve.brighten if to_brighter else curve.darken
    colours = curve.brighten_rgb if to_brighter else curve.darken_rgb
    x = np.clip((frame.luma - how_coded.black) / how_coded.luma_range, 0, 1)
    table = curve.up if to_brighter else curve.down
    luma = np.round(
        how_coded.black + np.interp(x, np.linspace(0, 1, len(table)), table) * how_coded.luma_range
    )
    if len(frame.planes) == 1:
        return (luma,)
    small = planes.picture(frame, frame.planes[1].shape[::-1])
    to_rgb = planes._to_rgb(how_coded.kr, how_coded.kb)
    y, cb, cr = cv2.split(cv2.transform(colours(small.rgb), np.linalg.inv(to_rgb)))
    lost = (apply(small.luma) - y) * how_coded.luma_range
    luma = luma - cv2.resize(lost, frame.luma.shape[::-1], interpolation=cv2.INTER_LINEAR)
    chroma = [c * 2 * how_coded.chroma_half + how_coded.neutral for c in (cb, cr)]
    return tuple(np.clip(np.floor(p + 0.5), 0, how_coded.top) for p in (luma, *chroma))


@pytest.mark.parametrize(("bits", "full", "subsampling"), KINDS)
@pytest.mark.parametrize("to_brighter", [True, False])
@pytest.mark.parametrize("balance", [(1.0, 1.0), (1.2, 0.85)])
def test_match_brings_each_channel_to_the_other_scale(bits, full, subsampling, to_brighter, balance):
    frame, curve = a_frame(bits, full, subsampling, 2), replace(ratio_curve(2.0), balance=balance)
    ours = unpack.match(*tensors(frame), tone(curve, to_brighter, torch.device("cpu")), how(frame))
    exact = matched(frame, curve, to_brighter)
    # At 16 bit the 1024 nodes of the tone curve are what limits both.
    most = {8: 1, 10: 2, 16: 4}[bits]
    for n, theirs in enumerate(exact):
        mine = ours[0] if n == 0 else ours[1][n - 1]
        assert apart(mine, theirs) <= most * (1 + (n > 0))


def synthesised(frames, own, flows, weight, share, interpolation, top) -> np.ndarray:
    """One plane of a missing exposure, in OpenCV."""
    size, rows, columns = own.shape[::-1], *flows[0].shape[-2:]
    seen = []
    for plane, flow in zip(frames, flows, strict=True):
        moved = cv2.resize(flow.permute(1, 2, 0).numpy(), size, interpolation=cv2.INTER_LINEAR)
        moved *= np.array((own.shape[1] / columns, own.shape[0] / rows), np.float32)
        where = moved + np.dstack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in size)))
        there = plane.astype(np.float32)
        there = cv2.remap(there, where, None, interpolation, borderMode=cv2.BORDER_REPLICATE)
        seen.append(np.clip(np.rint(there), 0, top))
    w, s = (cv2.resize(m.numpy(), size, interpolation=cv2.INTER_LINEAR) for m in (weight, share))
    both = seen[0] if len(seen) == 1 else np.rint(seen[1] + w * (seen[0] - seen[1]))
    return np.clip(np.rint(own + s * (both - own)), 0, top)


@pytest.mark.parametrize(("bits", "full", "subsampling"), KINDS)
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_CUBIC])
def test_synthesise_is_remap_and_blend(bits, full, subsampling, count, interpolation):
    reference, *others = (a_frame(bits, full, subsampling, n) for n in range(3, 6))
    flows = [make.a_flow(48, 101, 6 + n) for n in range(count)]
    weight, share = (make.floats((48, 101), 8 + n) for n in range(2))
    top, cubic = how(reference).top, interpolation == cv2.INTER_CUBIC
    for index in range(len(reference.planes)):
        own = reference.planes[index]
        sides = tuple(
            warp.Neighbour(torch.from_numpy(f.planes[index])[None], flow)
            for f, flow in zip(others, flows, strict=False)
        )
        scale = (own.shape[0] / 48, own.shape[1] / 101)
        ours = warp.synthesise(sides, torch.from_numpy(own)[None], weight, share, scale, top, cubic)
        exact = synthesised(
            [f.planes[index] for f in others[:count]], own, flows, weight, share, interpolation, top
        )
        assert apart(ours[0], exact) <= (1 if bits < 16 else 2)


@pytest.mark.parametrize("brighter", [True, False])
def test_compare_is_that_of_the_ghost_mask(brighter):
    here, there = make.floats((48, 101), 1), make.floats((1, 48, 101), 2)
    flow = make.a_flow(48, 101, 3)
    curve = ratio_curve(2.0)
    ours = warp.compare(here, there, flow[None], brighter, comparison(curve, torch.device("cpu")))
    from streamfuse.align.flow import warp as warp_picture

    seen = warp_picture(there[0].numpy(), flow.permute(1, 2, 0).numpy())
    dark, bright = (here.numpy(), seen) if brighter else (seen, here.numpy())
    deviation = ghost.deviation(dark, bright, curve)
    np.testing.assert_allclose(ours[0][0], deviation, atol=0.02, rtol=0.02)
    np.testing.assert_allclose(ours[1][0], ghost.squared_error(here.numpy(), seen), atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (45, 61), (90, 160), (97, 202), (300, 700)])
def test_the_network_sees_what_it_sees_on_the_cpu(size):
    fuser, color = LcndrFuser("lcndr-xs", "cpu"), ColorInfo(matrix=1)
    stack = make.codes((2, *size), 8, 3)
    theirs = fuser.weigh([normalise(y, 8, color) for y in stack.numpy()])
    network = load_network("lcndr-xs")
    weigher = DeviceWeigher(network, fuser.seen_side, torch.device("cpu"), None, "fp32", graphs=False)
    ours, _ = weigher(stack, make.the_coding(), fuser.octaves(size))
    assert ours.coverage == pytest.approx(theirs.coverage)
    for mine, exact in zip((*ours.priors, *ours.gains), (*theirs.priors, *theirs.gains), strict=True):
        np.testing.assert_allclose(mine, exact, atol=1e-3)


@pytest.mark.parametrize("size", [(192, 320), (320, 640)])
def test_the_network_sees_the_noise_of_what_was_taken_as_on_the_cpu(size):
    fuser, coding = LcndrFuser("lcndr-xs", "cpu"), make.the_coding()
    taken = make.codes(size, 8, 4) // 4 + 96
    smooth = [cv2.blur(luma, (9, 9)) for luma in (taken.numpy(), make.codes(size, 8, 3).numpy())]
    stack = torch.from_numpy(np.stack(smooth))
    planes, color = [(luma,) for luma in stack.numpy()], ColorInfo(matrix=1)
    plain = weigh_planes(fuser, planes, 8, color)
    theirs = weigh_planes(fuser, planes, 8, color, {0: taken.numpy()}, 7)
    weigher = DeviceWeigher(
        load_network("lcndr-xs"), fuser.seen_side, torch.device("cpu"), None, "fp32", graphs=False
    )
    ours, _ = weigher(stack, coding, fuser.octaves(size), {0: taken}, 7)
    for mine, exact, without in zip(ours.priors, theirs.priors, plain.priors, strict=True):
        assert np.abs(mine.numpy() - exact).mean() < 0.2 * np.abs(exact - without).mean()


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("extra", [-5, -2, 0, 1])
def test_blend_is_that_of_opencv(count, extra):
    stack = make.codes((count, *SIZE), 8, 1)
    maps = make.the_maps(*SIZE, count, extra, 2)
    color = ColorInfo(matrix=1)
    theirs = blend_luma(
        [normalise(y, 8, color) for y in stack.numpy()],
        FusionMaps(
            tuple(p.numpy() for p in maps.priors), tuple(g.numpy() for g in maps.gains), maps.coverage
        ),
        make.EXPONENTS,
        extra,
    )
    ours = blend.blend(stack, make.the_coding(), maps, make.EXPONENTS, extra)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(("bits", "full", "subsampling"), KINDS[:4])
def test_finish_is_quantise_and_fuse_chroma(bits, full, subsampling):
    frames = [a_frame(bits, full, subsampling, 20 + n) for n in range(2)]
    maps = make.the_maps(*SIZE, 2, 1, 5)
    fused = make.floats(SIZE, 6) * 1.1 - 0.05
    coding_ = how(frames[0])
    luma = finish.pack_luma(fused, coding_, torch.empty_like(tensors(frames[0])[0]))
    assert apart(luma, quantise(fused.numpy(), bits, frames[0].color)) <= 1
    lumas = torch.stack([tensors(f)[0].to(torch.int32) for f in frames]).to(luma.dtype)
    chroma = torch.stack([tensors(f)[1].to(torch.int32) for f in frames], 1).to(luma.dtype)
    out = torch.empty_like(chroma[:, 0])
    ours = finish.fuse_chroma(lumas, fused, chroma, maps.priors[2], maps.coverage, coding_, out)
    weights = chroma_weights(
        FusionMaps(tuple(p.numpy() for p in maps.priors), (), maps.coverage),
        chroma.shape[2:],  # type: ignore[arg-type]
    )
    theirs = fuse_chroma(
        [(f.planes[1], f.planes[2]) for f in frames], [normalise(f.luma, bits, f.color) for f in frames],
        fused.numpy(), weights, bits, frames[0].color,
    )  # fmt: skip
    difference = np.abs(ours.double().numpy() - np.stack(theirs).astype(np.float64))
    assert difference.max() <= (
        1 if bits < 16 else 16
    )  # of 65535: 1/32 px in OpenCV's look-up of the weights


@pytest.mark.parametrize(("bits", "full", "subsampling"), KINDS)
def test_denoised_is_that_of_the_aligner(bits, full, subsampling):
    frame, curve = a_frame(bits, full, subsampling, 4), ratio_curve(4.0)
    small = (SIZE[1] // 2, SIZE[0] // 2)
    raised = planes.picture(frame, small).brightened(curve)
    theirs = denoise.denoised(
        frame.planes, frame, denoise.RaisedNoise(raised, curve, 1.5), np.zeros(small[::-1], np.float32)
    )
    table = noise_table(curve, torch.device("cpu"))
    known = ghosts.Noise(torch.from_numpy(raised), table, SIZE[1] / small[0])
    ours = device_denoise.denoised(
        *tensors(frame), device_denoise.variance(known, 1.5), how(frame), frame.subsampling
    )
    assert any((made != plane).any() for made, plane in zip(theirs, frame.planes, strict=True))
    for n, made in enumerate(theirs):
        mine = ours[0] if n == 0 else ours[1][n - 1]
        # Between the parts of the CPU path the noise is interpolated from one part alone.
        difference = np.abs(mine.numpy().astype(np.float64) - made.astype(np.float64)) * 255 / how(frame).top
        assert (difference > 1.01).mean() < 0.02


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("balance", [(1.0, 1.0), (1.2, 0.85)])
def test_what_nobody_saw_is_filled_alike(count, balance):
    size, rows, columns = (97, 202), 24, 50
    curve = replace(ratio_curve(3.0), balance=balance)
    own, trust = make.floats((3, *size), 1) * 1.6, make.floats(size, 2)
    own = own.clamp(max=1.0)
    sides = [make.floats((3, *size), 3 + n) for n in range(count)]
    flows = [make.a_flow(*size, 6 + n) for n in range(count)]
    small = [
        flow_rule.warp(
            cv2.resize(side.permute(1, 2, 0).numpy(), (columns, rows), interpolation=cv2.INTER_AREA),
            flow_rule.rescaled(np.ascontiguousarray(flow.permute(1, 2, 0).numpy()), (columns, rows)),
        )
        for side, flow in zip(sides, flows, strict=True)
    ]
    shares = fill.unknown(np.ascontiguousarray(own.permute(1, 2, 0).numpy()), trust.numpy())
    theirs = fill.lacking(np.ascontiguousarray(own.permute(1, 2, 0).numpy()), shares, small, curve)
    our_shares = device_fill.unknown(own, trust)
    np.testing.assert_allclose(our_shares, np.stack(shares), atol=1e-5)
    tones = (tone(curve, up, torch.device("cpu")) for up in (True, False))
    reduced = [device_fill.reduced(side, flow) for side, flow in zip(sides, flows, strict=True)]
    ours = device_fill.lacking(own, our_shares, reduced, *tones)
    assert float(ours.max()) > 0.05
    np.testing.assert_allclose(ours.permute(1, 2, 0), theirs, atol=4e-3)


@pytest.mark.parametrize(("bits", "full", "subsampling"), KINDS[:4])
def test_colours_are_added_alike(bits, full, subsampling):
    frame, more = a_frame(bits, full, subsampling, 2), make.floats((3, 48, 101), 3) * 0.3
    theirs = planes.added(frame.planes, np.ascontiguousarray(more.permute(1, 2, 0).numpy()), frame)
    luma, chroma = device_fill.added(*tensors(frame), more, how(frame))
    for ours, exact in zip((luma, *chroma), theirs, strict=True):
        assert apart(ours, exact) <= 1
