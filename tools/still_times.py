"""Times of `still` beside enfuse: two photographs of 12 megapixels that it makes, whole processes in turn; writes JSON.

python tools/still_times.py -o benchmarks/still-times.json
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click
import cv2
from tool_options import help_of

from streamfuse.core.output_file import write_json_file
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.synthetic.sample_source import SampleSource

SIZE = (4000, 3000)


def photographs(folder: Path) -> list[str]:
    """Store a dark and a bright frame of the built-in sample scene as JPEG; give their names."""
    names = []
    for number, frame in zip(range(2), SampleSource(*SIZE, 2), strict=False):
        path = folder / f"{number}.jpg"
        cv2.imwrite(str(path), frame.rgb()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        names.append(str(path))
    return names


@click.command(help=help_of(__doc__))
@click.option("-o", "output", type=click.Path(path_type=Path), default=Path("benchmarks/still-times.json"))
@click.option("--turns", default=5, show_default=True, help="Of all commands, after one that does not count.")
def main(output: Path, turns: int) -> None:
    """Measure, and write the medians."""
    enfuse = shutil.which("enfuse")
    if enfuse is None:
        raise click.ClickException("There is no enfuse here: install it (apt-get install enfuse).")
    with tempfile.TemporaryDirectory(prefix="streamfuse-still-") as name:
        pictures = photographs(Path(name))
        made = str(Path(name) / "fused.jpg")
        still = [sys.executable, "-m", "streamfuse", "still", *pictures, "-o", made, "--overwrite", "--quiet"]
        commands = {
            "enfuse": [enfuse, "-o", made, *pictures],
            **{f"still --preset {preset}": [*still, "--preset", preset] for preset in ("fast", "best")},
        }
        seconds: dict[str, list[float]] = {method: [] for method in commands}
        for turn in range(1 + turns):
            for method, command in commands.items():
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                if turn:
                    seconds[method].append(time.perf_counter() - began)
                    click.echo(f"{method}: {seconds[method][-1]:.2f} s")
    medians = {method: round(median(found), 3) for method, found in seconds.items()}
    write_json_file(
        output,
        {
            "environment": describe_environment(),
            "pictures": f"two of {SIZE[0]}x{SIZE[1]}, JPEG",
            "seconds": seconds,
            "median_seconds": medians,
            "over_enfuse": {method: round(found / medians["enfuse"], 2) for method, found in medians.items()},
        },
    )


if __name__ == "__main__":
    main()
