"""The examples run as they are."""

import importlib.util
import json
import threading
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

import streamfuse

EXAMPLES = Path(__file__).parent.parent / "examples"
SAMPLE = "sample:?frames=6&size=160x96"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_pictures(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], (48, 1, 3))
    for name, picture in (("under", ramp // 4), ("over", ramp)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    out = tmp_path / "out.png"
    load("fuse_two_pictures").main(str(tmp_path / "under.png"), str(tmp_path / "over.png"), str(out))
    assert cv2.imread(str(out)).shape == ramp.shape


def test_video_frames(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("fuse_video_frames").main(SAMPLE) == 6
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_own_pipeline(tmp_path: Path) -> None:
    out = tmp_path / "own.mkv"
    assert load("own_pipeline").main(SAMPLE, str(out)) == 6
    assert out.stat().st_size > 0


def test_own_source_and_sink(capsys: pytest.CaptureFixture[str]) -> None:
    means = load("own_source_and_sink").main()
    assert len(means) == 24
    # Dark and bright frames by turns, and one brightness of what is fused.
    assert abs(np.mean(means[::2]) - np.mean(means[1::2])) < 1
    assert capsys.readouterr().out.startswith("24 frames")


def test_own_fuser_gives_a_mean_of_the_exposures() -> None:
    fuser = load("own_fuser/plain_mean").make("auto")
    dark, bright = np.full((30, 40), 0.2, np.float32), np.full((30, 40), 0.9, np.float32)
    maps = fuser.weigh([dark, bright])
    fused = fuser.blend([dark, bright], maps)
    assert fused.shape == dark.shape
    # 0.2 is nearer to the middle than 0.9, and counts for more.
    assert 0.2 < fused.min() <= fused.max() < 0.55


def test_frames_for_opencv(tmp_path: Path) -> None:
    taken: list[np.ndarray] = []

    def take(picture: np.ndarray) -> bool:
        taken.append(picture)
        return len(taken) < 3

    with streamfuse.publish(f"pub:ipc://{tmp_path}/frames") as publisher:
        ended = threading.Event()

        def send() -> None:
            while not ended.wait(0.02):
                publisher.send(np.full((48, 64, 3), (250, 20, 10), np.uint8))

        thread = threading.Thread(target=send)
        thread.start()
        try:
            assert load("subscribe_opencv").main(f"ipc://{tmp_path}/frames", take) == 3
        finally:
            ended.set()
            thread.join()
    assert taken[0].shape == (48, 64, 3)
    assert abs(int(taken[0][0, 0, 2]) - 250) < 3  # red comes last


def test_the_notebook_runs() -> None:
    notebook = json.loads((EXAMPLES / "fuse_in_a_notebook.ipynb").read_text())
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert isinstance(names["frames"], list)
    assert len(names["frames"]) == 8
