"""What a newcomer brings along, made of the built-in scene: films with sound, brackets of photographs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

import streamfuse

SOUND_RATE = 48000
_TONE = 440  # Hz

Rgb = npt.NDArray[np.uint8]  # (H, W, 3) R'G'B'


def frames_of(spec: str) -> list[Rgb]:
    """All frames of a film or of `sample:` as R'G'B'."""
    with streamfuse.open_source(spec) as source:
        return [np.asarray(frame.rgb(), np.uint8) for frame in source]


def write_film(path: str, spec: str, *, rate: int = 24, sound: bool = True) -> None:
    """The frames of `spec` as H.264, with a tone as long as the film where sound is wanted."""
    frames = frames_of(spec)
    with av.open(path, "w") as film:
        video = film.add_stream("libx264", rate=rate, options={"crf": "16", "preset": "veryfast"})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = film.add_stream("aac", rate=SOUND_RATE, layout="stereo") if sound else None
        for number, rgb in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(rgb, "rgb24")
            picture.pts, picture.time_base = number, Fraction(1, rate)
            film.mux(video.encode(picture))
            if audio is not None:
                film.mux(audio.encode(_tone(number, SOUND_RATE // rate)))
        film.mux(video.encode(None))
        if audio is not None:
            film.mux(audio.encode(None))


def _tone(number: int, count: int) -> av.AudioFrame:
    """The piece of the tone that belongs to one frame: `count` samples."""
    times = (np.arange(count) + number * count) / SOUND_RATE
    wave = np.rint(np.sin(2 * np.pi * _TONE * times) * 8000).astype(np.int16)
    block = av.AudioFrame.from_ndarray(np.stack([wave, wave], 1).reshape(1, -1), "s16", "stereo")
    block.sample_rate, block.pts, block.time_base = SOUND_RATE, number * count, Fraction(1, SOUND_RATE)
    return block


def write_bracket(folder: Path, names: Sequence[str], size: str = "480x320") -> list[Rgb]:
    """Hand-held photographs of the scene, darkest first, as JPEG; and what is in them."""
    folder.mkdir(exist_ok=True)
    gap = 6 / (len(names) - 1)
    frames = frames_of(f"sample:?size={size}&frames={len(names)}&cycle={len(names)}&gap={gap}")
    for name, rgb in zip(names, frames, strict=True):
        assert cv2.imwrite(str(folder / name), rgb[..., ::-1])
    return frames


def sound_of(path: str) -> tuple[float, float]:
    """(seconds, Hz) of the sound of a film."""
    with av.open(path) as film:
        blocks = [block.to_ndarray().astype(np.float64) for block in film.decode(audio=0)]
    wave = np.concatenate([block[0] for block in blocks])
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return len(wave) / SOUND_RATE, float(spectrum.argmax()) * SOUND_RATE / len(wave)


def luma(rgb: Rgb) -> npt.NDArray[np.float64]:
    """(H, W) luma of BT.709, 0 to 255."""
    return np.asarray(rgb @ np.array([0.2126, 0.7152, 0.0722]), np.float64)
