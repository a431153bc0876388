"""Fuse an alternating video frame by frame and look at each: python examples/fuse_video_frames.py clip.mov"""

import sys

import streamfuse


def main(clip: str) -> int:
    frames = 0
    for frame in streamfuse.fuse_video(clip, preset="fast"):
        seconds = frame.time or 0.0  # None where the source has no time stamps
        print(
            f"{seconds:8.3f} s  mean {frame.rgb().mean():6.1f}  not trusted {frame.stats['untrusted_share']:.1%}"
        )
        frames += 1
    return frames


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sample:?frames=8&size=320x180")
