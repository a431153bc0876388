"""Video files (and Y4M from standard input), decoded to native planes by PyAV."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain, dropwhile
from pathlib import Path

import av
import av.container
import av.video

from streamfuse.capture.avframe import picture_of
from streamfuse.capture.deinterlace import Deinterlacer
from streamfuse.capture.ending import Ending
from streamfuse.capture.image_source import alpha_lost
from streamfuse.capture.index import seek_to_frame
from streamfuse.capture.piped import STDIN, StandardInput, y4m_problem
from streamfuse.capture.steady import SteadyTimes
from streamfuse.core.clock import MediaClock, Packet, has_time_stamps, nominal_rate
from streamfuse.core.frame import Frame
from streamfuse.core.input_file import missing
from streamfuse.core.protocols import Source, SourceInfo
from streamfuse.core.reports import SourceReport
from streamfuse.core.values import Deinterlace
from streamfuse.errors import InputError, UsageError

# A playlist in a local file must not make us open other addresses.
_OPTIONS = {"protocol_whitelist": "file,pipe,fd"}


class VideoFileSource(Source):
    """Frames of a video file in display order, with the pixels and the time stamps of the file.

    The first frame is decoded at construction, so that `info` tells what really comes and a file without a
    picture fails here.

    Args:
        path: the file; '-' reads Y4M (or what else FFmpeg recognises) from standard input.
        frames: (first, end) frame numbers, end excluded; None leaves a side open. `Frame.index` counts from
            the file's first frame.
        rate: frames per second of a file that has no time stamps, such as `.h264`; None: what its pictures say.
        deinterlace: which frames to deinterlace, see `Deinterlacer`.
        threads: of the decoder; 0 = one for each CPU.

    Attributes:
        info: what is known before the first frame.
        decode_errors: packets so far that could not be decoded and were skipped.
        warnings: what else is wrong with it, as far as it was read, a sentence each.

    Raises:
        InputNotFoundError: no such file, a link that leads nowhere.
        UsageError: a rate for a file that has time stamps.
        InputError: no permission, not a video, no picture in it, no frame in the range; while iterating: the
            frame size or pixel format changes.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        frames: tuple[int | None, int | None] | None = None,
        rate: Fraction | None = None,
        deinterlace: Deinterlace = "auto",
        threads: int = 0,
    ) -> None:
        self.decode_errors = 0
        self.warnings: list[str] = []
        self._name = "standard input" if str(path) == STDIN else str(path)
        self._first, self._end = _checked_range(frames)
        self._stopped = threading.Event()
        self._reading = threading.Lock()
        self._given_rate = rate
        self._deinterlacer = Deinterlacer(deinterlace)
        self._threads = threads
        self._piped = StandardInput() if str(path) == STDIN else None
        self._path = Path(path)
        try:
            self._begin_reading(path)
        except InputError:
            if self._piped is not None and self._piped.interrupted:
                raise KeyboardInterrupt from None
            raise

    def _begin_reading(self, path: str | Path) -> None:
        self._reopen()
        try:
            decoded, head = self._begin(path)
            if head is None:
                raise InputError(self._nothing())
            self._frames = chain([head], decoded)
            if any(component.is_alpha for component in self._stream.format.components):
                self.warnings.append(alpha_lost(self._name))
            self.info = self._describe(head, None if str(path) == STDIN else Path(path))
        except BaseException:
            self._container.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        """Each frame once; a second iteration goes on where the first one stopped."""
        with self._reading:
            if self._stopped.is_set():
                return
        for frame in self._frames:
            self._check_like_first(frame)
            yield frame
            if self._stopped.is_set():
                break

    def close(self) -> None:
        """Release the file; from another thread, a running iteration ends before its next frame."""
        self._stopped.set()
        if self._piped is not None:
            self._piped.close()
        # Closing under the decoder's feet would crash the process: then the iteration itself closes.
        if self._reading.acquire(blocking=False):
            self._container.close()
            self._frames = chain()  # it holds this source, which holds the decoder and its threads
            self._reading.release()

    def report(self) -> SourceReport:
        """Tell what is wrong with the file, as far as it was read."""
        return SourceReport(
            warnings=tuple(self.warnings),
            notes=tuple(self.notes),
            decode_errors=self.decode_errors,
            deinterlaced=self.deinterlaced,
        )

    def _begin(self, path: str | Path) -> tuple[Iterator[Frame], Frame | None]:
        """Give the frames from the first one wanted, and that frame; by seeking where that is safe."""
        if self._first and str(path) != STDIN:
            self._deinterlacer.look(self._decode())
            self._start_again()
        if self._first and str(path) != STDIN and not self._deinterlacer.fields:
            found = seek_to_frame(self._container, self._stream, self._first)
            origin = round(self._clock.origin / Fraction(self._stream.time_base or 1))
            numbers = {pts - origin: number for pts, number in found.items()} if found else None
            decoded = self._numbered(self._decode(), numbers)
            head = next(decoded, None) if numbers else None
            if head is not None:
                return decoded, head
            self._start_again()
        decoded = self._numbered(self._decode())
        return decoded, next(decoded, None)

    def _start_again(self) -> None:
        self._container.close()
        self._reopen()
        self.decode_errors = 0
        self.warnings.clear()

    def _reopen(self) -> None:
        """Open the file at its beginning."""
        self._container = _open(self._path, self._name, self._piped)
        try:
            self._stream = _picture_stream(self._container, self._name, self._threads)
            if self._given_rate is not None and has_time_stamps(self._container):
                raise UsageError(
                    f"A frame rate can be given for images and streams without time stamps: {self._name} has its own."
                )
            self._ended = False
            self._ending = Ending(self._name, self._container, self._stream)
            self._clock = MediaClock(self._container, self._stream, self._parts / self._rate)
        except BaseException:
            self._container.close()
            raise

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Give all frames that can be decoded, in display order."""
        packets = self._container.demux()
        while True:
            with self._reading:
                if self._stopped.is_set():
                    self._container.close()
                    return
                pictures = self._next_pictures(packets)
            if pictures is None:
                return
            yield from pictures

    def _next_pictures(self, packets: Iterator[Packet]) -> list[av.VideoFrame] | None:
        """Decode one packet; None at the end."""
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            self.decode_errors += 1  # cut off in mid-packet: nothing more can be read
            self._tell_end(error)
            return self._drain()
        if packet is None:
            return None
        self._ending.see(packet)
        if packet.stream.index != self._stream.index:  # those that flush a decoder have no other number
            return []
        self._clock.place(packet)
        if not packet.size:
            self._check_end()
        try:
            pictures = packet.decode()
            whole = [picture for picture in pictures if not picture.is_corrupt]
            self.decode_errors += len(pictures) - len(whole)  # a picture with holes is worse than a lost one
            return whole
        except av.EOFError:
            return None
        except av.FFmpegError:
            self.decode_errors += 1
            return []

    def _drain(self) -> list[av.VideoFrame] | None:
        """Give the frames that the decoder still holds; None if there are none."""
        try:
            return self._stream.codec_context.decode(None) or None
        except av.FFmpegError:
            return None

    def _numbered(
        self, decoded: Iterator[av.VideoFrame], numbers: Mapping[int, int] | None = None
    ) -> Iterator[Frame]:
        """Cut to the range of frames, with time stamps that exist and increase.

        Frames are counted, from the first that `numbers` (by pts) knows where that is given.
        """
        decoded = self._deinterlacer.through(decoded)
        if numbers is not None:
            decoded = dropwhile(lambda raw: raw.pts not in numbers, decoded)
        if (opening := next(decoded, None)) is None:  # with it is decided what becomes of fields
            return
        time_base, step = self._time_base()
        steady = SteadyTimes(time_base, self._rate)
        last: int | None = None
        start = 0 if numbers is None else numbers[opening.pts or 0]
        for index, raw in enumerate(chain([opening], decoded), start):
            if self._end is not None and index >= self._end:
                return
            pts = raw.pts
            if pts is None or (last is not None and pts <= last):
                pts = 0 if last is None else last + step
            last = pts
            if index >= self._first:
                # Frames that were lost on landing would shift the count: the time stamp tells.
                if index == self._first and numbers is not None and numbers.get(pts) != index:
                    return
                picture = picture_of(raw)
                yield Frame(*picture, pts=steady.place(pts), time_base=steady.time_base, index=index)

    def _tell_end(self, error: av.FFmpegError) -> None:
        self.warnings.append(
            f"{self._name} cannot be read to its end ({error.strerror}): what follows the last frame is lost."
        )

    def _check_end(self) -> None:
        """Tell what only the end of the file shows."""
        size = self._path.stat().st_size if self._piped is None else self._piped.count
        if not (self._ended or self._stopped.is_set()):
            self._ended = True
            self.warnings += self._ending.warnings(self._clock, size)

    def _time_base(self) -> tuple[Fraction, int]:
        """Give the time base, and the pts units that a frame lasts at the nominal rate."""
        rate = self._rate
        time_base = self._stream.time_base
        # Unset is a falsy rational in newer PyAV, None in older.
        if not time_base or not has_time_stamps(self._container):
            return 1 / rate, 1
        time_base = Fraction(time_base) / self._parts
        return time_base, max(1, round(1 / (rate * time_base)))

    @property
    def _parts(self) -> int:
        """Pictures that each frame gives."""
        return 2 if self._deinterlacer.fields else 1

    @property
    def _rate(self) -> Fraction:
        return (self._given_rate or nominal_rate(self._stream)) * self._parts

    @property
    def deinterlaced(self) -> int:
        """Frames that were deinterlaced so far."""
        return self._deinterlacer.count

    @property
    def notes(self) -> list[str]:
        """Give what was done to the pictures so far, a sentence each."""
        return self._deinterlacer.notes(self._name)

    def _describe(self, head: Frame, media: Path | None) -> SourceInfo:
        return SourceInfo(
            name=self._name,
            width=head.width,
            height=head.height,
            bits=head.bits,
            subsampling=head.subsampling,
            color=head.color,
            time_base=head.time_base,
            rate=self._rate,
            frame_count=self._frame_count(),
            count_promised=self._ending.is_promised,
            media=media,
            has_chroma=len(head.planes) == 3,
            sample_aspect=self._aspect(head),
        )

    def _aspect(self, head: Frame) -> Fraction:
        """Of a pixel, once the picture is upright."""
        stream = self._stream
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        turned = (head.width, head.height) != (stream.width, stream.height)
        return 1 / aspect if turned else aspect

    def _frame_count(self) -> int | None:
        """Give what the headers say, cut to the range."""
        count = self._stream.frames * self._parts
        if not count:
            whole = Fraction(self._container.duration or 0, av.time_base)
            count = round((self._ending.own_duration or whole) * self._rate)
        if not count:
            return None
        end = count if self._end is None else min(count, self._end)
        return max(end - self._first, 1)

    def _check_like_first(self, frame: Frame) -> None:
        info = self.info
        if (frame.width, frame.height) != (info.width, info.height):
            raise InputError(
                f"The frame size of {self._name} changes from {info.width}x{info.height} to "
                f"{frame.width}x{frame.height} at frame {frame.index}; split the file there."
            )
        same_planes = (len(frame.planes) == 3) == info.has_chroma
        if (frame.bits, frame.subsampling) != (info.bits, info.subsampling) or not same_planes:
            raise InputError(
                f"The pixel format of {self._name} changes at frame {frame.index} (from {info.bits} to "
                f"{frame.bits} bit, or to another chroma subsampling); split the file there."
            )

    def _nothing(self) -> str:
        if self._first:
            return f"{self._name} has no frame {self._first}: ask for a range of frames that begins earlier."
        return f"No frame of {self._name} can be decoded: the file is empty or damaged."


def _checked_range(frames: tuple[int | None, int | None] | None) -> tuple[int, int | None]:
    first, end = frames or (None, None)
    if (first or 0) < 0 or (end is not None and end <= (first or 0)):
        raise InputError(f"The range of frames {first}:{end} is empty: give FIRST:END with 0 <= FIRST < END.")
    return first or 0, end


def _open(path: Path, name: str, piped: StandardInput | None) -> av.container.InputContainer:
    """Open the container, or say in one sentence why not."""
    if piped is None:
        _check_file(path)
    try:
        return av.open(piped or f"file:{path}", mode="r", options=_OPTIONS, metadata_errors="replace")
    except av.EOFError as error:
        raise InputError(f"No frame of {name} can be decoded: the file is empty or damaged.") from error
    except (av.FFmpegError, OSError) as error:
        problem = y4m_problem(name, piped.head if piped else _head(path))
        raise InputError(
            problem or f"{name} is not a video that can be read ({error.strerror}): check it with a player."
        ) from error


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(256)
    except OSError:
        return b""


def _check_file(path: Path) -> None:
    if not path.exists():
        raise missing(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a video file.")
    if path.is_fifo() or path.is_socket():
        raise InputError(f"{path} is a pipe, which cannot be read twice: name - and pipe Y4M into it.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read: you have no permission for it.")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes): it was never written or not copied.")


def _picture_stream(container: av.container.InputContainer, name: str, threads: int) -> av.VideoStream:
    """Give the first video stream that is not the cover picture of an audio file, to be decoded by so many threads."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            if stream.codec_context is None:
                raise InputError(
                    f"The video codec in {name} is not known to this build of FFmpeg: convert it first."
                )
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = threads
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise InputError(f"{name} has no video stream (only {kinds}): name a file with a picture.")
