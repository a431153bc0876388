"""Small films of the containers, sounds and extras that people have, made with PyAV; and what is heard in a film."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import numpy as np
import numpy.typing as npt

SOUNDS = {
    "aac": "aac", "ac3": "ac3", "eac3": "eac3", "mp2": "mp2", "mp3": "libmp3lame", "flac": "flac", "opus": "libopus",
    "vorbis": "vorbis", "pcm16": "pcm_s16le", "pcm24": "pcm_s24le", "wma": "wmav2",
}  # fmt: skip
SOURCES = (".mp4", ".mov", ".mkv", ".ts", ".avi", ".mpg", ".h264")
_MUXERS = {".mpg": "mpeg", ".ts": "mpegts", ".wmv": "asf", ".h264": "h264"}
_PICTURES = {".avi": "mpeg4", ".mpg": "mpeg2video", ".wmv": "wmv2"}
# Of PCM each family has its own kinds.
_PCM = {
    (".ts", "pcm16"): "s302m",
    (".ts", "pcm24"): "s302m",
    (".mpg", "pcm16"): "pcm_dvd",
    (".mpg", "pcm24"): "pcm_dvd",
}
SECONDS = 1
RATE = 25
SIZE = (64, 48)
TONE = 440  # Hz
BURST = (0.4, 0.9)  # seconds between which the tone is loud; before and after it is faint
_SAMPLES = 48_000
_FAINT = 0.02
DARK, BRIGHT = 0.35, 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """The sound of a film.

    Args:
        codec: FFmpeg's name of the decoder.
        begin, end: seconds.
        onset: when the burst begins, in seconds; None where there is none.
        tone: the strongest frequency in Hz.
    """

    codec: str
    begin: float
    end: float
    onset: float | None
    tone: float


def film(
    path: Path, sound: str | None, *, delay: Fraction = Fraction(0), codec: str | None = None,
    layout: str = "yuv420p", metadata: dict[str, str] | None = None, attachment: bool = False,
    subtitles: str | None = None,
) -> str | None:  # fmt: skip
    """A second of alternating exposures and, from `delay` on, a tone with a burst.

    Args:
        path: its suffix names the container.
        sound: of `SOUNDS`; None: none.
        delay: seconds by which the sound begins after the picture.
        codec, layout: of the picture; by default what is usual in the container, at 8-bit 4:2:0.
        metadata: of the picture, such as its timecode.
        attachment: a file rides along.
        subtitles: the codec of a line of text at half a second.

    Returns:
        Why it cannot be made; None: it was made.
    """
    try:
        with av.open(str(path), "w", format=_MUXERS.get(path.suffix)) as out:
            video = out.add_stream(codec or _PICTURES.get(path.suffix, "libx264"), rate=RATE)
            assert isinstance(video, av.VideoStream)
            video.width, video.height, video.pix_fmt = *SIZE, layout
            video.metadata.update(metadata or {})
            audio = _sound_stream(out, path.suffix, sound) if sound else None
            text = out.add_mux_stream(subtitles) if subtitles else None
            if attachment:
                out.add_attachment("font.ttf", "application/x-truetype-font", b"font" * 9)
            out.start_encoding()
            if text is not None:
                out.mux(_line(text, subtitles or ""))
            for n in range(SECONDS * RATE):
                out.mux(video.encode(_picture(n, layout)))
                if audio is not None:
                    out.mux(audio.encode(_block(n, delay)))
            out.mux(video.encode(None))
            if audio is not None:
                out.mux(audio.encode(None))
    except av.codec.codec.UnknownCodecError as error:
        path.unlink(missing_ok=True)
        return f"this FFmpeg has no encoder {error}"
    except (av.FFmpegError, ValueError, NotImplementedError) as error:
        path.unlink(missing_ok=True)
        return f"FFmpeg writes no such file ({getattr(error, 'strerror', None) or error})"
    if sound and heard(path) is None:
        return "FFmpeg does not find the sound again in the file that it writes"
    return None


def times_of_pictures(path: Path) -> list[float]:
    """When each picture is shown, in seconds on the file's clock; made up from the rate where the file does not say."""
    with av.open(str(path)) as media:
        stream = media.streams.video[0]
        base = float(stream.time_base or 1)
        stamps = [frame.pts for frame in media.decode(stream)]
    bare = path.suffix == ".h264"
    times: list[float] = []
    for number, pts in enumerate(stamps):
        known = pts is not None and not bare
        times.append((pts or 0) * base if known else times[-1] + 1 / RATE if number else 0.0)
    return times


