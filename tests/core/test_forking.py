"""A process that is forked after the first use fuses as its parent does, or is told what it cannot go on with."""

import subprocess
import sys
import textwrap

import pytest

from streamfuse.core.forking import Owner
from streamfuse.errors import ForkedError

# Four threads each, however few CPUs there are: with one there is no pool that could hang.
BEGINNING = """
import multiprocessing, os, sys
import cv2, numpy as np, torch
import streamfuse
from streamfuse.errors import StreamfuseError

def fuse():
    picture = np.random.default_rng(0).integers(0, 256, (800, 1200, 3), np.uint8)
    pair = streamfuse.fuse_pair(picture // 4, picture, preset="fast", device="cpu", threads=THREADS)
    frames = streamfuse.fuse_video("sample:?frames=6&size=320x180", preset="fast", device="cpu", threads=THREADS)
    return int(pair.sum()) + sum(int(frame.luma.sum()) for frame in frames)

def child(queue):
    try:
        queue.put(work())
    except BaseException as error:
        queue.put(repr(error))

def in_child():
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    try:
        return queue.get(timeout=60)
    finally:
        process.kill()
        process.join()
"""


def run(script, threads=4):
    """What a Python of its own prints; this one has threads that a fork would not copy."""
    text = f"THREADS = {threads}\n" + BEGINNING + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", text], check=False, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


@pytest.mark.slow
@pytest.mark.parametrize("threads", [4, None])
def test_fusing_in_the_parent_and_then_in_the_child(threads):
    lines = run(
        """
        work = fuse
        print(fuse())
        before = cv2.getNumThreads(), torch.get_num_threads()
        print(in_child())
        assert (cv2.getNumThreads(), torch.get_num_threads()) == before
        print(fuse())
        """,
        threads,
    )
    # The child has one thread, and adds in another order: a code value here and there.
    sums = [int(line) for line in lines[:3]]
    assert sums[0] == sums[2]
    assert abs(sums[1] - sums[0]) <= 20


@pytest.mark.slow
def test_a_child_goes_on_with_nothing_that_its_parent_began():
    lines = run(
        """
        frames = streamfuse.fuse_video("sample:?frames=40&size=320x180", preset="fast", device="cpu")
        stream = streamfuse.subscribe("tcp://127.0.0.1:9", timeout=None)
        next(frames)

        def work():
            told = []
            for begun in (frames, stream):
                try:
                    next(begun)
                except StreamfuseError as error:
                    told.append(str(error))
            return told

        for line in in_child():
            print(line)
        next(frames)
        stream.close()
        """
    )
    assert "The fusion of sample was begun" in lines[0]
    assert "The stream from tcp://127.0.0.1:9" in lines[1]
    assert all("after the fork" in line for line in lines[:2])


def test_an_owner_is_at_home_in_its_own_process():
    owner = Owner("This")
    owner.check()
    assert owner.is_here
    owner._process += 1
    with pytest.raises(ForkedError, match="This was begun in another process"):
        owner.check()
