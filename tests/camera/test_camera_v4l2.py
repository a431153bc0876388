"""V4L2 cameras, through the real system calls to a device that a preloaded library makes up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfuse.camera import open_camera
from streamfuse.errors import CameraError

SHIM = Path(__file__).parents[1] / "support" / "v4l2_shim.c"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None,
    reason="needs Linux and gcc, for the made-up device",
)

READ = """
import json, sys, time
from pathlib import Path
from streamfuse.camera import CameraOptions, open_camera
source = open_camera("/dev/video0", CameraOptions(backoff=(0.05, 0.1), timeout=2.0))
frames = []
for frame in source:
    frames.append((frame.exposure.rank, float(frame.luma.mean()), frame.pts, time.monotonic() - frame.captured_at))
    if len(frames) == {count}:
        break
    {step}
status = source.status
{close}
print(json.dumps(dict(frames=frames, mode=status.mode, latency=status.latency, name=source.info.name,
                      reconnects=status.reconnects, error=status.error, exposures=status.exposures)))
"""


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "v4l2_shim.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl", "-lm"], check=True, timeout=60
    )
    return library


@pytest.fixture
def folder(tmp_path):
    """The pictures of a scene of high contrast at 64 exposures, 1/6 EV apart."""
    random = np.random.default_rng(0)
    light = cv2.resize(random.uniform(-6, 1, (6, 10)), (160, 96), interpolation=cv2.INTER_CUBIC)
    for level in range(64):
        linear = np.clip(2.0 ** (light + (level - 32) / 6 - 1), 0, 1)
        grey = (255 * linear ** (1 / 2.2)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"level_{level:02d}.jpg"), cv2.merge([grey, grey, grey]))
    return tmp_path


@pytest.fixture
def python(shim, folder):
    """Starts Python, or a module of it, with the device."""
    environment = {
        **os.environ,
        "LD_PRELOAD": str(shim),
        "V4L2_SHIM_DIR": str(folder),
        "V4L2_SHIM_RATE": "60",
    }

    def start(*arguments, **variables):
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def finish(process, status=0):
    out, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    return out, errors


def script(count=60, step="pass", close="source.close()"):
    return READ.format(count=count, step=step, close=close)


def controls(folder):
    """What the camera was told last, by control."""
    lines = (folder / "controls.log").read_text().split()
    return dict(line.split("=") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("latency", [2, 5])
def test_it_alternates_a_camera_that_obeys_late(python, folder, latency):
    out, _ = finish(python("-c", script(), V4L2_SHIM_LATENCY=str(latency)))
    found = json.loads(out)
    assert found["latency"] == [latency, latency]
    assert found["mode"] == "160x96 MJPG at 60 frames per second"
    assert found["name"] == "/dev/video0 (Shim Camera)"
    ranks, means, stamps, ages = zip(*found["frames"], strict=True)
    dark = [mean for rank, mean in zip(ranks, means, strict=True) if rank == 0]
    bright = [mean for rank, mean in zip(ranks, means, strict=True) if rank == 1]
    assert max(dark) + 20 < min(bright)
    assert abs(len(dark) - len(bright)) <= 1
    assert list(stamps) == sorted(set(stamps))
    assert 0 <= min(ages) < 1


@pytest.mark.parametrize(
    "close",
    [
        "pass",
        *(pytest.param(how, marks=pytest.mark.slow) for how in ("source.close()", "raise SystemExit(0)")),
    ],
)
def test_the_controls_are_put_back_however_it_ends(python, folder, close):
    finish(python("-c", script(count=5, close=close)))
    log = (folder / "controls.log").read_text()
    assert "auto=1" in log
    assert "priority=0" in log
    assert controls(folder) == {"auto": "3", "priority": "1", "exposure": "156"}


@pytest.mark.slow
def test_the_controls_are_put_back_after_a_crash(python, folder):
    finish(python("-c", script(count=5, step="raise ValueError")), status=1)
    assert controls(folder)["auto"] == "3"


@pytest.mark.slow
def test_unplugged_in_mid_run_and_plugged_in_again(python, folder):
    process = python("-c", script(count=200))
    wait_for(folder / "controls.log")
    time.sleep(2.0)
    (folder / "unplugged").touch()
    time.sleep(0.5)
    (folder / "unplugged").unlink()
    found = json.loads(finish(process)[0])
    stamps = [frame[2] for frame in found["frames"]]
    assert stamps == sorted(set(stamps))
    assert found["reconnects"] == 1


@pytest.mark.parametrize(
    ("switch", "sentence"),
    [
        ("unplugged", "There is no camera /dev/video0"),
        ("busy", "/dev/video0 (Shim Camera) is in use by another program"),
        ("denied", "add your user to the group 'video'"),
        ("not_a_camera", "takes no pictures"),
        ("no_exposure", "has no manual exposure time"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(python, folder, switch, sentence):
    (folder / switch).touch()
    code = "from streamfuse.camera import open_camera\nfrom streamfuse.errors import CameraError\n"
    code += "try: open_camera('0')\nexcept CameraError as error: print(error)"
    out, _ = finish(python("-c", code))
    assert sentence in out
    assert out.count(".\n") == 1


@pytest.mark.slow
def test_the_doctor_says_what_the_camera_can_do(python, folder):
    out, _ = finish(python("-m", "streamfuse", "doctor", "--camera", "/dev/video0"))
    assert "mode       160x96 MJPG at 60 frames per second" in out
    assert "a change shows after 3 frames" in out
    assert "Exposure Time, Absolute: 156 (1 to 5000)" in out
    assert "problem" not in out
    assert controls(folder)["auto"] == "3"


@pytest.mark.slow
def test_the_doctor_says_what_it_cannot(python, folder):
    (folder / "no_exposure").touch()
    out, _ = finish(python("-m", "streamfuse", "doctor", "--json", "--camera", "0"))
    findings = json.loads(out)
    assert findings["manual_exposure"] is False
    assert "has no manual exposure time" in findings["problem"]
    assert findings["frames_per_second"] > 5


@pytest.mark.slow
def test_the_doctor_that_is_terminated_puts_the_controls_back(python, folder):
    process = python("-m", "streamfuse", "doctor", "--camera", "/dev/video0")
    wait_for(folder / "controls.log")
    time.sleep(0.5)
    process.terminate()
    process.communicate(timeout=30)
    assert controls(folder)["auto"] == "3"


def test_what_is_no_camera_at_all():
    with pytest.raises(CameraError, match="/dev/null is not a camera"):
        open_camera("/dev/null")
    with pytest.raises(CameraError, match="There is no camera /dev/video4321"):
        open_camera("4321")


def wait_for(path, seconds=20):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.05)
