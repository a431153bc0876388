"""What real cameras do to alternating exposures beyond the standard simulation, one thing at a time.

- `iso`: the gain alternates and not the shutter, so that the bright exposure is the noisy one: shot and read noise.
- `blur`: the brightest exposure is open for most of the time between two instants, the others are short.
- `h264`: the alternating frames went through a camera's encoder: no frames ahead, one reference.
- `bands`: lamps on the mains, seen by a rolling shutter: bands that an exposure of a whole period does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

from streamfuse.core.frame import Frame, Plane
from streamfuse.errors import UsageError
from streamfuse.lab.evaluate.radiance_clips import Radiance, RadianceFrames

FULL_WELL, READ_NOISE = 6000.0, 3.0  # electrons of a phone's pixel: white at the lowest ISO, and the sigma
BITS_PER_SECOND, CODED_PIXELS = 10e6, 1920 * 1080  # of a camera, at `_RATE` frames a second
_RATE = 30
RIPPLE = 0.3  # amplitude of the lamps, as a share of their light
RIPPLES = 100 * 1001 / 30000  # of a lamp on 50 Hz mains from one instant to the next, filmed at 29.97 Hz
READOUT = 0.7  # of the time from one instant to the next, from the first row to the last
_KEY_EVERY = 30  # frames


def sensor_noise(light: Radiance, rng: np.random.Generator) -> Radiance:
    """Light, 1 being white at the lowest ISO, with the noise of the sensor.

    A higher gain shows the same electrons, fewer of which are white then: that makes the noise of the bright exposure.
    """
    sigma = np.sqrt(light / np.float32(FULL_WELL) + np.float32(READ_NOISE / FULL_WELL) ** 2)
    return np.asarray(light + sigma * rng.standard_normal(light.shape, np.float32), np.float32)


def bands(height: int, ripples: float, periods: float) -> Radiance:
    """(height, 1, 1) share of its light that a rolling shutter sees of a lamp.

    Args:
        height: rows.
        ripples: of the lamp since the first instant, in periods; a frame takes `READOUT` of an instant to read.
        periods: of the ripple that the exposure takes; a whole one evens it out.
    """
    rows = np.arange(height)[:, None, None] / height * READOUT * RIPPLES
    swing = np.sinc(periods) * np.sin(2 * np.pi * (ripples + rows))
    return np.asarray(1 + RIPPLE * swing, np.float32)


class LongExposure(RadianceFrames):
    """What a shutter sees that is open around each instant.

    Args:
        frames: `step` of them for every instant.
        step: 3 at least; the largest odd number of frames up to that is averaged.
        count: instants.
    """

    def __init__(self, frames: Sequence[Radiance], step: int, count: int) -> None:
        if step < 3:
            raise UsageError(
                "Motion blur is the mean of frames around an instant: it needs --step 3 or more."
            )
        self._frames, self._step, self._count = frames, step, count

    def __len__(self) -> int:
        return self._count

    def frame(self, index: int) -> Radiance:
        """Mean of the frames while the shutter is open."""
        middle, reach = index * self._step, (self._step - 1) // 2
        seen = range(max(0, middle - reach), min(len(self._frames), middle + reach + 1))
        total = np.zeros_like(self._frames[seen[0]])
        for number in seen:
            total += self._frames[number]
        return np.asarray(total / len(seen), np.float32)


def bit_rate(width: int, height: int) -> int:
    """Bits a second at which smaller pictures lose as much as those of 1080p do at `BITS_PER_SECOND`.

    A small picture has more detail in each pixel: its bits go down with its sides, and not with its pixels.
    """
    return round(BITS_PER_SECOND * (width * height / CODED_PIXELS) ** 0.5)


def coded(frames: Sequence[Frame]) -> list[tuple[Plane, ...]]:
    """Give the planes of 8-bit 4:2:0 frames after H.264 at `bit_rate`."""
    first = frames[0]
    height, width = first.luma.shape
    if first.bits != 8 or first.subsampling != (1, 1) or height % 2 or width % 2:
        raise UsageError(
            "The encoder of a camera takes 4:2:0 of 8 bits with even sides: choose another --width."
        )
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, _RATE), Fraction(_RATE)
    encoder.bit_rate = bit_rate(width, height)
    encoder.options = {"preset": "veryfast", "bf": "0", "refs": "1", "g": str(_KEY_EVERY), "threads": "1"}
    decoder = av.CodecContext.create("h264", "r")
    packets = []
    for number, frame in enumerate(frames):
        picture = av.VideoFrame(width, height, "yuv420p")
        for target, plane in zip(picture.planes, frame.planes, strict=True):
            rows = np.frombuffer(memoryview(target), np.uint8).reshape(target.height, target.line_size)
            rows[:, : target.width] = plane
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    pictures = [picture for packet in packets for picture in decoder.decode(packet)]
    pictures += decoder.decode(None)
    return [_planes(picture) for picture in pictures]


def _planes(picture: av.VideoFrame) -> tuple[Plane, ...]:
    return tuple(
        np.frombuffer(memoryview(plane), np.uint8)
        .reshape(plane.height, plane.line_size)[:, : plane.width]
        .copy()
        for plane in picture.planes
    )
