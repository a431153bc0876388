"""The queue between receiving and taking."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from streamfuse.wire.inbox import END, Inbox, InboxPolicy


def item(number, age=0.0):
    return SimpleNamespace(number=number, received_at=time.monotonic() - age)


def taken(inbox):
    found = []
    while (got := inbox.get(0)) not in (None, END):
        found.append(got.number)
    return found


def test_old_frames_are_left_out_if_there_are_newer_ones():
    inbox = Inbox(InboxPolicy(max_age=0.5))
    for number, age in enumerate([3.0, 2.0, 0.1, 0.0]):
        inbox.put(item(number, age))
    assert taken(inbox) == [2, 3]
    assert inbox.skipped == 2


def test_the_only_frame_is_kept_however_old():
    inbox = Inbox(InboxPolicy(max_age=0.5))
    inbox.put(item(0, 60.0))
    assert taken(inbox) == [0]


def test_latest_only():
    inbox = Inbox(InboxPolicy(max_age=0.0))
    for number in range(5):
        inbox.put(item(number))
    assert taken(inbox) == [4]


def test_it_never_grows_without_end():
    inbox = Inbox(InboxPolicy(max_age=3600.0))
    for number in range(1000):
        inbox.put(item(number))
    assert len(taken(inbox)) <= 64


def test_without_an_age_the_writer_waits_and_nothing_is_left_out():
    inbox = Inbox(InboxPolicy(max_age=None, size=2))
    writer = threading.Thread(target=lambda: [inbox.put(item(number)) for number in range(20)])
    writer.start()
    time.sleep(0.05)
    assert writer.is_alive()
    found = []
    while len(found) < 20:
        found.append(inbox.get(1.0).number)
    writer.join()
    assert found == list(range(20))
    assert inbox.skipped == 0


def test_what_was_put_before_the_end_still_comes():
    inbox = Inbox(InboxPolicy(max_age=None))
    inbox.put(item(0))
    inbox.end(ValueError("broken"))
    assert inbox.get(0).number == 0
    with pytest.raises(ValueError, match="broken"):
        inbox.get(0)


def test_closing_frees_a_writer_that_waits():
    inbox = Inbox(InboxPolicy(max_age=None, size=1))
    writer = threading.Thread(target=lambda: [inbox.put(item(number)) for number in range(3)])
    writer.start()
    inbox.close()
    writer.join(2.0)
    assert not writer.is_alive()
