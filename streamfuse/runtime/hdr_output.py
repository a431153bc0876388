"""What a run in high dynamic range writes, and what it refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from streamfuse.capture.scene_light import SceneLight
from streamfuse.config import Config, OutputConfig
from streamfuse.core.mastering import Mastering
from streamfuse.core.protocols import Source, SourceInfo
from streamfuse.core.values import TONE_MAPS
from streamfuse.encode.container import CONTAINERS
from streamfuse.encode.exr import LINEAR_SUFFIXES
from streamfuse.encode.log_picture import LOG_SUFFIXES
from streamfuse.errors import UsageError
from streamfuse.fusion.radiance import HdrTarget
from streamfuse.imaging.camera_logs import CURVES, OF_TAG
from streamfuse.imaging.hdr_transfer import BT2020, P3_D65, S_GAMUT3_CINE

PEAK = 1000.0  # cd/m2 of PQ where none is asked for
_CODECS = ("hevc", "av1", "libx265", "libsvtav1")
_BITS = (None, 10)
_NOT_LIGHT = {9: "a logarithm", 10: "a logarithm"}
_NULL = "null:"
_LIGHT = ("linear", "log")  # frames carry the light of the scene, and pictures hold it


def is_linear(output: str) -> bool:
    """Tell whether pictures of linear light are named: .exr, .hdr."""
    return Path(output).suffix.lower() in LINEAR_SUFFIXES and "://" not in output


def settled(config: Config, output: str) -> Config:
    """Give the settings of a run whose output is named; pictures of linear light need no --hdr.

    Raises:
        UsageError: settings that do not go together.
    """
    hdr, suffix = config.output.hdr, Path(output).suffix.lower()
    if is_linear(output):
        if hdr in ("hlg", "pq", "log"):
            kind = "PNG and TIFF" if hdr == "log" else "video"
            raise UsageError(f"{output} holds linear light: leave --hdr {hdr} out, which is for {kind}.")
        return config.with_overrides(hdr="linear")
    _check_light(hdr, output)
    if hdr in ("hlg", "pq") and output != _NULL and suffix not in CONTAINERS:
        raise UsageError(
            f"{output} cannot tell that it is {hdr.upper()}: with --hdr name a video file ({', '.join(CONTAINERS)})."
        )
    return config


def _check_light(hdr: str, output: str) -> None:
    if output == _NULL:
        return
    if hdr == "linear" and not is_linear(output):
        raise UsageError(f"{output} cannot hold linear light: name a pattern such as light_%05d.exr.")
    if hdr == "log" and (Path(output).suffix.lower() not in LOG_SUFFIXES or "://" in output):
        raise UsageError(
            f"{output} cannot hold ACEScct: with --hdr log name a pattern such as log_%05d.tif or .png."
        )


def target(config: Config) -> HdrTarget | None:
    """Tell what frames are coded as; None: they are fused for ordinary screens.

    Raises:
        UsageError: settings that do not go together.
    """
    out = config.output
    if out.hdr == "off":
        for name, given in (("peak-nits", out.peak_nits), ("white", out.white)):
            if given is not None and not (name == "white" and config.fuse.fuser in TONE_MAPS):
                raise UsageError(f"--{name} is for high dynamic range: add --hdr pq, or leave it out.")
        _refuse_beside_a_tone_map(config)
        return None
    _refuse(config)
    return HdrTarget(
        "hlg" if out.hdr == "hlg" else "pq", out.white, out.peak_nits or PEAK, keep=out.hdr in _LIGHT
    )


def check_frames(config: Config) -> None:
    """Refuse what is written to files alone, where frames are given.

    Raises:
        UsageError: it is asked for.
    """
    if config.output.hdr == "log":
        raise UsageError(
            'Frames carry light as it is: ask for hdr="linear", or let fuse_file write hdr="log".'
        )


def _refuse_beside_a_tone_map(config: Config) -> None:
    if config.fuse.fuser not in TONE_MAPS:
        return
    for name, given in (
        ("--side-by-side", config.output.side_by_side),
        ("--deflicker on", config.smooth.deflicker),
        ("--device cuda", config.fuse.device.startswith("cuda")),
    ):
        if given:
            raise UsageError(f"{name} is not done with --fuser {config.fuse.fuser}: leave one of them out.")


def _refuse(config: Config) -> None:
    out = config.output
    if out.hdr == "hlg" and out.peak_nits is not None:
        raise UsageError("HLG has no peak in cd/m2, a display has: leave --peak-nits out, or write --hdr pq.")
    for name, given in (
        ("--fuser", config.fuse.fuser is not None),
        ("--side-by-side", out.side_by_side),
        ("--deflicker on", config.smooth.deflicker),
        ("A look", config.look.look.active),
    ):
        if given:
            raise UsageError(f"{name} is not done in high dynamic range: leave it out, or leave --hdr out.")
    if out.hdr == "log" and out.bits not in (None, 16):
        raise UsageError("--hdr log is stored in 16 bit: leave --bits out, or write --bits 16.")
    if out.hdr in _LIGHT:
        return
    if out.codec is not None and out.codec not in _CODECS:
        raise UsageError(
            f"--hdr {out.hdr} needs a codec whose 10 bit players show as such: hevc or av1, not {out.codec}."
        )
    if out.bits not in _BITS or not re.search(r"p10(le)?$|^p010", out.pix_fmt or "p10"):
        raise UsageError(
            f"--hdr {out.hdr} is stored in 10 bit: leave --bits and --pix-fmt out, or write --bits 10."
        )


def in_scene_light(source: Source, config: Config) -> Source:
    """Give the source, or one that undoes how a camera, HLG or PQ coded light; it is closed where that is refused.

    Raises:
        UsageError: a transfer function is named for ordinary screens.
    """
    name = config.input.transfer
    if config.output.hdr == "off":
        if name == "auto":
            return source
        source.close()
        raise UsageError(
            f"--transfer {name} is for high dynamic range: add --hdr hlg or pq, or leave it out."
        )
    found = OF_TAG.get(source.info.color.transfer) if name == "auto" else name
    return source if found is None else SceneLight(source, CURVES[found])


def check_source(info: SourceInfo, config: Config) -> None:
    """Refuse, for high dynamic range, a source whose code values no ordinary transfer function has made of light.

    Raises:
        UsageError: it is logarithmic.
    """
    name = _NOT_LIGHT.get(info.color.transfer)
    if name is not None and config.output.hdr != "off":
        raise UsageError(
            f"{info.name} is coded as {name}, which many cameras do in their own way: name it, as in --transfer slog3."
        )


def live_target(config: Config, what: str) -> HdrTarget | None:
    """Do as `target`, for what is sent while it is filmed: HLG, which needs no metadata of a whole film.

    Raises:
        UsageError: another kind of high dynamic range, or settings that do not go together.
    """
    if config.output.hdr not in ("off", "hlg"):
        raise UsageError(
            f"{what} has no HDR but HLG: set output.hdr to hlg, or fuse a recording into {config.output.hdr}."
        )
    return target(config)


def sent(info: SourceInfo, config: Config) -> SourceInfo:
    """Give what the outputs of a live run are told of the frames to come."""
    wanted = target(config)
    return info if wanted is None else replace(info, bits=wanted.bits, color=wanted.color)


def output_of(
    output: str | Path, info: SourceInfo, settings: OutputConfig
) -> tuple[SourceInfo, OutputConfig, Mastering | None]:
    """Give what the sink of a run in high dynamic range is told: the frames to come, how to store them, their metadata.

    Raises:
        UsageError: the output cannot hold the light of the scene.
    """
    _check_light(settings.hdr, str(output))
    if settings.hdr in ("off", *_LIGHT):
        return info, settings, None
    found = HdrTarget("hlg" if settings.hdr == "hlg" else "pq", peak=settings.peak_nits or PEAK)
    wide = info.color.primaries == BT2020 or info.color.primaries >= S_GAMUT3_CINE
    primaries = BT2020 if wide else P3_D65
    codec = settings.codec or ("av1" if Path(output).suffix.lower() == ".webm" else "hevc")
    changes: dict[str, object] = {"codec": codec}
    even = info.width % 2 == 0 and info.height % 2 == 0
    if settings.pix_fmt is None and info.subsampling == (0, 0) and even:
        changes["pix_fmt"] = "yuv420p10le"  # photographs and screens: what players take
    mastering = None
    if settings.hdr == "pq":
        mastering = Mastering(primaries, peak=found.peak, average=found.peak)
    told = replace(info, bits=found.bits, color=found.color)
    return told, settings.model_copy(update=changes), mastering
