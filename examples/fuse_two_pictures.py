"""Fuse an under- and an over-exposed picture: python examples/fuse_two_pictures.py dark.jpg bright.jpg out.png"""

import sys

import cv2

import streamfuse


def main(under_path: str, over_path: str, out_path: str) -> None:
    under, over = (cv2.imread(path)[..., ::-1] for path in (under_path, over_path))  # OpenCV reads B, G, R
    fused = streamfuse.fuse_pair(under, over)
    cv2.imwrite(out_path, fused[..., ::-1])


if __name__ == "__main__":
    main(*sys.argv[1:])
