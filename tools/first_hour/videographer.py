"""The videographer: a film of alternating exposures with sound, to a fused film; and the wrong turns on the way.

python tools/first_hour/run.py videographer
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import av
import numpy as np
from inputs import frames_of, luma, sound_of, write_film
from walk import Walk

FRAMES, RATE = 24, 24
README, TUTORIAL = "README.md", "docs/tutorial.md"


def main() -> None:
    walk = Walk("videographer")
    with walk.step("a film of one's own, with sound"):
        write_film("clip.mov", f"sample:?size=320x180&frames={FRAMES}&rate={RATE}")
        write_film("plain.mov", "sample:?size=160x90&frames=24&cycle=1", sound=False)

    summary = json.loads(walk.run(TUTORIAL, "streamfuse fuse clip.mov -o fused.mp4", "--json"))
    walk.see("all frames come out", summary["frames_in"] == summary["frames_out"] == FRAMES, summary)
    walk.see("the exposures are found", summary["order"] == ["under", "over"], summary["order"])
    walk.see("as far apart as they are", abs(summary["gap_ev"] - 3) < 0.3, summary["gap_ev"])
    _look(walk)

    text = walk.run(README, "streamfuse fuse clip.mov -o fused.mp4", status=1)
    walk.see("an output is not replaced unasked", "fused.mp4 exists already" in text, text)
    walk.run(TUTORIAL, "streamfuse fuse clip.mov -o beside.mp4 --side-by-side", "--preset", "fast")
    walk.see("three pictures side by side", frames_of("beside.mp4")[0].shape == (180, 3 * 320, 3))
    text = walk.run(TUTORIAL, "streamfuse fuse clip.mov -o fused.mp4 --overwrite --dump-stages stages")
    walk.see(
        "stages are written, and explained", "every 10th frame" in text and any(Path("stages").iterdir())
    )
    _wrong_turns(walk)
    walk.end()


def _look(walk: Walk) -> None:
    """What one hears and sees in the fused film."""
    with av.open("fused.mp4") as film:
        video = film.streams.video[0]
        walk.see("the full frame rate", video.average_rate == RATE, video.average_rate)
    seconds, tone = sound_of("fused.mp4")
    walk.see("the sound is as long as it was", abs(seconds - FRAMES / RATE) < 0.1, seconds)
    walk.see("and at its pitch", abs(tone - 440) < 2, tone)
    filmed, fused = ([luma(rgb) for rgb in frames_of(name)] for name in ("clip.mov", "fused.mp4"))
    means = np.array([picture.mean() for picture in fused])
    filmed_means = [picture.mean() for picture in filmed]
    alternation = abs(means[2::2].mean() - means[3::2].mean())
    before = abs(np.mean(filmed_means[2::2]) - np.mean(filmed_means[3::2]))
    walk.see("no frame is darker than the next", alternation < 0.02 * before, (alternation, before))
    dark, bright, picture = filmed[10], filmed[11], fused[10]
    shadows, lights = dark < np.median(dark), bright > 250
    walk.see("shadows are lifted", np.median(picture[shadows]) > 1.5 * np.median(dark[shadows]))
    walk.see(
        "what was white has detail", np.mean(picture[lights] > 250) < 0.2, np.mean(picture[lights] > 250)
    )


def _wrong_turns(walk: Walk) -> None:
    """What goes wrong in a first hour: each ends with a sentence that says what to do."""
    fuse = "streamfuse fuse clip.mov -o fused.mp4"
    turns = [
        ("no such file", {"clip.mov": "clpi.mov"}, [], 1, "There is no file clpi.mov"),
        ("no film", {"clip.mov": "notes.txt"}, [], 1, "notes.txt is not a video"),
        ("no such folder", {"fused.mp4": "films/fused.mp4"}, [], 1, "There is no folder films"),
        ("no such kind of file", {"fused.mp4": "fused.xyz"}, [], 2, "does not name an output"),
        (
            "a film of one exposure",
            {"clip.mov": "plain.mov"},
            ["--overwrite"],
            1,
            "do not alternate in exposure",
        ),
        ("one frame", {"fused.mp4": "one.mp4"}, ["--frames", "0:1"], 1, "only one frame"),
        ("a misspelt option", {}, ["--overwite"], 2, "--overwrite"),
        (
            "the film itself as the output",
            {"fused.mp4": "clip.mov"},
            ["--overwrite"],
            2,
            "cannot be the output",
        ),
    ]
    Path("notes.txt").write_text("not a film\n")
    for what, swap, more, status, words in turns:
        text = walk.run(README, fuse, *more, swap=swap, status=status)
        walk.see(f"{what}: it is said", words in text, text)
        walk.see(f"{what}: in a sentence", "Traceback" not in text, text)
    walk.see(
        "the film is still there", subprocess.run(["test", "-s", "clip.mov"], check=False).returncode == 0
    )
    text = walk.run(README, fuse, "--overwrite", "--frames", "0:8", "--first", "over")
    walk.see("a hint that is wrong is told", "--first over is not what the frames show" in text, text)


if __name__ == "__main__":
    main()
