"""Films with sound, in the containers and codecs that people have."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SOUNDS = {
    "aac": "aac", "ac3": "ac3", "eac3": "eac3", "mp2": "mp2", "mp3": "libmp3lame", "flac": "flac", "opus": "libopus",
    "vorbis": "libvorbis", "pcm16": "pcm_s16le", "pcm24": "pcm_s24le", "wma": "wmav2",
}  # fmt: skip
SECONDS = 2
TONE = 440


def film(path: Path, sound: str | None, *, delay: Fraction = Fraction(0), size=(64, 48), rate=25):
    """Two seconds of picture and, from `delay` on, a tone. None if that container holds no such sound."""
    container = {".mpg": "mpeg", ".ts": "mpegts"}.get(path.suffix)
    try:
        with av.open(str(path), "w", format=container) as out:
            codec = {".avi": "mpeg4", ".mpg": "mpeg2video"}.get(path.suffix, "libx264")
            video = out.add_stream(codec, rate=rate)
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
            audio = out.add_stream(SOUNDS[sound], rate=48000, layout="stereo") if sound else None
            out.start_encoding()
            for n in range(SECONDS * rate):
                picture = av.VideoFrame.from_ndarray(
                    np.full((size[1] * 3 // 2, size[0]), 16 + n % 200, np.uint8), "yuv420p"
                )
                picture.pts, picture.time_base = n, Fraction(1, rate)
                out.mux(video.encode(picture))  # type: ignore[arg-type]
                if audio is not None:
                    out.mux(audio.encode(_tone(n, rate, delay)))
            out.mux(video.encode(None))
            if audio is not None:
                out.mux(audio.encode(None))
    except (av.FFmpegError, ValueError):
        return None
    return path if sound is None or heard(path) is not None else None


def _tone(number, rate, delay):
    """The piece of the tone that belongs to a picture."""
    count = 48000 // rate
    times = (np.arange(count) + number * count) / 48000
    wave = (np.sin(2 * np.pi * TONE * times) * 8000).astype(np.int16)
    block = av.AudioFrame.from_ndarray(np.stack([wave, wave], 1).reshape(1, -1), "s16", "stereo")
    block.sample_rate, block.time_base = 48000, Fraction(1, 48000)
    block.pts = number * count + int(delay * 48000)
    return block


def heard(path: Path):
    """Codec, begin and end in seconds, and frequency of the sound of a film; None if it has none."""
    with av.open(str(path)) as media:
        if not media.streams.audio:
            return None
        stream = media.streams.audio[0]
        codec, blocks = stream.codec_context.name, []
        begin = end = None
        for block in media.decode(stream):
            time = block.pts * Fraction(block.time_base)
            begin = time if begin is None else begin
            end = time + Fraction(block.samples, block.sample_rate)
            pieces = block.to_ndarray().astype(float)
            blocks.append(pieces[0] if block.format.is_planar else pieces[0][:: block.layout.nb_channels])
            rate = block.sample_rate
    wave = np.concatenate(blocks)[4000:-4000]
    peak = np.argmax(np.abs(np.fft.rfft(wave * np.hanning(len(wave))))) * rate / len(wave)
    return codec, float(begin), float(end), peak