def heard(path: Path) -> Heard | None:
    """What is heard in a film; None if it has no sound."""
    begin = end = None
    blocks: list[npt.NDArray[np.float64]] = []
    rate = _SAMPLES
    with av.open(str(path)) as media:
        if not media.streams.audio:
            return None
        stream = media.streams.audio[0]
        for block in media.decode(stream):
            rate = block.sample_rate
            time = Fraction(block.pts or 0) * Fraction(block.time_base or 1)
            begin = time if begin is None else begin
            end = time + Fraction(block.samples, rate)
            pieces = block.to_ndarray().astype(np.float64)
            channels = block.layout.nb_channels
            blocks.append(pieces[0] if block.format.is_planar else pieces[0][::channels])
        codec = stream.codec_context.name
    if begin is None or end is None:
        return None
    wave = np.concatenate(blocks)
    middle = wave[len(wave) // 2 - rate // 4 : len(wave) // 2 + rate // 4]
    tone = float(np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle))))) * rate / len(middle))
    return Heard(codec, float(begin), float(end), _onset(wave, rate, float(begin)), tone)


def _onset(wave: npt.NDArray[np.float64], rate: int, begin: float) -> float | None:
    """When the sound gets loud: where its envelope passes half of its height."""
    wide = max(1, rate // TONE)  # one period
    envelope = np.sqrt(np.convolve(wave**2, np.ones(wide) / wide, "same"))
    loud = np.flatnonzero(envelope > 0.5 * np.percentile(envelope, 90))
    return begin + float(loud[0]) / rate if len(loud) else None


def _sound_stream(out: av.container.OutputContainer, suffix: str, sound: str) -> Any:
    codec = _PCM.get((suffix, sound), SOUNDS[sound])
    options = (
        {"strict": "experimental"} if codec in ("s302m", "vorbis") else None
    )  # FFmpeg says so of its encoders
    stream = out.add_stream(codec, rate=_SAMPLES, layout="stereo", options=options)
    if codec == "wmav2":
        stream.codec_context.bit_rate = 128_000
    if codec in ("s302m", "pcm_dvd"):
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.format = "s16" if sound == "pcm16" else "s32"
    return stream


def _picture(number: int, layout: str) -> av.VideoFrame:
    """A ramp with a column that moves, dark and bright by turns."""
    width, height = SIZE
    ramp = np.linspace(20, 230, width)[None, :] + 20 * np.sin(np.arange(height) / 5)[:, None]
    level = DARK if number % 2 == 0 else BRIGHT
    rgb = np.repeat((np.clip(ramp * level, 0, 255)).astype(np.uint8)[..., None], 3, axis=2)
    rgb[:, number % width] = int(200 * level)
    picture = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=layout, threads=1)
    picture.pts, picture.time_base = number, Fraction(1, RATE)
    return picture


def _block(number: int, delay: Fraction) -> av.AudioFrame:
    """The piece of the tone that belongs to a picture."""
    count = _SAMPLES // RATE
    times = (np.arange(count) + number * count) / _SAMPLES
    at = times + float(delay)
    loud = np.where((at >= BURST[0]) & (at < BURST[1]), 1.0, _FAINT)
    wave = (np.sin(2 * np.pi * TONE * times) * loud * 8000).astype(np.int16)
    block = av.AudioFrame.from_ndarray(np.stack([wave, wave], 1).reshape(1, -1), "s16", "stereo")
    block.sample_rate, block.time_base = _SAMPLES, Fraction(1, _SAMPLES)
    block.pts = number * count + int(delay * _SAMPLES)
    return block


def _line(stream: Any, codec: str) -> av.Packet[Any]:
    """A line of text at half a second."""
    data = {"mov_text": b"\0\5hello", "ass": b"0,0,Default,,0,0,0,,hello"}.get(codec, b"hello")
    packet = av.Packet(data)
    packet.stream, packet.pts, packet.dts, packet.duration = stream, 500, 500, 400
    packet.time_base = Fraction(1, 1000)
    return packet
