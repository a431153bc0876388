"""Made-up exposure stacks, small enough to train on in a test, and what a run leaves behind."""

import csv

import cv2
import numpy as np
from pictures import exposures


def write_stack(folder, seed, label=False):
    folder.mkdir(parents=True)
    pictures = exposures(96, 128, 3, seed)
    for n, picture in enumerate(pictures):
        assert cv2.imwrite(str(folder / f"{n:02d}.jpg"), np.rint(picture * 255))
    if label:
        assert cv2.imwrite(str(folder / "reference.jpg"), np.rint(np.mean(pictures, axis=0) * 255))


def log(out):
    with (out / "log.csv").open() as file:
        return list(csv.DictReader(file))
