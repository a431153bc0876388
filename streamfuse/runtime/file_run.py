"""Fusing files: source, chain and sink put together, run, and summed up."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Unpack

from streamfuse.config import Config, configured
from streamfuse.core.arguments import checked_names
from streamfuse.core.forking import Owner
from streamfuse.core.frame import FusedFrame
from streamfuse.core.memory_limit import check_memory_limit
from streamfuse.core.options import FuseOptions
from streamfuse.core.output_file import check_output_file
from streamfuse.core.protocols import Sink, Source, SourceInfo
from streamfuse.core.values import TONE_MAPS
from streamfuse.encode.image_sink import is_one_picture
from streamfuse.errors import ExposureError, InputError, OutputError, UsageError
from streamfuse.runtime import hdr_output
from streamfuse.runtime.chain import Chain, Finish, build_chain
from streamfuse.runtime.findings import are_few_pictures, one_bracket
from streamfuse.runtime.job import FusionJob
from streamfuse.runtime.line import through
from streamfuse.runtime.sinks import open_recorder, open_sink
from streamfuse.runtime.sources import open_source
from streamfuse.runtime.statistics import Statistics
from streamfuse.runtime.views import StageDump, side_by_side, side_by_side_width

Progress = Callable[[Statistics, Chain, SourceInfo], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did; `as_dict` is what `--json` prints.

    Args:
        frames_in, frames_out: input frames read, fused frames written.
        fps: fused frames per second of the run.
        cycle, order, gap_ev, confidence: what was found of the exposures.
        frames_expected: what the input promises, counted as `frames_in`; None where it does not say.
        drops_detected: places where the input's order of exposures is broken.
        drops_at: the numbers of the first frames after those places; at most 20 of them.
        repaired_pairs: brackets that were paired around such a place.
        passed_through: frames that had no partner and stayed as they were.
        doubled: frames that show the same as the one before, where the whole film is so; fused once, written again.
        offset: seconds by which the second of two files, one per exposure, began later, given or found; None where
            there are no two, or their time stamps alone tell.
        deinterlaced: interlaced frames of which whole pictures were made.
        passed_through_at: where: number of the first and of the last frame of each run of them.
        device, preset, fuser: what fused.
        delay_frames: input frames after an instant that its fused frame needs.
        seconds: how long it took.
        interrupted: ended early by Ctrl-C or SIGTERM, with the output finished.
        outputs: files or folders written.
        notes: what was done to the pictures before they were fused, a sentence each.
        warnings: what could not be kept, a sentence each.
    """

    frames_in: int
    frames_out: int
    frames_expected: int | None
    fps: float
    cycle: int
    order: tuple[str, ...]
    gap_ev: float
    confidence: float
    drops_detected: int
    drops_at: tuple[int, ...]
    repaired_pairs: int
    passed_through: int
    passed_through_at: tuple[tuple[int, int], ...]
    doubled: int
    offset: float | None
    deinterlaced: int
    device: str
    preset: str
    fuser: str
    delay_frames: int
    seconds: float
    interrupted: bool
    outputs: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Give plain values, ready for JSON."""
        return asdict(self)


class FileFusion:
    """One run of `streamfuse fuse`: opens everything, so that what is wrong is said before any work is done.

    Args:
        inputs: as `open_source` takes them.
        output: as `open_sink` takes it.
        config: the settings.
        fps: frame rate of image sequences.
        dump: folder for pictures of what each stage saw.

    Raises:
        StreamfuseError: as the message says.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        output: str,
        config: Config,
        *,
        fps: Fraction | None = None,
        dump: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        _refuse_input_as_output(inputs, output)
        _refuse_the_same_twice(inputs)
        config = hdr_output.settled(config, output)
        if dump is not None and (config.output.hdr != "off" or config.fuse.fuser in TONE_MAPS):
            raise UsageError(
                "--dump-stages shows what the network sees: leave it out, or leave --hdr and --fuser radiance out."
            )
        self._inputs = inputs
        self._config = config
        self._output = output
        self._progress = progress
        with ExitStack() as opened:
            source = opened.enter_context(_open(inputs, config, fps))
            _refuse_one_picture(output, source.info)
            if Path(output).is_file():  # before the networks are loaded
                check_output_file(Path(output), overwrite=config.output.overwrite)
            self._dump = StageDump(dump, overwrite=config.output.overwrite) if dump is not None else None
            self._job = FusionJob.opened(
                source,
                config,
                lambda info: [open_output(output, info, config)],
                finishers(config, self._dump),
                on_progress=self._report if progress else None,
                whole=True,
            )
            opened.pop_all()

    @property
    def source_info(self) -> SourceInfo:
        """Give what the source knows of itself."""
        return self._job.info

    @property
    def notes(self) -> Sequence[str]:
        """Give what was done to the pictures so far, before they are fused; a sentence each."""
        return self._job.notes

    def run(self) -> Summary:
        """Fuse to the end, to an interrupt or to the first error.

        Raises:
            StreamfuseError: the first error; outputs that hold no frame are removed, others are finished and their
                number of frames is in the error's notes.
        """
        try:
            self._job.run()
        except BaseException as error:
            # An interrupt may leave too few frames to tell their exposures apart: not the input's fault.
            if not (self._job.interrupted and isinstance(error, ExposureError)):
                self._tidy(error)
                if isinstance(error, ExposureError):
                    error.args = (f"{self._job.info.name}: {error}",)
                    if are_few_pictures(self._inputs, self._job.statistics.frames_in):
                        error.add_note(
                            "If they are one bracket: `streamfuse still` fuses them into one picture."
                        )
                raise
        if self._job.statistics.frames_out == 0:
            self._remove_empty()
            if not self._job.interrupted:
                raise InputError(
                    f"{self._job.info.name} gave no frame to fuse; check the input and --frames."
                )
        if self._dump is not None and not self._job.interrupted:
            self._dump.finish()
        return self._summary()

    def stop(self) -> None:
        """End soon and cleanly, from any thread or a signal handler."""
        self._job.stop()

    def _report(self, statistics: Statistics) -> None:
        if self._progress is not None:
            self._progress(statistics, self._job.chain, self._job.info)

    def _tidy(self, error: BaseException) -> None:
        """Leave no output that cannot be played, and say what is left."""
        frames, names = self._job.statistics.frames_out, self._job.outputs
        # Where nothing alternates nothing was fused: what was written are frames as they came.
        if not frames or not names or isinstance(error, ExposureError):
            self._remove_empty()
            return
        output = names[0] if len(names) == 1 else f"{names[0]} .. {names[-1]}"
        if isinstance(error, OutputError):
            error.add_note(f"{output} is cut off: at most {frames} frames reached it.")
        else:
            error.add_note(f"{output} was finished with the {frames} frames that were fused before this.")
        if self._output not in names and Path(self._output).is_file():
            error.add_note(f"{self._output} is as it was.")

    def _remove_empty(self) -> None:
        """Remove outputs that hold no frame."""
        for output in self._job.outputs:
            with suppress(OSError):
                Path(output).unlink(missing_ok=True)

    def _summary(self) -> Summary:
        job, chain, statistics = self._job, self._job.chain, self._job.statistics
        found, front, told = job.found, chain.front, job.source.report()
        return Summary(
            frames_in=statistics.frames_in,
            frames_out=statistics.frames_out,
            frames_expected=job.info.frame_count,
            fps=round(statistics.fps, 2),
            cycle=found.cycle if found else 0,
            order=found.order if found else (),
            gap_ev=round(found.gap_ev, 2) if found else 0.0,
            confidence=round(found.confidence, 3) if found else 0.0,
            drops_detected=found.drops_detected if found else 0,
            drops_at=tuple(front.doubles.index_of(index) for index in found.drops_at) if found else (),
            repaired_pairs=front.pairer.repaired_pairs,
            passed_through=front.pairer.unpaired_count,
            passed_through_at=tuple(
                (front.doubles.index_of(first), front.doubles.index_of(last))
                for first, last in front.pairer.unpaired
            ),
            doubled=front.doubles.copies,
            offset=told.offset,
            deinterlaced=told.deinterlaced,
            device=chain.fuser.device,
            preset=self._config.fuse.preset,
            fuser=chain.fuser.name,
            delay_frames=chain.delay_frames,
            seconds=round(statistics.elapsed, 2),
            interrupted=job.interrupted,
            outputs=job.outputs if statistics.frames_out else (),
            notes=(
                *self.notes,
                *_bands(front.bands.undone),
                *([] if self._dump is None else [self._dump.sentence]),
            ),
            warnings=(
                *job.findings(),
                *one_bracket(self._inputs, found, statistics.frames_in),
            ),
        )


