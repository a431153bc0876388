"""The grammar of endpoints."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.core.spec_options import read_options
from streamfuse.errors import UsageError
from streamfuse.zmq.endpoint import is_endpoint, parse_endpoint, with_options


@pytest.mark.parametrize(
    ("text", "role", "expected"),
    [
        ("zmq+pub://127.0.0.1:5556", "sink", "pub+bind:tcp://127.0.0.1:5556"),
        ("zmq+push://127.0.0.1:5556", "sink", "push+bind:tcp://127.0.0.1:5556"),
        ("zmq://127.0.0.1:5556", "source", "sub+connect:tcp://127.0.0.1:5556"),
        ("tcp://10.0.0.1:5556", "source", "sub+connect:tcp://10.0.0.1:5556"),
        ("tcp://:5556", "sink", "pub+bind:tcp://127.0.0.1:5556"),  # loopback unless asked
        ("ipc:///tmp/x", "sink", "pub+bind:ipc:///tmp/x"),
        ("pub+bind:tcp://127.0.0.1:5556", "sink", "pub+bind:tcp://127.0.0.1:5556"),
        ("push+connect:tcp://host:1", "sink", "push+connect:tcp://host:1"),
        ("zmq+pull+bind+ipc:///tmp/x", "source", "pull+bind:ipc:///tmp/x"),
        ("pull:ipc:///tmp/x", "source", "pull+connect:ipc:///tmp/x"),
        ("zmq:tcp://[::1]:5556", "source", "sub+connect:tcp://[::1]:5556"),
        ("zmq+pub://*:5556", "sink", "pub+bind:tcp://*:5556"),
    ],
)
def test_forms(text, role, expected):
    assert str(parse_endpoint(text, role)) == expected


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("foo", "sink"), ("", "sink"), ("zmq+pub", "sink"), ("http://127.0.0.1:80", "sink"),
        ("zmq+sub://127.0.0.1:5556", "sink"),  # a sink publishes
        ("zmq+pub://127.0.0.1:5556", "source"),
        ("zmq+pub+push://127.0.0.1:5556", "sink"), ("pub+bind+connect:tcp://h:1", "sink"),
        ("zmq+tcp:ipc:///x", "sink"), ("tcp://127.0.0.1", "sink"), ("tcp://127.0.0.1:0", "sink"),
        ("tcp://127.0.0.1:65536", "sink"), ("tcp://*:5556", "source"), ("tcp://h:*", "source"),
        ("ipc://", "sink"), ("ipc://" + "x" * 108, "sink"), ("tcp://h:1?topic=a&topic=b", "sink"),
    ],
)  # fmt: skip
def test_others_are_refused(text, role):
    with pytest.raises(UsageError):
        parse_endpoint(text, role)


@pytest.mark.parametrize(
    ("text", "role", "kinds"),
    [
        ("zmq+pub://127.0.0.1:5561", "source", ("sub", "pull")),
        ("http://127.0.0.1:80", "source", ("sub", "pull")),
        ("tcp://127.0.0.1", "source", ("sub", "pull")),
        ("sub:tcp://127.0.0.1:5561", "sink", ("pub", "push")),
        ("ipc://", "sink", ("pub", "push")),
    ],
)
def test_the_example_in_the_error_can_be_used(text, role, kinds):
    with pytest.raises(UsageError) as caught:
        parse_endpoint(text, role)
    examples = re.findall(r"[a-z+:]+://[\w.:/]+", str(caught.value).partition("write it like")[2])
    assert [parse_endpoint(example, role).kind for example in examples[:2]] == list(kinds)


@pytest.mark.slow
@given(st.text(max_size=40), st.sampled_from(["sink", "source"]))
def test_any_text_is_read_or_refused(text, role):
    with contextlib.suppress(UsageError):
        parse_endpoint(text, role)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("tcp://127.0.0.1:1", False),
        ("tcp://localhost:1", False),
        ("tcp://[::1]:1", False),
        ("ipc:///tmp/x", False),
        ("tcp://*:1", True),
        ("tcp://0.0.0.0:1", True),
        ("tcp://192.168.0.1:1", True),
        ("pub+connect:tcp://192.168.0.1:1", False),
    ],
)
def test_public_addresses(text, public):
    assert parse_endpoint(text, "sink").public == public


def test_options():
    text = with_options("zmq+pub://:5556?topic=a", {"quality": 80, "keys": None})
    endpoint = parse_endpoint(text, "sink")
    parsers = {"topic": ("topic", str), "quality": ("quality", int)}
    assert read_options(str(endpoint), endpoint.options.items(), parsers) == {"topic": "a", "quality": 80}


@pytest.mark.parametrize("query", ["topik=a", "quality=high"])
def test_wrong_options_are_refused(query):
    endpoint = parse_endpoint(f"tcp://:1?{query}", "sink")
    with pytest.raises(UsageError, match=query.split("=")[0]):
        read_options(
            str(endpoint), endpoint.options.items(), {"topic": ("topic", str), "quality": ("quality", int)}
        )


def test_what_is_an_endpoint():
    assert all(
        map(is_endpoint, ["zmq://h:1", "zmq+pub://h:1", "pull:ipc:///x", "sub+bind:tcp://h:1", "ipc:///x"])
    )
    assert not any(map(is_endpoint, ["clip.mov", "tcp://h:1", "rtsp://h/1", "sample:", "pub.mp4"]))
