"""Which encoder and which pixel format: chosen from what the encoder says it takes, proven by opening it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, cast

import av

from streamfuse.core.mastering import Mastering
from streamfuse.core.protocols import SourceInfo
from streamfuse.encode.hdr_params import svtav1_params, x265_params
from streamfuse.encode.ordinary_priority import ordinary_priority
from streamfuse.errors import EncoderError

# The first encoder of a codec that opens is taken.
ENCODERS: Mapping[str, tuple[str, ...]] = {
    "h264": ("libx264", "libopenh264"),
    "hevc": ("libx265",),
    "av1": ("libsvtav1", "libaom-av1"),
    "vp9": ("libvpx-vp9",),
    "ffv1": ("ffv1",),
    "prores": ("prores_ks",),
}
_HARDWARE = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")
# Visually close to the input, at each encoder's own scale.
_CRF = {"libx264": 18, "libx265": 20, "libsvtav1": 26, "libaom-av1": 24, "libvpx-vp9": 24}
_SPEED = {"libx264": "veryfast", "libx265": "veryfast", "libsvtav1": "8", "libvpx-vp9": "6"}
# Speed and factor where time counts: the same PSNR as above in two thirds of the time, and 1.4 times the bytes.
_QUICK = {"libx264": ("superfast", 20)}
_SPEED_OPTION = {"libaom-av1": "cpu-used", "libvpx-vp9": "cpu-used"}
_TAKES_ODD_SIZES = ("ffv1", "libvpx-vp9", "prores_ks")
_DELIVERY = ("h264", "hevc", "av1", "vp9", "lib")
_PLANAR = re.compile(r"yuvj?(4\d\d)p(?:(9|1[0-6])le)?")
_SUBSAMPLING = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "440": (0, 1), "411": (2, 0), "410": (2, 2)}
# Interleaved layouts that hardware encoders take: the planar one that holds the same.
_SEMI_PLANAR = {"nv12": "yuv420p", "nv16": "yuv422p", "p010le": "yuv420p10le", "p210le": "yuv422p10le"}


class PixelFormat(NamedTuple):
    """A pixel format that an encoder takes."""

    name: str
    planar: str
    bits: int
    subsampling: tuple[int, int]
    gray: bool = False

    def fits(self, width: int, height: int) -> bool:
        """Tell whether both sides are whole numbers of chroma samples."""
        return width % (1 << self.subsampling[0]) == 0 and height % (1 << self.subsampling[1]) == 0


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Everything that is needed to open an encoder.

    Args:
        encoder: FFmpeg's name of the encoder.
        pixels: what it is fed.
        full_range: range of the code values that it is fed.
        options: the encoder's own options.
        gop: frames from one keyframe to the next at most.
        threads: encoder threads; 0 = the encoder decides.
    """

    encoder: str
    pixels: PixelFormat
    full_range: bool
    options: Mapping[str, str]
    gop: int
    threads: int


def choose(
    codec: str,
    info: SourceInfo,
    *,
    crf: float | None = None,
    speed: str | None = None,
    quick: bool = False,
    bits: int | None = None,
    pix_fmt: str | None = None,
    rate: Fraction | None = None,
    threads: int = 0,
    mastering: Mastering | None = None,
) -> EncoderSettings:
    """Settings with which the codec's first working encoder opens for pictures like `info`.

    Args:
        codec: a key of `ENCODERS`, or the name of an encoder.
        crf: constant rate factor on the encoder's scale (0 is lossless for x264).
        speed: the encoder's preset.
        quick: where neither `crf` nor `speed` is given, larger files of the same quality in less time.
        bits, pix_fmt: what to store; by default what comes in, as far as the encoder can.
        mastering: metadata of HDR10, which HEVC and AV1 hold.

    Raises:
        EncoderError: no such codec, or no encoder that takes such pictures.
    """
    names = ENCODERS.get(codec, (codec,))
    known = [name for name in names if _is_video_encoder(name)]
    if not known:
        raise EncoderError(
            f"There is no video encoder {codec!r} here: choose one of {', '.join(ENCODERS)} or an encoder of "
            "FFmpeg."
        )
    problem = ""
    for name in known:
        pixels = _pixel_format(name, info, bits, pix_fmt)
        settings = EncoderSettings(
            encoder=name,
            pixels=pixels,
            full_range=_full_range(name, info, pix_fmt),
            options=_options(name, crf, speed, quick, mastering),
            gop=1 if name == "ffv1" else max(1, min(300, round(rate or info.rate))),
            threads=threads,
        )
        problem = try_open(settings, info.width, info.height)
        if not problem:
            return settings
    raise EncoderError(
        f"The encoder {known[-1]} does not open for {info.width}x{info.height} {pixels.name} ({problem}); "
        "try another --codec or --pix-fmt."
    )


