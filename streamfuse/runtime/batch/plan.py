"""What a batch has to do: a film for each file, a part for each segment of it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from streamfuse._version import __version__
from streamfuse.capture.image_source import natural_key
from streamfuse.config import Config
from streamfuse.core.values import TONE_MAPS
from streamfuse.encode.container import CONTAINERS
from streamfuse.errors import InputNotFoundError, StreamfuseError, UsageError
from streamfuse.runtime.sources import open_source

WORK_FOLDER = ".streamfuse"  # in the folder of the outputs: what is not finished, and what was finished how
RUN_IN = 48  # frames that a segment reads before its first one, so that it fuses as the whole file does
RUN_OUT = 16  # and after its last one
SHORTEST = 2 * RUN_IN  # frames of a segment: below, more would be read twice than is gained


@dataclass(frozen=True, slots=True)
class Part:
    """Frames first..end-1 of a film (None: to the end), and the name of the files that they are fused into."""

    first: int
    end: int | None
    path: Path

    @property
    def record(self) -> Path:
        """Written when the part is complete; it names the file that holds it."""
        return self.path.with_suffix(".json")

    def new_path(self) -> Path:
        """Give a file that no other attempt at this part, of this run or of another, writes to."""
        return self.path.with_name(f"{self.path.stem}-{secrets.token_hex(6)}{self.path.suffix}")


@dataclass(frozen=True, slots=True)
class Film:
    """One file to fuse.

    Args:
        source: as `open_source` takes it.
        output: the video to write.
        config: the settings.
        parts: what it is fused in.
    """

    source: str
    output: Path
    config: Config
    parts: tuple[Part, ...]

    @property
    def folder(self) -> Path:
        """Tell where its parts lie until it is done."""
        return self.parts[0].path.parent

    @property
    def record(self) -> Path:
        """Written when the output is complete."""
        return self.folder.with_suffix(f"{self.folder.suffix}.json")

    @property
    def lock(self) -> Path:
        """Locked by the run that makes the output."""
        return self.folder.with_suffix(f"{self.folder.suffix}.lock")

    @property
    def fingerprint(self) -> dict[str, object]:
        """Give all that the result depends on: parts and outputs with another one are not used again."""
        path = Path(self.source)
        stats = [file.stat() for file in (path.iterdir() if path.is_dir() else [path])]
        config = self.config.model_dump(mode="json", exclude={"live": True, "fuse": {"threads"}})
        plan = [[part.first, part.end] for part in self.parts]
        lut = self.config.look.lut
        if lut is not None:  # its name alone does not say what it does
            config["look"]["lut"] = hashlib.sha256(lut.read_bytes()).hexdigest()
        found = {"version": __version__, "source": str(path.resolve()), "size": sum(s.st_size for s in stats)}
        return found | {
            "modified": max((s.st_mtime_ns for s in stats), default=0),
            "config": config,
            "plan": plan,
        }


def digest(fingerprint: dict[str, object]) -> str:
    """Give a short name for a film's fingerprint, which the records of its parts bear."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:24]


def find_sources(names: Sequence[str]) -> list[str]:
    """Files and folders of images that the names and patterns mean, each once.

    Raises:
        InputNotFoundError: a name or pattern that nothing fits.
    """
    found: dict[Path, str] = {}
    for name in names:
        matches = [name]
        if not Path(name).exists():
            matches = sorted(glob(name, recursive=True), key=lambda match: natural_key(Path(match)))  # noqa: PTH207
        if not matches:
            raise InputNotFoundError(f"No file matches {name}: check the path or the pattern.")
        found |= {Path(match).resolve(): match for match in matches}
    return list(found.values())


def plan_films(
    sources: Sequence[str], folder: Path, config: Config, segments: int, suffix: str | None
) -> list[Film]:
    """Plan a film for each source.

    Args:
        sources: videos, or folders of images.
        folder: of the outputs, which are named after the sources.
        segments: parts for each file, fewer where they would be shorter than `SHORTEST` frames.
        suffix: of the outputs, such as '.mkv'; None: that of the source where videos are written so, else '.mkv'.

    Raises:
        UsageError: two sources with one output, a source that is an output, segments of brackets or with a white of
            their own, a wrong suffix.
    """
    if segments > 1 and config.input.rate == "half":
        raise UsageError("Segments need --rate full: where brackets begin depends on all frames before.")
    light = config.output.hdr != "off" or config.fuse.fuser in TONE_MAPS
    if segments > 1 and light and config.output.white is None:
        raise UsageError(
            "Segments of merged light need --white EV: where white is would be found in each of them anew."
        )
    if segments > 1 and config.input.transfer != "auto":
        raise UsageError(
            "Segments need --transfer auto: where the camera clips would be found in each of them anew."
        )
    if suffix is not None and (suffix := f".{suffix.lower().removeprefix('.')}") not in CONTAINERS:
        raise UsageError(f"--suffix {suffix} is no kind of video: choose one of {', '.join(CONTAINERS)}.")
    films: dict[Path, Film] = {}
    for source in sources:
        output = folder / f"{Path(source).stem}{suffix or _suffix(source)}"
        if output in films:
            raise UsageError(
                f"{source} and {films[output].source} would both be written to {output}: rename one."
            )
        if output.exists() and output.samefile(source):
            raise UsageError(f"{source} would be replaced by its output: choose another folder with -o.")
        work = folder / WORK_FOLDER / output.name
        cuts = _cuts(source, config, segments)
        ends = [*cuts[1:], None]
        parts = (
            Part(a, b, work / f"{n:04d}{output.suffix}")
            for n, (a, b) in enumerate(zip(cuts, ends, strict=True))
        )
        films[output] = Film(source, output, config, tuple(parts))
    return list(films.values())


def _suffix(source: str) -> str:
    suffix = Path(source).suffix.lower()
    return suffix if suffix in CONTAINERS and Path(source).is_file() else ".mkv"


def _cuts(source: str, config: Config, segments: int) -> list[int]:
    """Give the first frame of each segment; they differ by one frame at most."""
    if segments == 1:
        return [0]
    try:
        wanted = config.input
        with open_source(source, frames=wanted.frame_range, deinterlace=wanted.deinterlace) as opened:
            # Headers may promise too much: the last segment then finds fewer frames, never none.
            count = int(0.98 * (opened.info.frame_count or 0))
    except StreamfuseError:
        return [0]  # the worker says what is wrong with it, and the other files are fused
    first = (config.input.frame_range or (0, None))[0] or 0
    number = max(1, min(segments, count // SHORTEST))
    return [first + count * n // number for n in range(number)]
