"""The examples run as they are."""

import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

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
