"""Frames of a publisher as OpenCV takes them: python examples/subscribe_opencv.py tcp://127.0.0.1:5556"""

import sys
from collections.abc import Callable

import cv2
import numpy as np

import streamfuse


def main(endpoint: str, take: Callable[[np.ndarray], bool]) -> int:
    """Give each frame as (H, W, 3) B'G'R' to `take`, until it says False or the stream ends; how many it took."""
    count = 0
    with streamfuse.subscribe(endpoint, latest=True) as frames:  # the newest one, however slow `take` is
        for frame in frames:
            count += 1
            if not take(frame.bgr()):
                break
    return count


def show(picture: np.ndarray) -> bool:
    """Edges of it in a window, until a key is pressed; needs opencv-python, not the headless one."""
    cv2.imshow("edges", cv2.Canny(picture, 80, 160))
    return bool(cv2.waitKey(1) == -1)


if __name__ == "__main__":
    main(sys.argv[1], show)
