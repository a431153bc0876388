"""Video files, encoded and muxed by PyAV, with the input's time stamps, colour tags, audio and subtitles."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np

from streamfuse.core.arguments import expect_frame
from streamfuse.core.clock import Packet
from streamfuse.core.color import convert_planes, neutral_chroma
from streamfuse.core.frame import FusedFrame, Plane
from streamfuse.core.mastering import Mastering
from streamfuse.core.output_file import Replacement, check_output_file
from streamfuse.core.protocols import Sink, SourceInfo
from streamfuse.core.reports import SinkReport
from streamfuse.core.values import Audio
from streamfuse.encode.codecs import choose, configure
from streamfuse.encode.container import CONTAINERS, MOV, open_container
from streamfuse.encode.container_mastering import PLACEHOLDER, write_mastering
from streamfuse.encode.ordinary_priority import ordinary_priority
from streamfuse.encode.packets import MediaCopier
from streamfuse.errors import EncoderError, OutputError

_OF_THE_DISK = (
    errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOENT, errno.EACCES, errno.ENOTDIR,
    errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.EPIPE, errno.EBADF, errno.EMFILE,
)  # fmt: skip


class VideoFileSink(Sink):
    """Writes fused frames to a video file.

    The time stamps of the frames are kept exactly, variable rates too; Matroska and WebM store milliseconds.
    A killed run leaves a playable file: fragments of a second, closed at the end to a plain MP4 / MOV.
    A file that is there already stays until the new one is complete, which is made as `NAME.unfinished.SUFFIX` beside
    it; leaving the `with` by an exception, or without a frame, leaves the old file as it was.

    Odd sizes stay as they are: H.264 and HEVC can only do so in 4:4:4.

    Args:
        path: the output; its suffix chooses the container.
        info: the source of the frames. The audio and subtitle streams, the metadata and the chapters of
            `info.media` are copied.
        codec: 'h264', 'hevc', 'av1', 'vp9', 'ffv1', 'prores' or an encoder of FFmpeg; None is VP9 for WebM,
            else H.264; of HDR AV1, else HEVC.
        crf: constant rate factor on the encoder's scale; 0 is lossless for H.264, HEVC and VP9.
        speed: of the encoder, such as 'veryfast'.
        quick: as of `codecs.choose`.
        bits, pix_fmt: depth and pixel format to store; by default the input's, as far as the encoder can.
        rate: nominal frame rate to write down; by default the input's. Time stamps do not depend on it.
        overwrite: replace an existing file.
        threads: encoder threads; 0 = the encoder decides.
        audio: 'auto' copies sound and converts what the container cannot hold, 'copy' never converts, 'none' leaves
            sound out.
        mastering: metadata of HDR10, in the stream of HEVC and AV1 and in the header of the container.

    Attributes:
        outputs: the path; as long as it waits to replace another file, the name that it has until then.
        warnings: a sentence for each thing that could not be kept.

    Raises:
        OutputExistsError: the file is there and `overwrite` is not set.
        OutputError: the folder is not there or not writable, the output is the input, the disk is full.
        EncoderError: no such codec or container, a codec that the container cannot hold, an odd size that the
            codec cannot store.
    """

    def __init__(
        self,
        path: str | Path,
        info: SourceInfo,
        *,
        codec: str | None = None,
        crf: float | None = None,
        speed: str | None = None,
        quick: bool = False,
        bits: int | None = None,
        pix_fmt: str | None = None,
        rate: Fraction | None = None,
        overwrite: bool = False,
        threads: int = 0,
        audio: Audio = "auto",
        mastering: Mastering | None = None,
    ) -> None:
        self._path = Path(path)
        self.outputs = [str(path)]
        self.warnings: list[str] = []
        self._info = info
        self._mastering = mastering
        self._rate = rate or info.rate
        self._audio: Audio = audio
        check_output(self._path, [info.media] if info.media else [], overwrite)
        if self._path.suffix.lower() not in CONTAINERS:
            raise EncoderError(
                f"{path} does not name a video container that streamfuse writes: end it with one of "
                f"{', '.join(CONTAINERS)}."
            )
        self._asked = bits is not None or pix_fmt is not None
        codec = codec or usual_codec(info, self._path.suffix.lower())
        self._settings = choose(
            codec, info, crf=crf, speed=speed, quick=quick, bits=bits, pix_fmt=pix_fmt, rate=rate,
            threads=threads, mastering=mastering,
        )  # fmt: skip
        if (
            self._path.suffix.lower() == ".mov" and "av1" in self._settings.encoder
        ):  # which the muxer says too late
            raise EncoderError(f"A .mov file cannot hold {codec}: choose .mp4 or .mkv, or another --codec.")
        self._color = replace(info.color, full_range=self._settings.full_range)
        self._last: int | None = None
        self._closed = False
        self._failed = False
        self._complete = True
        self._encodes = True
        self._copier: MediaCopier | None = None
        self._replacement = Replacement(self._path)
        self.outputs = [str(self._replacement.path)]
        self._container = self._open(info)
        try:
            self._start(codec)
        except BaseException:
            self._abandon()
            self._replacement.discard()
            raise
        self._tell_changes()

    def write(self, frame: FusedFrame) -> None:
        """Encode one frame; sizes must be those of `info`.

        Raises:
            OutputError: the disk is full, or the file cannot be written for another reason.
        """
        expect_frame(frame)
        if self._closed:
            raise OutputError(f"{self._path} is closed: no frame can be added.")
        if (frame.width, frame.height) != (self._info.width, self._info.height):
            raise EncoderError(
                f"A frame of {frame.width}x{frame.height} does not fit {self._path}, which was opened for "
                f"{self._info.width}x{self._info.height}."
            )
        pts = self._pts(frame)
        if self._last is None and self._copier is not None and frame.index > 0:
            self._copier.start_at(pts * self._info.time_base)
        self._last = pts
        try:
            self._mux(self._stream.encode(self._picture(frame, pts)))
        except av.FFmpegError as error:
            raise self._failure(error) from error

    def write_packet(self, packet: Packet) -> None:
        """Add a picture that a sink with the same settings has encoded, in order of decoding; instead of `write`.

        Raises:
            OutputError: the disk is full, or the file cannot be written for another reason.
        """
        seconds = (packet.pts or 0) * Fraction(packet.time_base)
        self._last = max(self._last or 0, round(seconds / self._info.time_base))
        self._encodes = False
        packet.stream = self._stream
        try:
            self._mux([packet])
        except av.FFmpegError as error:
            raise self._failure(error) from error

    def report(self) -> SinkReport:
        """Tell what could not be kept."""
        return SinkReport(tuple(self.warnings))

    def close(self) -> None:
        """Write what the encoder still holds and finish the file; a second call does nothing.

        After a failed `write` it saves what can be saved and raises nothing more; a file that was there stays.

        Raises:
            OutputError: the disk is full, or the file cannot be written for another reason.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._failed:
                return
            if self._encodes:
                self._mux(self._stream.encode(None))
            if self._copier is not None and self._last is not None:
                frame = 1 / self._rate
                end = self._last * self._info.time_base + frame
                self._copier.finish(end, max(3 * frame, Fraction(1, 4)))
            self._container.close()
            self._tell_mastering()
            self._replace()
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        finally:
            self._abandon()
            if self._replacement.waits:
                self._keep_both()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._complete = error is None
        self.close()

    def _open(self, info: SourceInfo) -> av.container.OutputContainer:
        try:
            return open_container(self._replacement.path, info.time_base)
        except av.FFmpegError as error:
            self._replacement.discard()
            raise self._failure(error) from error

    def _tell_mastering(self) -> None:
        """Put the metadata of HDR10 into the header of the finished file."""
        path = Path(self.outputs[0])
        if (
            self._mastering is not None
            and self._last is not None
            and not write_mastering(path, self._mastering)
        ):
            self.warnings.append(
                f"The metadata of HDR10 are in the stream of {self._path} and not in its header."
            )

    def _replace(self) -> None:
        """Put a complete file with pictures in the place of the one that was there."""
        if self._complete and self._last is not None:
            self._replacement.finish()
            self.outputs = [str(self._replacement.path)]

    def _keep_both(self) -> None:
        """Leave the file that was there, and the new one if there is a picture in it."""
        if self._last is None:
            self._replacement.discard()
        else:
            self.warnings.append(self._replacement.sentence)

    def _start(self, codec: str) -> None:
        """Add the streams, open the encoder, write the header."""
        settings, info = self._settings, self._info
        try:
            stream = self._container.add_stream(settings.encoder, rate=self._rate)
        except ValueError as error:
            raise EncoderError(
                f"A {self._path.suffix} file cannot hold {codec}: choose .mkv, or another --codec."
            ) from error
        self._stream = cast(av.VideoStream, stream)
        context = self._stream.codec_context
        configure(context, settings, info.width, info.height, info.time_base)
        context.color_primaries, context.color_trc = self._color.primaries, self._color.transfer
        context.colorspace = self._color.matrix
        if info.sample_aspect != 1:
            context.sample_aspect_ratio = info.sample_aspect
        if settings.encoder == "libx265" and self._path.suffix.lower() in MOV:
            context.codec_tag = "hvc1"  # Apple's players know HEVC by this name only
        self._stream.time_base = info.time_base
        if self._mastering is not None and self._path.suffix.lower() not in MOV:
            self._stream.metadata["title"] = PLACEHOLDER
        if info.media is not None:
            self._copy_media(info.media)
        try:
            with ordinary_priority():
                self._container.start_encoding()
        except av.FFmpegError as error:
            raise self._failure(error) from error

    def _copy_media(self, media: Path) -> None:
        try:
            self._copier = MediaCopier(media, self._container, self._path, self.warnings, self._audio)
        except av.FFmpegError as error:
            self.warnings.append(f"Audio and subtitles of {media} are not copied: {error.strerror}.")

    def _tell_changes(self) -> None:
        """Warn of what is converted without having been asked for."""
        info, pixels = self._info, self._settings.pixels
        if pixels.bits < info.bits:
            self.warnings.append(f"{info.bits} bit is stored as {pixels.bits} bit in {self._path}.")
        if info.has_chroma and sum(pixels.subsampling) > sum(info.subsampling):
            self.warnings.append(f"Chroma is stored at a lower resolution ({pixels.name}) in {self._path}.")
        odd = pixels._replace(subsampling=info.subsampling)
        if pixels.subsampling == (0, 0) and not odd.fits(info.width, info.height):
            self.warnings.append(
                f"{self._path} is stored as {pixels.name}, which fewer players take: "
                f"{self._settings.encoder} has no other format for {info.width}x{info.height}."
            )
        elif not self._asked and not self._plays_anywhere():
            self.warnings.append(
                f"{self._path} keeps the film's {pixels.bits} bit and chroma ({pixels.name}), which an editor takes "
                "and many players do not: for those add --bits 8 --pix-fmt yuv420p."
            )

    def _plays_anywhere(self) -> bool:
        """Tell whether usual players show this depth and chroma in this codec; what editors use is not asked."""
        codec, pixels = self._settings.encoder, self._settings.pixels
        most_bits = 8 if "264" in codec else 10 if "265" in codec or "hevc" in codec else None
        if most_bits is None or self._path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
            return True
        return pixels.bits <= most_bits and (pixels.subsampling == (1, 1) or not self._info.has_chroma)

    def _pts(self, frame: FusedFrame) -> int:
        """Time stamp in the stream's units; made up from the rate where there is none."""
        base = self._info.time_base
        if frame.pts is None:
            return 0 if self._last is None else self._last + max(1, round(1 / (self._rate * base)))
        return frame.pts if frame.time_base == base else round(frame.pts * frame.time_base / base)

    def _picture(self, frame: FusedFrame, pts: int) -> av.VideoFrame:
        """Give the frame as the encoder wants it."""
        pixels = self._settings.pixels
        target = replace(frame.color, matrix=self._color.matrix, full_range=self._color.full_range)
        planes = convert_planes(
            frame.planes,
            frame.bits,
            frame.subsampling,
            frame.color,
            to_bits=pixels.bits,
            to_subsampling=pixels.subsampling,
            to_color=target,
        )
        if pixels.gray:
            planes = planes[:1]
        elif len(planes) == 1:
            planes += neutral_chroma(frame.height, frame.width, pixels.bits, pixels.subsampling)
        picture = av_frame(planes, pixels.planar)
        picture.pts, picture.time_base = pts, self._info.time_base
        picture.color_range = 2 if self._color.full_range else 1
        picture.colorspace = self._color.matrix
        picture.color_primaries, picture.color_trc = self._color.primaries, self._color.transfer
        return picture

    def _mux(self, packets: Iterable[Packet]) -> None:
        """Write encoded packets, and the audio and subtitles that belong before them."""
        for packet in packets:
            if self._copier is not None and packet.dts is not None:
                self._copier.advance(packet.dts * Fraction(packet.time_base))
            self._container.mux(packet)

    def _failure(self, error: av.FFmpegError | OSError) -> OutputError:
        """Give the sentence for a failed write, after which nothing more is written."""
        self._failed = True
        if error.errno not in _OF_THE_DISK:
            return OutputError(
                f"The container refuses what was to be written into {self.outputs[0]} ({error.strerror}); what was "
                "written before is kept. End the name with .mkv, which holds most, or add --audio none if it is sound."
            )
        return OutputError(
            f"{self.outputs[0]} cannot be written ({error.strerror}); what was written before is kept. Free space "
            "or choose another folder, and run again."
        )

    def _abandon(self) -> None:
        """Close everything as well as it goes."""
        self._closed = True
        if self._copier is not None:
            self._copier.close()
        with suppress(av.FFmpegError):  # the error that brought us here has been told
            self._container.close()


def av_frame(planes: tuple[Plane, ...], layout: str) -> av.VideoFrame:
    """Copy planes into a new `av.VideoFrame` of that planar pixel format."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, layout)
    for plane, target in zip(planes, frame.planes, strict=True):
        lines = np.frombuffer(memoryview(target), plane.dtype).reshape(target.height, -1)
        lines[:, : plane.shape[1]] = plane
    return frame


def usual_codec(info: SourceInfo, suffix: str) -> str:
    """Give the codec of a container where none is named."""
    if info.color.is_hdr:
        return "av1" if suffix == ".webm" else "hevc"
    return "vp9" if suffix == ".webm" else "h264"


def check_output(path: Path, inputs: list[Path], overwrite: bool) -> None:
    """Refuse an output that is an input, exists already, or lies where nothing can be written.

    Raises:
        OutputExistsError, OutputError: as the message says.
    """
    if any(path.exists() and other.exists() and path.samefile(other) for other in inputs):
        raise OutputError(f"{path} is the input: choose another output, the input is never replaced.")
    check_output_file(path, overwrite=overwrite)
