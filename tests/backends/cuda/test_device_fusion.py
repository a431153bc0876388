"""The resident fusion gives what the CPU path gives, frame for frame."""

from __future__ import annotations

import cuda_cases as make
import numpy as np
import pytest
import torch

from streamfuse.align import Aligner
from streamfuse.backends.cuda import stage as resident
from streamfuse.backends.cuda.align import DeviceAligner
from streamfuse.backends.cuda.stage import DeviceFusion, DeviceFusionSettings
from streamfuse.core.frame import ClassifiedFrame
from streamfuse.errors import DeviceError
from streamfuse.exposure import ExposureClassifier, Pairer
from streamfuse.fusion.fuser import LcndrFuser
from streamfuse.runtime.line import Line, through

CPU = torch.device("cpu")


def psnr(one: np.ndarray, other: np.ndarray, bits: int) -> float:
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(((1 << bits) - 1) ** 2 / max(error, 1e-9)))


def brackets(frames, rate="full"):
    return list(through(Line("label", ExposureClassifier()).then("pair", Pairer(rate)), frames))


def in_turns(fusion, items):
    return list(through(fusion, items))


@pytest.mark.parametrize(
    ("bits", "subsampling", "known"),
    [(8, (1, 1), True), (10, (1, 0), False), (8, None, True), (16, (0, 0), True)],
)
def test_the_aligned_exposures_are_those_of_the_aligner(bits, subsampling, known):
    items = brackets(make.clip(5, bits, subsampling, known))
    ours, theirs = DeviceAligner(CPU, None, mode="off"), Aligner(mode="off")
    for item in items:
        (expected,) = theirs.push(item)
        found = ours(item)
        for rank in range(item.cycle):
            planes = [found.lumas[rank], *(() if found.chroma is None else found.chroma[:, rank])]
            for plane, exact in zip(planes, expected.exposures[rank], strict=True):
                if rank == item.rank:
                    np.testing.assert_array_equal(plane.numpy(), exact)
                else:
                    assert psnr(plane.numpy(), exact, bits) > 45


