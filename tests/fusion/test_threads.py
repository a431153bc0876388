"""One place limits the threads of torch and OpenCV, whichever way fusion is entered."""

import cv2
import numpy as np
import pytest
import torch
from runs import streamfuse as command

import streamfuse
from streamfuse.errors import UsageError
from streamfuse.fusion import threads
from streamfuse.fusion.threads import limit_threads

SAMPLE = "sample:?frames=6&size=96x64&noise=off"


@pytest.fixture
def many(monkeypatch):
    """Eight CPUs, all of them in use; as before afterwards."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    monkeypatch.setattr(threads, "cpus", lambda: 8)
    torch.set_num_threads(8)
    cv2.setNumThreads(8)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def counts():
    return torch.get_num_threads(), cv2.getNumThreads()


def picture():
    return np.full((20, 30, 3), 90, np.uint8)


def by_pair(**options):
    streamfuse.fuse_pair(picture() // 4, picture(), preset="fast", device="cpu", **options)


def by_fuser(**options):
    streamfuse.Fuser("fast", "cpu", **options)([picture() // 4, picture()])


def by_video(**options):
    list(streamfuse.fuse_video(SAMPLE, preset="fast", device="cpu", **options))


def by_command(**options):
    arguments = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    assert command("fuse", SAMPLE, "-o", "null:", "--preset", "fast", *arguments).exit_code == 0


def by_stages(**options):
    from streamfuse.config import Config
    from streamfuse.runtime.chain import build_chain

    chain = build_chain(Config().with_overrides(preset="fast", device="cpu", **options))
    with streamfuse.open_source(SAMPLE) as source, streamfuse.open_sink("null:") as sink:
        streamfuse.Pipeline(source, chain.line, [sink]).run()


def by_stream(**options):
    from streamfuse.config import Config
    from streamfuse.runtime.relay import publish

    config = Config().with_overrides(preset="fast", device="cpu", **options)
    publish([SAMPLE], ["pub+bind:tcp://127.0.0.1:*"], config).run()


WAYS = [by_pair, by_fuser, by_video, by_stages]
RUNS = [by_command, by_stream]


@pytest.mark.parametrize("fuse", RUNS)
@pytest.mark.parametrize("options", [{}, {"threads": 3}])
def test_a_run_works_on_many_brackets_in_one_thread_each(many, fuse, options):
    fuse(**options)
    assert counts() == (1, 1)


@pytest.mark.parametrize("fuse", [*WAYS, *RUNS])
def test_what_a_run_was_given_is_not_for_the_next_one(many, fuse):
    fuse(threads=2)
    by_pair()
    assert counts() == (4, 4)


@pytest.mark.parametrize("fuse", WAYS)
def test_every_way_in_leaves_half_of_the_cpus(many, fuse):
    fuse()
    assert counts() == (4, 4)


@pytest.mark.parametrize("fuse", WAYS)
def test_every_way_in_takes_a_number(many, fuse):
    fuse(threads=3)
    assert counts() == (3, 3)


def test_what_was_set_lower_stays(many):
    torch.set_num_threads(2)
    cv2.setNumThreads(1)
    by_pair()
    assert counts() == (2, 1)


@pytest.mark.parametrize("number", [0, -1, "2", 1.5])
def test_numbers_that_are_none(number):
    with pytest.raises(UsageError, match="threads"):
        limit_threads(number)


def test_a_share_of_one_cpu_is_one_thread(many, monkeypatch):
    monkeypatch.setattr(threads, "cpus", lambda: 1)
    assert limit_threads() == 1
