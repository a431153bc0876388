"""The queue between two threads: what each policy keeps, and how it ends."""

from __future__ import annotations

import threading
from itertools import takewhile

import pytest

from streamfuse.runtime.channel import END, Channel


def drained(channel: Channel) -> list[int]:
    return list(takewhile(lambda item: item is not END, iter(channel.get, None)))


@pytest.mark.parametrize(("policy", "kept"), [("drop-oldest", [4, 5, 6]), ("drop-newest", [1, 2, 3])])
def test_a_full_queue_keeps_what_its_policy_says(policy, kept):
    channel = Channel(3, policy)
    assert all(channel.put(item) for item in range(1, 7))
    channel.end()
    assert drained(channel) == kept
    assert (channel.drops, channel.peak) == (3, 3)


def test_waiting_loses_nothing():
    channel = Channel(1)
    writer = threading.Thread(target=lambda: ([channel.put(item) for item in range(1, 50)], channel.end()))
    writer.start()
    assert drained(channel) == list(range(1, 50))
    writer.join()
    assert (channel.drops, channel.peak) == (0, 1)


def test_cancel_frees_a_writer_that_waits_and_the_reader_still_awaits_the_end():
    channel = Channel(1)
    channel.put(1)
    refused: list[bool] = []
    writer = threading.Thread(target=lambda: (refused.append(channel.put(2)), channel.end()))
    writer.start()
    channel.cancel()
    writer.join(2)
    assert refused == [False]
    assert channel.get() is END
