"""High dynamic range on the device is that of the CPU: the same rules and tables, computed with torch."""

from __future__ import annotations

from fractions import Fraction

import cuda_cases as make
import numpy as np
import pytest
import torch

from streamfuse.align.policy import AlignSettings
from streamfuse.backends.cuda import radiance as device
from streamfuse.backends.cuda.align import DeviceBracket
from streamfuse.backends.cuda.coding import coding
from streamfuse.backends.cuda.frames import DeviceFrame
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Bracket, Frame, Neighbours
from streamfuse.exposure import ExposureClassifier, Pairer
from streamfuse.fusion import radiance as rule
from streamfuse.fusion.radiance import HdrTarget
from streamfuse.fusion.radiance_scale import Meaning, picked
from streamfuse.imaging.photometric import PLAIN, SRGB
from streamfuse.runtime.line import Line, through

CPU = torch.device("cpu")
SIZE = (45, 62)


def taken(count, bits, subsampling, full=False, size=SIZE):
    """Exposures of anything at all, and the same on the device: the darkest is dim, the brightest clips in parts."""
    color = ColorInfo(1, 1, 1, full)
    exposures = []
    for rank in range(count):
        luma = (make.codes(size, bits, rank).numpy() >> (count - 1 - rank)).astype(
            np.uint8 if bits == 8 else np.uint16
        )
        small = [-(-side >> shift) for side, shift in zip(size, (subsampling or (0, 0))[::-1], strict=True)]
        chroma = make.codes((2, *small), bits, rank + 50).numpy() // 2 + (1 << (bits - 2))
        exposures.append((luma, *(() if subsampling is None else chroma.astype(luma.dtype))))
    frame = Frame(exposures[0], bits, subsampling or (0, 0), color, 0, Fraction(1, 25), 0)
    missing = {rank: Neighbours(frame, None) for rank in range(1, count)}
    bracket = Bracket(frame, 0, count, missing)
    lumas = torch.from_numpy(np.stack([planes[0] for planes in exposures]))
    pairs = None
    if subsampling is not None:
        pairs = torch.from_numpy(np.stack([[planes[n] for planes in exposures] for n in (1, 2)]))
    how = coding(bits, color, size[0])
    none = torch.zeros(())
    there = DeviceFrame(frame, lumas[0], None, how, none, None, none, None, None)
    return exposures, frame, DeviceBracket(bracket, there, lumas, pairs, none, None, None)


@pytest.mark.parametrize(
    ("count", "gap", "bits", "subsampling", "full"),
    [
        (2, 3.0, 8, (1, 1), False),
        (2, 7.0, 8, (1, 1), False),
        (3, 2.0, 10, (1, 0), True),
        (4, 2.5, 12, (0, 0), False),
        (5, 1.5, 16, (0, 1), True),
        (5, 3.0, 10, (2, 0), False),
        (2, 4.0, 8, None, False),
    ],
)
@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_codes_and_light_are_those_of_the_cpu(count, gap, bits, subsampling, full, transfer):
    exposures, frame, aligned = taken(count, bits, subsampling, full)
    gaps = tuple(gap * rank for rank in range(count))
    gains = tuple((1 + 0.1 * rank, 1.0, 1 - 0.1 * rank) for rank in range(count))
    meaning = Meaning(SRGB if count == 3 else PLAIN, gaps, gains, 1.5)
    coded = rule.coded_for(HdrTarget(transfer, peak=500.0), frame, meaning, 0.9)
    planes, light = rule.merged(
        exposures, gaps, meaning.transfer, bits, frame.subsampling, frame.color, coded, True, gains
    )
    ours, radiance = device.merged(aligned, meaning, coded, keep=True)
    # A float that lies midway between two places of a table may fall on either side.
    close = np.isclose(radiance, light, rtol=1e-4, atol=1e-7)
    assert close.mean() > 0.999
    assert [one.shape for one in ours] == [one.shape for one in planes]
    for one, exact in zip(ours, planes, strict=True):
        difference = np.abs(one.astype(int) - exact)
        assert one.dtype == exact.dtype and np.mean(difference <= 1) > 0.999 and difference.mean() < 0.02


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 0), None])
def test_the_same_pixels_tell_the_exposures(subsampling):
    exposures, _, aligned = taken(2, 8, subsampling)
    for ours, exact in zip(device._picked(aligned), picked(exposures), strict=True):
        for one, other in zip(ours, exact, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mode", ["off", "flow"])
@pytest.mark.parametrize("hdr", ["pq", "linear"])
def test_frames_are_those_of_the_chain_on_the_cpu(mode, hdr):
    pytest.importorskip("pydantic", reason="the CPU path is put together from a configuration")
    from streamfuse.config import load_config
    from streamfuse.runtime.chain import build_chain

    frames = make.clip(5)
    config = load_config().with_overrides(preset="fast", align=mode, hdr=hdr, device="cpu")
    theirs = list(through(build_chain(config).line, frames))
    target = HdrTarget("pq", keep=hdr == "linear")
    stage = device.DeviceRadiance(CPU, AlignSettings("fast", mode, careful=True), target)
    assert (stage.name, stage.device) == ("radiance", "cpu")
    ours = through(Line("label", ExposureClassifier()).then("pair", Pairer()).then("fuse", stage), frames)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.index, one.pts, one.exposures) == (other.index, other.pts, other.exposures)
        assert (one.bits, one.color, one.radiance is None) == (10, other.color, other.radiance is None)
        for plane, exact in zip(one.planes, other.planes, strict=True):
            error = np.mean((plane.astype(float) - exact) ** 2)
            assert 10 * np.log10(1023**2 / max(error, 1e-9)) > 34
        if hdr == "linear":
            assert float(np.median(one.radiance / other.radiance)) == pytest.approx(1, abs=0.02)