def configure(
    context: av.VideoCodecContext, settings: EncoderSettings, width: int, height: int, time_base: Fraction
) -> None:
    """Apply the settings to an encoder that is not open yet."""
    context.width, context.height = width, height
    context.pix_fmt = settings.pixels.name
    context.time_base = time_base
    context.gop_size = settings.gop
    context.thread_count = settings.threads
    context.color_range = 2 if settings.full_range else 1
    context.options = dict(settings.options)


def try_open(settings: EncoderSettings, width: int, height: int) -> str:
    """Open the encoder for real and drop it; what went wrong, or ''. (Being listed proves nothing.)"""
    os.environ.setdefault("SVT_LOG", "1")  # else SVT-AV1 tells its life on stderr
    try:
        context = cast(av.VideoCodecContext, av.CodecContext.create(settings.encoder, "w"))
        configure(context, settings, width, height, Fraction(1, 25))
        context.framerate = Fraction(25)
        with ordinary_priority():
            context.open()
    except (av.FFmpegError, ValueError, RuntimeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def list_encoders() -> dict[str, bool]:
    """Encoder name -> whether it opens on this machine (for a small 8- or 10-bit picture)."""
    found = {}
    for name in (*(name for names in ENCODERS.values() for name in names), *_HARDWARE):
        found[name] = _is_video_encoder(name) and _opens(name)
    return found


def _opens(name: str) -> bool:
    formats = pixel_formats(name)
    if not formats:
        return False
    settings = EncoderSettings(name, formats[0], False, _options(name, None, None, quick=False), 12, 1)
    return not try_open(settings, 320, 240)


def _is_video_encoder(name: str) -> bool:
    try:
        return av.Codec(name, "w").type == "video"
    except av.codec.codec.UnknownCodecError:
        return False


def pixel_formats(encoder: str) -> list[PixelFormat]:
    """Give the Y'CbCr and grey formats that an encoder takes, without alpha."""
    found = []
    for layout in av.Codec(encoder, "w").video_formats or []:
        planar = _SEMI_PLANAR.get(layout.name, layout.name)
        match = _PLANAR.fullmatch(planar)
        if match and "yuvj" not in planar:
            found.append(PixelFormat(layout.name, planar, int(match[2] or 8), _SUBSAMPLING[match[1]]))
        elif gray := re.fullmatch(r"gray(?:(1[0-6]|9)le)?", planar):
            found.append(PixelFormat(layout.name, planar, int(gray[1] or 8), (0, 0), gray=True))
    return found


def _pixel_format(encoder: str, info: SourceInfo, bits: int | None, wanted: str | None) -> PixelFormat:
    """Give the format asked for, or the one that loses least."""
    formats = pixel_formats(encoder)
    if wanted is not None:
        name = wanted.replace("yuvj", "yuv")
        named = next(
            (found for found in formats if name in (found.name, found.name.removesuffix("le"))), None
        )
        if named is None:
            raise EncoderError(
                f"{encoder} does not take the pixel format {wanted}: choose one of "
                f"{', '.join(found.name for found in formats) or 'another codec'}."
            )
        formats = [named]
    elif bits is not None:
        formats = [found for found in formats if found.bits == bits] or formats
        if formats[0].bits != bits:
            depths = sorted({found.bits for found in formats})
            raise EncoderError(f"{encoder} does not store {bits} bit, only {', '.join(map(str, depths))}.")
    if encoder not in _TAKES_ODD_SIZES:
        formats = [found for found in formats if found.fits(info.width, info.height)]
    if not formats:
        raise EncoderError(
            f"{encoder} cannot store {info.width}x{info.height} in {wanted or 'any of its pixel formats'}: "
            "odd sizes need 4:4:4 (--codec h264 or hevc) or --codec vp9 or ffv1."
        )
    return min(formats, key=lambda found: _loss(found, encoder, info, bits or info.bits))


def _loss(found: PixelFormat, encoder: str, info: SourceInfo, bits: int) -> tuple[object, ...]:
    """Sort key: first what keeps colour, depth and chroma resolution, then what wastes least."""
    across, down = _wanted_subsampling(encoder, info)
    # Few players take grey H.264: a lossless archive is all that it is good for.
    gray = not info.has_chroma and encoder == "ffv1"
    lost = max(found.subsampling[0] - across, 0) + max(found.subsampling[1] - down, 0)
    spare = max(across - found.subsampling[0], 0) + max(down - found.subsampling[1], 0)
    semi_planar = found.name != found.planar
    return found.gray != gray, max(bits - found.bits, 0), lost, max(found.bits - bits, 0), spare, semi_planar


def _wanted_subsampling(encoder: str, info: SourceInfo) -> tuple[int, int]:
    """Give the input's; but full-range 4:4:4 (photographs, screens) and grey become 4:2:0 for the players."""
    from_rgb = info.subsampling == (0, 0) and (info.color.full_range or not info.has_chroma)
    return (1, 1) if from_rgb and encoder.startswith(_DELIVERY) else info.subsampling


def _full_range(encoder: str, info: SourceInfo, wanted: str | None) -> bool:
    """The input's range; ProRes has no way to say "full"."""
    return (info.color.full_range or (wanted or "").startswith("yuvj")) and encoder != "prores_ks"


def _options(
    encoder: str, crf: float | None, speed: str | None, quick: bool, mastering: Mastering | None = None
) -> dict[str, str]:
    """Give the encoder's own options for quality, speed and metadata."""
    options: dict[str, str] = {}
    if quick and crf is None and speed is None and encoder in _QUICK:
        speed, crf = _QUICK[encoder]
    if encoder == "libx264" and crf == 0:
        options["qp"] = "0"  # at 10 bit its crf 0 is not lossless
    elif encoder in _CRF:
        options["crf"] = f"{_CRF[encoder] if crf is None else crf:g}"
    elif crf is not None and encoder.endswith("_nvenc"):
        options["cq"] = f"{crf:g}"
    speed = speed or _SPEED.get(encoder)
    if speed:
        options[_SPEED_OPTION.get(encoder, "preset")] = speed
    if encoder == "libx265":
        options["x265-params"] = "log-level=error" + (":lossless=1" if crf == 0 else "")
    if encoder == "libsvtav1" and crf == 0:
        options |= {"crf": "1", "svtav1-params": "lossless=1"}
    if mastering is not None and encoder == "libx265":
        options["x265-params"] += f":{x265_params(mastering)}"
    if mastering is not None and encoder == "libsvtav1":
        told = (options.get("svtav1-params"), svtav1_params(mastering))
        options["svtav1-params"] = ":".join(filter(None, told))
    if encoder == "libvpx-vp9":
        options |= {"b": "0", "row-mt": "1", "deadline": "good"} | ({"lossless": "1"} if crf == 0 else {})
    if encoder == "ffv1":
        options |= {"level": "3", "slicecrc": "1"}
    return options
