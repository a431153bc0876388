"""The queue between receiving and taking."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from streamfuse.core.queue import END, Queue
from streamfuse.zmq.receive import _older_than


def inbox_of(max_age):
    return Queue(64, "drop-oldest", _older_than(max_age))


def item(number, age=0.0):
    return SimpleNamespace(number=number, received_at=time.monotonic() - age)


def taken(inbox):
    found = []
    while (got := inbox.get(0)) not in (None, END):
        found.append(got.number)
    return found


def test_old_frames_are_left_out_if_there_are_newer_ones():
    inbox = inbox_of(0.5)
    for number, age in enumerate([3.0, 2.0, 0.1, 0.0]):
        inbox.put(item(number, age))
    assert taken(inbox) == [2, 3]
    assert inbox.drops == 2


def test_the_only_frame_is_kept_however_old():
    inbox = inbox_of(0.5)
    inbox.put(item(0, 60.0))
    assert taken(inbox) == [0]


def test_latest_only():
    inbox = inbox_of(0.0)
    for number in range(5):
        inbox.put(item(number))
    assert taken(inbox) == [4]


def test_it_never_grows_without_end():
    inbox = inbox_of(3600.0)
    for number in range(1000):
        inbox.put(item(number))
    assert len(taken(inbox)) <= 64


def test_what_was_put_before_the_end_still_comes():
    inbox = inbox_of(1.0)
    inbox.put(item(0))
    inbox.end(ValueError("broken"))
    assert inbox.get(0).number == 0
    with pytest.raises(ValueError, match="broken"):
        inbox.get(0)
