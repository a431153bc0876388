"""Which messages count."""

from __future__ import annotations

import golden_vectors
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfuse.zmq.message import EndHeader, FrameHeader, HeartbeatHeader
from streamfuse.zmq.order import ReceiverStatistics, StreamOrder

OLD, NEW = "aaaaaaaa", "bbbbbbbb"


def frame(seq, stream=OLD):
    fields = golden_vectors.frame("gray", [("y", "uint8", (4, 6))], seq=seq, stream=stream)
    return FrameHeader.model_validate(fields, strict=False)


def end(seq, stream=OLD):
    return EndHeader(stream=stream, seq=seq, published_at=1.0)


def heartbeat(seq, stream=OLD):
    return HeartbeatHeader(stream=stream, seq=seq, published_at=1.0)


@pytest.fixture
def order():
    return StreamOrder(ReceiverStatistics())


def judge(order, *headers):
    return [order.judge(header) for header in headers], order._statistics


def test_gaps_are_counted_but_not_what_was_before_the_first_frame(order):
    verdicts, counts = judge(order, frame(5), frame(6), frame(9))
    assert verdicts == ["frame"] * 3
    assert (counts.received, counts.lost) == (3, 2)


def test_frames_lost_at_the_end_are_counted_once(order):
    _, counts = judge(order, frame(0), heartbeat(3), end(4))
    assert counts.lost == 3


def test_a_frame_that_comes_again_or_late_is_stale(order):
    verdicts, counts = judge(order, frame(0), frame(2), frame(2), frame(1))
    assert verdicts == ["frame", "frame", "stale", "stale"]
    assert (counts.received, counts.stale, counts.lost) == (2, 2, 1)


def test_an_end_ends_its_own_stream_only(order):
    verdicts, counts = judge(order, end(9, NEW), frame(0), end(9, NEW), end(1), end(1), frame(1))
    assert verdicts == ["stale", "frame", "stale", "end", "stale", "stale"]
    assert counts.stale == 4


def test_a_publisher_that_was_started_again_is_followed(order):
    verdicts, counts = judge(order, frame(7), frame(0, NEW), frame(8), end(8), frame(1, NEW))
    assert verdicts == ["frame", "frame", "stale", "stale", "frame"]
    assert (counts.restarts, counts.lost) == (1, 0)


def test_a_stream_without_frames_can_end(order):
    verdicts, _ = judge(order, heartbeat(0), end(0))
    assert verdicts == ["news", "end"]


FAR = 2**63 - 1


def test_one_message_with_a_large_number_makes_nobody_deaf(order):
    hostile = (frame(FAR), heartbeat(FAR), frame(5, NEW), heartbeat(FAR, NEW))
    for message in hostile:
        judge(order, frame(0), message)
    verdicts, counts = judge(order, *(frame(seq) for seq in range(1, 60)))
    assert verdicts[-40:] == ["frame"] * 40
    assert counts.lost < 60


def test_a_number_far_ahead_is_believed_when_the_next_one_agrees(order):
    verdicts, counts = judge(order, frame(0), frame(1 << 40), frame((1 << 40) + 1), frame((1 << 40) + 3))
    assert verdicts == ["frame", "stale", "frame", "frame"]
    assert (counts.lost, counts.restarts) == (1, 1)


def test_a_heartbeat_far_ahead_counts_nothing_as_lost(order):
    _, counts = judge(order, frame(0), heartbeat(FAR), end(FAR))
    assert counts.lost == 0


def test_old_frames_between_new_ones_are_never_believed(order):
    headers = [header for seq in range(100, 200) for header in (frame(seq), frame(seq - 50))]
    verdicts, counts = judge(order, *headers)
    assert verdicts == ["frame", "stale"] * 100
    assert counts.restarts == 0


def test_a_stream_that_has_ended_does_not_come_back(order):
    verdicts, _ = judge(order, frame(0), end(1), frame(0, NEW), *(frame(seq) for seq in range(100)))
    assert verdicts[3:] == ["stale"] * 100


kinds = st.sampled_from([frame, heartbeat])
numbers = st.sampled_from([0, 1, 7, 1 << 20, 1 << 30, FAR - 1, FAR]) | st.integers(0, FAR)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(kinds, numbers, st.sampled_from([OLD, NEW, "cccccccc"])), max_size=30))
def test_whatever_was_sent_before_a_publisher_is_heard_within_a_second(messages):
    order = StreamOrder(ReceiverStatistics())
    for kind, seq, stream in messages:
        order.judge(kind(seq, stream))
    verdicts, _ = judge(order, *(frame(seq) for seq in range(1000, 1060)))
    assert verdicts[-30:] == ["frame"] * 30
