"""The photographer: a hand-held bracket to one picture, and to the light itself.

python tools/first_hour/run.py photographer
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
from inputs import Rgb, luma, write_bracket
from walk import ROOT, Walk

README, TUTORIAL, HDR = "README.md", "docs/tutorial.md", "docs/hdr.md"


def main() -> None:
    walk = Walk("photographer")
    with walk.step("brackets of one's own"):
        dark, _, bright = write_bracket(Path(), ["dark.jpg", "middle.jpg", "bright.jpg"])
        write_bracket(Path("bracket"), [f"IMG_{n}.jpg" for n in range(5)])

    text = walk.run(TUTORIAL, "streamfuse still dark.jpg middle.jpg bright.jpg -o fused.png")
    walk.see("that the hand shook is said", "were aligned" in text, text)
    fused = _picture("fused.png")
    walk.see("the size stays", fused.shape == dark.shape, fused.shape)
    walk.see("the window has detail", np.mean(luma(fused)[luma(bright) > 250] > 250) < 0.2)
    shadows = luma(dark) < np.median(luma(dark))
    walk.see("the room has light", np.median(luma(fused)[shadows]) > 1.5 * np.median(luma(dark)[shadows]))

    walk.run(HDR, "streamfuse still bracket/ -o scene.exr")
    light = OpenEXR.File("scene.exr").channels()["RGB"].pixels.astype(np.float32)
    low, high = np.percentile(light.mean(2), (1, 99.5))
    walk.see(
        "the light of more stops than one photograph has", np.log2(high / max(low, 1e-9)) > 8, (low, high)
    )

    with walk.step("python examples/fuse_two_pictures.py dark.jpg bright.jpg two.png"):
        example = ROOT / "examples" / "fuse_two_pictures.py"
        subprocess.run([sys.executable, str(example), "dark.jpg", "bright.jpg", "two.png"], check=True)
    walk.see("it writes a picture", _picture("two.png").shape == dark.shape)

    film = "streamfuse fuse frames/ -o fused.mp4 --fps 24"
    text = walk.run(README, film, swap={"frames/": "bracket/"})
    walk.see("a bracket that was taken for a film is recognised", "looks like one bracket" in text, text)
    walk.see("and the right command is named", "`streamfuse still`" in text, text)
    still = "streamfuse still dark.jpg middle.jpg bright.jpg -o fused.png"
    text = walk.run(README, still, status=1)
    walk.see("an output is not replaced unasked", "exists already" in text, text)
    text = walk.run(README, still, swap={"middle.jpg": "", "bright.jpg": "", "fused": "alone"}, status=2)
    walk.see("one photograph is too few", "at least two photographs" in text, text)
    text = walk.run(README, still, swap={"fused.png": "out"}, status=2)
    walk.see("what it can write is said", ".png" in text and ".exr" in text, text)
    walk.end()


def _picture(name: str) -> Rgb:
    return np.asarray(cv2.imread(name)[..., ::-1], np.uint8)


if __name__ == "__main__":
    main()