def _bands(undone: int) -> list[str]:
    """Tell of how many frames the bands of lamps were undone; nothing of none."""
    frames = f"{undone} frame{'s' * (undone != 1)}"
    return (
        [f"Bands of lamps on the mains were taken out of {frames} (--bands off leaves them)."]
        if undone
        else []
    )


def open_output(output: str | Path, info: SourceInfo, config: Config) -> Sink:
    """Open the sink for fused frames of a source; its encoder takes as many threads as the run.

    Raises:
        StreamfuseError: as `open_sink`.
    """
    rate, settings = info.rate / info.simultaneous, config.output
    info, settings, mastering = hdr_output.output_of(output, info, settings)
    if settings.side_by_side:
        info = replace(info, width=side_by_side_width(info))
    # What has neither a length nor sound has run for a while before: nothing else tells where it begins.
    opened = open_recorder if info.frame_count is None and info.media is None else open_sink
    return opened(
        output, info, codec=settings.codec, crf=settings.crf, speed=settings.speed,
        quick=config.fuse.preset == "fast", bits=settings.bits, pix_fmt=settings.pix_fmt, rate=rate,
        overwrite=settings.overwrite, audio=settings.audio, mastering=mastering, log=settings.hdr == "log",
        threads=config.fuse.threads or 0,
    )  # fmt: skip


