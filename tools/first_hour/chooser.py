"""The one who chooses between tools: does it work here, is it better than what one has, and how fast is it?

python tools/first_hour/run.py chooser
"""

from __future__ import annotations

import json
from pathlib import Path

from inputs import write_bracket, write_film
from walk import Walk

README, TUTORIAL = "README.md", "docs/tutorial.md"


def main() -> None:
    walk = Walk("chooser")
    with walk.step("a film of one exposure, and a bracket"):
        write_film("plain.mp4", "sample:?size=480x270&frames=12&cycle=1&gap=0", sound=False)
        Path("brackets").mkdir()
        write_bracket(Path("brackets/window"), ["dark.jpg", "bright.jpg"])

    text = walk.run(TUTORIAL, "streamfuse doctor")
    for word in ("fuse: works", "encode: works", "mef_ssim is", "hint "):
        walk.see("doctor says what works, what its figures are and what is missing", word in text, text)

    text = walk.run(TUTORIAL, "streamfuse evaluate video plain.mp4 --json video.json", "--frames", "8")
    walk.see("the figures are explained", "likeness to the fusion of exposures" in text, text)
    scores = {row["method"]: row["psnr"] for row in json.loads(Path("video.json").read_text())["rows"]}
    own = next(psnr for method, psnr in scores.items() if method.startswith("streamfuse"))
    baselines = {method: psnr for method, psnr in scores.items() if not method.startswith("streamfuse")}
    walk.see(
        "thirty lines of OpenCV are measured beside it",
        any("AlignMTB" in name for name in baselines),
        baselines,
    )
    walk.see("it is nearer to the truth than any of them", own > max(baselines.values()), scores)

    text = walk.run(TUTORIAL, "streamfuse evaluate stills brackets/ --json stills.json", "--no-speed")
    summary = json.loads(Path("stills.json").read_text())["summary"]
    best, mertens = (summary[name]["mef_ssim"]["mean"] for name in ("lcndr", "opencv-mertens"))
    walk.see("photographs are fused better than by Mertens", best > mertens, (best, mertens))
    walk.see("the measures are explained", "MEF-SSIM: " in text, text)

    text = walk.run(
        TUTORIAL,
        "streamfuse bench --quick",
        "--size",
        "320x180",
        "--part",
        "runs",
        "--preset",
        "fast",
        "--frames",
        "8",
    )
    walk.see(
        "the baselines are in the table",
        "AlignMTB + MergeMertens" in text and "streamfuse fast" in text,
        text,
    )
    walk.end()


if __name__ == "__main__":
    main()
