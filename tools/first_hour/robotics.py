"""The robotics engineer: fused frames over ZeroMQ into OpenCV, and a camera of one's own by an entry point.

python tools/first_hour/run.py robotics
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from types import ModuleType

import numpy as np
import numpy.typing as npt
from inputs import write_film
from walk import ROOT, Walk, block_of, free_port

README, ZMQ, EXTENDING = "README.md", "docs/zmq.md", "docs/extending.md"
FRAMES = 24
PUBLISH = "streamfuse publish clip.mov --to tcp://127.0.0.1:5556"
SUBSCRIBE = "streamfuse subscribe tcp://127.0.0.1:5556"


def main() -> None:
    walk = Walk("robotics engineer")
    with walk.step("a film that stands for the robot's camera"):
        write_film("clip.mov", f"sample:?size=320x180&frames={FRAMES}", sound=False)
    swap = {"5556": free_port()}
    endpoint = f"tcp://127.0.0.1:{swap['5556']}"

    text = walk.run(README, SUBSCRIBE, "--timeout", "4", swap=swap, status=1)
    walk.see("that nobody is there is said", "is a publisher running there" in text, text)

    publisher = walk.start(README, PUBLISH, "--wait-for", "2", swap=swap)
    walk.see("the address is shown once it is open", endpoint in walk.first_line(publisher))
    subscriber = walk.start(README, SUBSCRIBE, swap=swap)
    twice = walk.run(README, PUBLISH, "--wait-for", "1", swap=swap, status=1)
    walk.see("a port that is taken is said", "choose another address" in twice, twice)
    with walk.step("python examples/subscribe.py tcp://127.0.0.1:5556"):
        plain = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "subscribe.py"), endpoint], capture_output=True, text=True,
            check=True, timeout=300,
        )  # fmt: skip
    # A publisher does not wait for a subscriber that is slow: some frames may be left out on a busy machine.
    seen = plain.stdout.count("(180, 320, 3)")
    walk.see("frames reach it, as R'G'B'", FRAMES // 3 <= seen <= FRAMES, plain.stdout)
    text = walk.finish(subscriber)
    walk.see("and the command counts them", int(text.splitlines()[-1].split()[0]) >= FRAMES // 3, text)
    walk.finish(publisher)

    _opencv(walk, swap)
    _own_camera(walk)
    walk.end()


def _opencv(walk: Walk, swap: dict[str, str]) -> None:
    """The example that feeds OpenCV, with something that counts in place of the window."""
    taken: list[npt.NDArray[np.uint8]] = []

    def take(picture: npt.NDArray[np.uint8]) -> bool:
        taken.append(picture)
        return True

    publisher = walk.start(README, PUBLISH, "--wait-for", "1", swap=swap)
    with walk.step("examples/subscribe_opencv.py tcp://127.0.0.1:5556"):
        _example("subscribe_opencv").main(f"tcp://127.0.0.1:{swap['5556']}", take)
    walk.finish(publisher)
    walk.see("OpenCV has pictures", bool(taken) and taken[0].shape == (180, 320, 3), len(taken))


def _own_camera(walk: Walk) -> None:
    """A driver in a package of one's own is found where it is installed."""
    folder = ROOT / "examples" / "own_camera"
    points = block_of(EXTENDING, "streamfuse.cameras").splitlines()[:2]
    walk.see(
        "the page and the example say the same", "\n".join(points) in (folder / "pyproject.toml").read_text()
    )
    with walk.step("pip install ./examples/own_camera"):
        # A copy, since setuptools leaves a folder there; and beside, since the environment is shared.
        copy, target = f"./{shutil.copytree(folder, 'own_camera_source')}", "own_camera"
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, copy],
            check=True,
        )
    walk.environment["PYTHONPATH"] = target
    text = walk.run(README, "streamfuse doctor")
    walk.see("doctor lists it", "cameras: acme" in text, text)
    with walk.step("for frame in streamfuse.fuse_live('acme:2', preset='fast')"):
        code = (
            "import itertools, streamfuse\n"
            "frames = streamfuse.fuse_live('acme:2', preset='fast')\n"
            "print([frame.rgb().shape for frame in itertools.islice(frames, 5)])\n"
        )
        shown = subprocess.run(
            [sys.executable, "-c", code], env=walk.environment, capture_output=True, text=True, check=True,
            timeout=300,
        )  # fmt: skip
    walk.see("its frames are fused", shown.stdout.count("(180, 320, 3)") == 5, shown.stdout)
    text = walk.run(
        README, "streamfuse live 0 --web 127.0.0.1:8080", swap={"live 0": "live acme:x"}, status=1
    )
    walk.see("no such camera is said", "There is no camera acme:x" in text, text)


def _example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