def _refuse_the_same_twice(inputs: Sequence[str]) -> None:
    files = [Path(name).resolve() for name in inputs if Path(name).is_file()]
    for file in files:
        if files.count(file) > 1:
            raise UsageError(f"{file} is named twice; give one file per exposure.")


def _refuse_one_picture(output: str, info: SourceInfo) -> None:
    """A film does not fit into one picture: say so before the work is done."""
    if is_one_picture(output) and (info.frame_count or 2) > info.simultaneous:
        raise UsageError(
            f"{output} is one picture and {info.name} has more frames; name a folder or out_%05d.png."
        )


def _refuse_input_as_output(inputs: Sequence[str], output: str) -> None:
    """An input that is written over while it is read would be lost."""
    target = Path(output)
    for name in inputs:
        if Path(name).exists() and target.exists() and Path(name).samefile(target):
            raise UsageError(f"{output} is an input and cannot be the output too; name another output.")


def _open(inputs: Sequence[str], config: Config, fps: Fraction | None) -> Source:
    wanted = config.input
    source = open_source(
        list(inputs), frames=wanted.frame_range, rate=fps, sidecar=wanted.exposures, offset=wanted.offset,
        deinterlace=wanted.deinterlace, threads=config.fuse.threads or 0,
    )  # fmt: skip
    return hdr_output.in_scene_light(source, config)


def finishers(config: Config, dump: StageDump | None = None) -> list[Finish]:
    """Collect what sees each fused frame last: pictures of the stages, a view beside the input."""
    finish: list[Finish] = []
    if dump is not None:
        finish.append(dump)
    if config.output.side_by_side:
        finish.append(side_by_side)
    return finish


def fuse_video(
    inputs: str | Path | Sequence[str | Path], *, config: Config | None = None, **options: Unpack[FuseOptions]
) -> Generator[FusedFrame, None, None]:
    """Fuse a video and give the frames one by one, in this thread; the preset is `balanced` unless it is named.

    Args:
        inputs: as `streamfuse.open_source` takes them: an alternating video, one video per exposure, images.
        config: settings; the shipped defaults if None.
        options: single settings by the names of the command line: preset="fast", align="off", rate="half" ...

    Yields:
        `FusedFrame`, in order.

    Raises:
        StreamfuseError: as the message says; what is wrong with the arguments at once, the rest with the first frame.

    Example:
        >>> for frame in fuse_video("sample:?frames=4&size=64x48", preset="fast"):
        ...     picture = frame.rgb()
        >>> picture.shape
        (48, 64, 3)
    """
    settings = configured(config, options)
    hdr_output.check_frames(settings)
    names = [str(name) for name in checked_names(inputs)]
    return _fused_files(names, settings)


def _fused_files(names: Sequence[str], settings: Config) -> Generator[FusedFrame, None, None]:
    yield from fused(_open(names, settings, None), settings)


def fused(source: Source, settings: Config) -> Generator[FusedFrame, None, None]:
    """Fuse what a source gives, in this thread; the source is closed at the end.

    Raises:
        StreamfuseError: as the message says.
    """
    owner = Owner(f"The fusion of {source.info.name}")
    try:
        check_memory_limit(source.info.width, source.info.height)
        hdr_output.check_source(source.info, settings)
        chain = build_chain(settings, source.info.simultaneous, on_device=True)
        for frame in through(chain.line, source):
            yield frame
            owner.check()
    finally:
        if owner.is_here:
            source.close()
