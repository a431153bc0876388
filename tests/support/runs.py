"""Running the command line in tests, and making and reading the files around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
from click.testing import CliRunner

from streamfuse.cli.app import main
from streamfuse.core.color import planes_to_rgb
from streamfuse.core.frame import FusedFrame
from streamfuse.runtime.sinks import open_sink
from streamfuse.synthetic.sample_source import open_sample

SAMPLE = "sample:?frames=8&size=160x90"
REPOSITORY = Path(__file__).parents[2]


def streamfuse(*arguments):
    """Run a command in this process: exit_code, stdout, stderr."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def fuse(*arguments):
    """Run `fuse` to a success and give its JSON summary."""
    result = streamfuse("fuse", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return SimpleNamespace(**json.loads(result.stdout))


def start(*arguments, **options):
    """Start a command in a process of its own."""
    command = [sys.executable, "-m", "streamfuse", *(str(a) for a in arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def pictures_of(path):
    """All frames of a video as R'G'B' arrays."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def write_video(path, frames, info, **options):
    """Write (index, planes) pairs as a video."""
    with open_sink(path, info, **options) as sink:
        for n, planes in frames:
            sink.write(FusedFrame(planes, info.bits, info.subsampling, info.color, n, info.time_base, n))
    return path


def alternating_video(path, spec=SAMPLE, **options):
    """The sample as a video file."""
    with open_sample(spec) as source:
        frames = [(n, frame.planes) for n, frame in enumerate(source)]
        return write_video(path, frames, source.info, **options)


def video_per_exposure(folder, spec=SAMPLE, **options):
    """One video for each exposure of the sample, taken at the same instants."""
    with open_sample(spec) as source:
        instants = [source.exposures_at(instant) for instant in range(len(source.instants()))]
        return [
            write_video(folder / f"{rank}.mkv", enumerate(e[rank] for e in instants), source.info, **options)
            for rank in range(source.cycle)
        ]


def image_folder(folder, spec=SAMPLE, only=None):
    """The sample as numbered PNG files; `only` one rank if it is given."""
    folder.mkdir()
    with open_sample(spec) as source:
        for n, frame in enumerate(source):
            if only is None or source.rank(n) == only:
                rgb = planes_to_rgb(frame.planes, frame.bits, frame.subsampling, frame.color)
                assert cv2.imwrite(str(folder / f"{n:04d}.png"), rgb[..., ::-1])
    return folder


def sound(path):
    """A file with nothing but sound."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48000)
        for n in range(20):
            samples = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            samples.sample_rate, samples.pts, samples.time_base = 48000, n * 1024, Fraction(1, 48000)
            out.mux(stream.encode(samples))
        out.mux(stream.encode(None))
    return path