@pytest.mark.parametrize(("mode", "least"), [("off", 32.0), ("flow", 36.0)])
@pytest.mark.parametrize("smooth", [True, False])
def test_fused_frames_are_those_of_the_cpu_path(mode, least, smooth):
    pytest.importorskip("pydantic", reason="the CPU path is put together from a configuration")
    from streamfuse.config import load_config
    from streamfuse.runtime.chain import build_chain

    frames = make.clip(6)
    config = load_config().with_overrides(preset="fast", align=mode, smooth=smooth, device="cpu")
    theirs = list(through(build_chain(config).line, frames))
    settings = DeviceFusionSettings("fast", mode, smooth=smooth)
    ours = in_turns(DeviceFusion(LcndrFuser("lcndr-xs", "cpu"), settings), brackets(frames))
    assert [f.index for f in ours] == [f.index for f in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert (one.pts, one.exposures, one.bits) == (other.pts, other.exposures, other.bits)
        assert one.stats["untrusted_share"] == pytest.approx(other.stats["untrusted_share"], abs=0.02)
        for plane, exact in zip(one.planes, other.planes, strict=True):
            assert plane.dtype == exact.dtype
            assert psnr(plane, exact, 8) > least


def test_what_a_frame_was_made_of_can_be_looked_at():
    pytest.importorskip("pydantic", reason="the CPU path is put together from a configuration")
    from streamfuse.config import load_config
    from streamfuse.runtime.chain import build_chain

    frames, theirs = make.clip(5), []
    config = load_config().with_overrides(preset="fast", device="cpu")
    keep = lambda bracket, frame: theirs.append((bracket, frame)) or frame  # noqa: E731
    assert len(list(through(build_chain(config, finish=[keep]).line, frames))) == len(frames)
    fusion = DeviceFusion(LcndrFuser("lcndr-xs", "cpu"), DeviceFusionSettings("fast"), keep=True)
    for frame, (other, expected) in zip(in_turns(fusion, brackets(frames)), theirs, strict=True):
        one = frame.made_of
        assert one.aligned.bracket.reference.index == frame.index == expected.index
        assert one.aligned.gaps_ev == pytest.approx(other.aligned.gaps_ev, abs=0.05)
        for planes, exact in zip(one.aligned.exposures, other.aligned.exposures, strict=True):
            assert all(psnr(a, b, 8) > 36 for a, b in zip(planes, exact, strict=True))
        for trust, exact in zip(one.aligned.trust, other.aligned.trust, strict=True):
            assert (trust is None) == (exact is None)
            assert trust is None or trust.shape == exact.shape
        assert [prior.shape for prior in one.maps.priors] == [prior.shape for prior in other.maps.priors]
        assert len(one.maps.gains) == len(other.maps.gains)


@pytest.mark.parametrize("rate", ["full", "half"])
def test_each_frame_comes_out_once_and_in_order(rate):
    items = brackets(make.clip(7), rate)
    fusion = DeviceFusion(LcndrFuser("lcndr-xs", "cpu"), DeviceFusionSettings("fast", "off", rate=rate))
    assert [f.index for f in in_turns(fusion, items)] == [b.reference.index for b in items]
    assert list(fusion.flush()) == []


@pytest.mark.slow
def test_the_kernels_give_what_the_references_give(start, device, monkeypatch):
    """The whole stage, on the CPU through the emulator."""
    items = brackets(make.clip(4)[:4])
    settings = DeviceFusionSettings("fast", precision="fp32", graphs=False)
    monkeypatch.setattr(resident, "launcher_for", lambda device: None)
    expected = in_turns(DeviceFusion(LcndrFuser("lcndr-xs", "cpu"), settings), items)
    monkeypatch.setattr(resident, "launcher_for", lambda device: start)
    ours = in_turns(DeviceFusion(LcndrFuser("lcndr-xs", str(device)), settings), items)
    for one, other in zip(ours, expected, strict=True):
        for plane, exact in zip(one.planes, other.planes, strict=True):
            difference = np.abs(plane.astype(int) - exact)
            assert difference.max() <= 3  # where two candidates of the motion search are as good
            assert (difference > 1).mean() < 0.005


@pytest.mark.cuda
@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_graphs_and_half_precision_change_next_to_nothing(precision, graphs):
    items = brackets(make.clip(6))
    plain = DeviceFusionSettings("fast", precision="fp32", graphs=False)
    expected = in_turns(DeviceFusion(LcndrFuser("lcndr-xs", "cuda"), plain), items)
    settings = DeviceFusionSettings("fast", precision=precision, graphs=graphs)
    ours = in_turns(DeviceFusion(LcndrFuser("lcndr-xs", "cuda"), settings), items)
    for one, other in zip(ours, expected, strict=True):
        assert psnr(one.luma, other.luma, 8) > (60 if precision == "fp32" else 45)


def test_dithering_changes_single_codes_only():
    items = brackets(make.clip(3))
    fuser = LcndrFuser("lcndr-xs", "cpu")
    plain, mixed = (
        in_turns(DeviceFusion(fuser, DeviceFusionSettings("fast", "off", dither=dither)), items)
        for dither in (False, True)
    )
    differences = [np.abs(a.luma.astype(int) - b.luma) for a, b in zip(plain, mixed, strict=True)]
    assert max(d.max() for d in differences) == 1


@pytest.mark.parametrize("subsampling", [(1, 1), None])
def test_a_frame_without_a_partner_passes_as_it_is(subsampling):
    frames = make.clip(6, 8, subsampling, False)
    items = in_turns(Pairer(), [ClassifiedFrame(f, n % 2, 2, alone=n < 3) for n, f in enumerate(frames)])
    fusion = DeviceFusion(
        LcndrFuser("lcndr-xs", "cpu"), DeviceFusionSettings("fast", graphs=False, precision="fp32")
    )
    out = in_turns(fusion, items)
    assert [frame.index for frame in out] == list(range(6))
    for frame, source in zip(out[:3], frames, strict=False):
        assert frame.exposures == (source.index,)
        for made, own in zip(frame.planes, source.planes, strict=True):
            np.testing.assert_array_equal(made, own)
    assert not np.array_equal(out[4].planes[0], frames[4].planes[0])


def test_too_little_memory_is_said_plainly(monkeypatch):
    fusion = DeviceFusion(LcndrFuser("lcndr-xs", "cpu"), DeviceFusionSettings("fast", "off"))

    def fail(item):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(fusion, "_align", fail)
    with pytest.raises(DeviceError, match="160x96; use device cpu"):
        fusion.push(brackets(make.clip(3))[0])


def test_without_a_gpu_the_chain_is_that_of_the_cpu():
    pytest.importorskip("pydantic", reason="the chain is put together from a configuration")
    from streamfuse.config import load_config
    from streamfuse.runtime.chain import build_chain

    config = load_config().with_overrides(preset="fast", device="cpu")
    names = [named.name for named in build_chain(config, on_device=True).line.stages]
    assert names == ["label", "pair", "align", "weigh", "smooth", "blend"]


@pytest.mark.cuda
def test_on_a_gpu_one_stage_does_it_all_unless_told_otherwise(monkeypatch):
    pytest.importorskip("pydantic", reason="the chain is put together from a configuration")
    from streamfuse.config import load_config
    from streamfuse.runtime.chain import build_chain

    config = load_config().with_overrides(preset="fast", device="cuda")
    assert [named.name for named in build_chain(config, on_device=True).line.stages] == [
        "label",
        "pair",
        "fuse",
    ]
    monkeypatch.setenv("STREAMFUSE_RESIDENT", "0")
    assert "align" in [named.name for named in build_chain(config, on_device=True).line.stages]
