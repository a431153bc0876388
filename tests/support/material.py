"""What the commands of the pages are run on in tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from pictures import rgb_exposures
from runs import REPOSITORY, alternating_video, image_folder, video_per_exposure

from streamfuse.lab.evaluate.baseline_stills import plain_mean
from streamfuse.photo.writing import write_photo

_SAMPLE = "sample:?frames=8&size=96x64"


def make_material(folder: Path) -> None:
    """Files and folders of the names that the commands use, small."""
    (folder / "clips").mkdir()
    (folder / "benchmarks").mkdir()
    clip = alternating_video(folder / "clip.mov", _SAMPLE)
    for name in ("clips/one.mov", "clips/two.mov"):
        (folder / name).write_bytes(clip.read_bytes())
    alternating_video(folder / "long.mov", "sample:?frames=40&size=96x64")
    video_per_exposure(folder, _SAMPLE)
    (folder / "0.mkv").rename(folder / "under.mp4")
    (folder / "1.mkv").rename(folder / "over.mp4")
    image_folder(folder / "frames", _SAMPLE)
    (folder / "bracket").mkdir()
    for name, picture in zip(("dark", "middle", "bright"), rgb_exposures(64, 96, 3, 1), strict=True):
        for place in (folder, folder / "bracket"):
            write_photo(place / f"{name}.jpg", picture)
    plain = alternating_video(folder / "dog.mp4", "sample:?frames=30&size=96x64&cycle=1")
    for name in ("plain", "windows", "juggle", "bedroom", "cockatoo", "ferris", "person", "CLIP..."):
        (folder / f"{name}.mp4").write_bytes(plain.read_bytes())
    (folder / "CLIP....mp4").rename(folder / "CLIP...")
    for name, count in (("mefb_half/a", 2), ("brackets/a", 2), ("reference/sice_1", 3), ("train/my_pool", 5)):
        (folder / name).mkdir(parents=True)
        pictures = rgb_exposures(72, 96, count, 2)
        for number, picture in enumerate(pictures):
            write_photo(folder / name / f"{number}.png", picture)
        write_photo(folder / name / "reference.png", plain_mean(pictures))
    light = cv2.GaussianBlur(np.random.default_rng(0).random((128, 256, 3), np.float32) * 8, (0, 0), 3)
    for name in ("hdr/a.hdr", "panoramas/a.hdr", *(f"bridge_hdr/{n}.hdr" for n in range(9))):
        (folder / name).parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(folder / name), light)
    (folder / "grade.cube").write_text("LUT_1D_SIZE 2\n0 0 0\n1 0.9 0.8\n")
    for name in ("configs", "tools"):
        (folder / name).symlink_to(REPOSITORY / name)
