import socket

import pytest
from runs import streamfuse as command

from streamfuse.errors import OutputError, UsageError
from streamfuse.runtime.live.live_config import LiveConfig
from streamfuse.web.address import bind, is_loopback, parse_address, url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:8080", ("::1", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("*:80", ("0.0.0.0", 80)),
        ("camera-2.local:0", ("camera-2.local", 0)),
        (" localhost:65535 ", ("localhost", 65535)),
    ],
)
def test_addresses(text, expected):
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "8080", "127.0.0.1", "::1:8080", "127.0.0.1:65536", "127.0.0.1:-1", "a b:1", "http://a:1", "[::1]", "a:1/x",
     "user@host:1", "a:٣"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:8080"):
        parse_address(text)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST.", "::1", "[::1]", "::ffff:127.0.0.1"]
)
def test_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.2", "localhost.evil.com", "127.0.0.1.evil.com", "", "2130706433"]
)
def test_not_this_machine(host):
    assert not is_loopback(host)


def test_a_taken_port_is_said_plainly():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OutputError, match="another program has that port; choose another"),
    ):
        bind("127.0.0.1", taken.getsockname()[1])


def test_an_address_of_another_machine_is_said_plainly():
    with pytest.raises(OutputError, match="does not have that address"):
        bind("192.0.2.1", 0)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 300])
def test_a_name_of_nothing_is_said_plainly(host):
    with pytest.raises(OutputError, match="no address has that name"):
        bind(host, 0)


def test_the_url_is_one_that_this_machine_can_open():
    with bind("0.0.0.0", 0) as listener:
        assert url(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.parametrize("text", ["127.0.0.1:8080", ":8080", "*:8080", "[::1]:8080", "localhost:0"])
def test_settings_take_what_the_page_takes(text):
    assert LiveConfig(web=text).web == text
    parse_address(text)


def test_the_shortest_address_serves_the_page():
    result = command(
        "live", "sim:?size=96x64", "--preset", "fast", "--web", ":0", "--duration", "2", "--sink", "null:"
    )
    assert result.exit_code == 0, result.output
    assert "The page is at http://127.0.0.1:" in result.stderr
