"""The queue between two threads: what each policy keeps, and how it ends."""

from __future__ import annotations

import threading
from itertools import takewhile

import pytest

from streamfuse.core.queue import END, Queue
from streamfuse.errors import UsageError


def drained(queue: Queue) -> list[int]:
    return list(takewhile(lambda item: item is not END, iter(queue.get, None)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("policy", "kept"), [("drop-oldest", [4, 5, 6]), ("drop-newest", [1, 2, 3])])
def test_a_full_queue_keeps_what_its_policy_says(policy, kept):
    queue = Queue(3, policy)
    assert all(queue.put(item) for item in range(1, 7))
    queue.end()
    assert drained(queue) == kept
    assert (queue.drops, queue.peak) == (3, 3)


def test_waiting_loses_nothing():
    queue = Queue(1)
    writer = threading.Thread(target=lambda: ([queue.put(item) for item in range(1, 50)], queue.end()))
    writer.start()
    assert drained(queue) == list(range(1, 50))
    writer.join()
    assert (queue.drops, queue.peak) == (0, 1)


def test_cancel_frees_a_writer_that_waits_and_the_reader_still_awaits_the_end():
    queue = Queue(1)
    queue.put(1)
    refused: list[bool] = []
    writer = threading.Thread(target=lambda: (refused.append(queue.put(2)), queue.end()))
    writer.start()
    queue.cancel()
    writer.join(2)
    assert refused == [False]
    assert queue.get() is END


def test_an_error_comes_after_what_waited_and_the_first_one_is_believed():
    queue = Queue(2)
    queue.put(1)
    queue.end(ValueError("first"))
    queue.end(ValueError("second"))
    assert queue.get() == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="first"):
            queue.get()


def test_cancelled_it_raises_no_error():
    queue = Queue(2)
    queue.put(1)
    queue.end(ValueError("broken"))
    queue.cancel()
    assert queue.get() is END
    assert queue.put(2) is False


def test_nothing_in_time():
    assert Queue(1).get(0.0) is None


def test_what_is_not_wanted_any_more_goes_but_never_the_newest():
    queue = Queue(9, "drop-oldest", excess=lambda items: sum(item < 5 for item in items))
    for item in (1, 2, 7):
        queue.put(item)
    queue.end()
    assert drained(queue) == [7]
    assert queue.drops == 2
    queue = Queue(9, "drop-oldest", excess=len)
    queue.put(1)
    queue.end()
    assert drained(queue) == [1]


def test_a_queue_needs_room_and_a_policy():
    with pytest.raises(UsageError, match="at least 1 item, not 0"):
        Queue(0)
    with pytest.raises(UsageError, match="no policy 'drop'"):
        Queue(1, "drop")  # type: ignore[arg-type]
