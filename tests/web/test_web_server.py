"""The server as clients meet it: many, slow, rude, gone."""

import http.client
import re
import socket
import sys
import threading
import time

import numpy as np
import pytest
from fake_run import FakeRun, get, serving

from streamfuse.errors import OutputError, UsageError
from streamfuse.web import protocol
from streamfuse.web.mjpeg import MAX_STREAMS
from streamfuse.web.server import WebServer, parse_address


def noise(number, view):
    """A picture that gives a large JPEG."""
    return np.random.default_rng(number).integers(0, 256, (240, 320, 3), np.uint8)


def connect(server, path="/stream.mjpg", receive_bytes=None):
    """A connection that has asked for something and has read nothing."""
    host, port = parse_address(server.url[7:-1])
    client = socket.socket()
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.settimeout(10)
    client.connect((host, port))
    if path is not None:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return client


def numbers(client, count):
    """Numbers of the next pictures of a stream."""
    found, data = [], b""
    while len(found) < count:
        data += client.recv(65536)
        *lines, data = data.split(b"\r\n")
        found += [int(line.split(b": ")[1]) for line in lines if line.startswith(b"X-Picture-Number: ")]
    return found


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.02)


def closed_by_server(client):
    try:
        while client.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def test_a_taken_port_is_one_sentence():
    with (
        serving() as (_, server),
        pytest.raises(OutputError, match="another program has that port; choose another port"),
    ):
        WebServer(FakeRun(), *parse_address(server.url[7:-1])).start()


def test_the_port_is_free_again_after_close():
    with serving() as (_, server):
        address = parse_address(server.url[7:-1])
        assert get(server, "/healthz").status == 200
    with WebServer(FakeRun(), *address) as again:
        assert get(again, "/healthz").status == 200


def test_close_may_come_twice_or_before_start():
    server = WebServer(FakeRun(), "127.0.0.1", 0)
    server.close()
    server.start()
    server.close()
    server.close()


def test_without_its_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UsageError, match=r"pip install 'streamfuse\[web\]'"):
        WebServer(FakeRun(), "127.0.0.1", 0)


def test_no_thread_is_left_behind():
    with serving() as (_, server):
        get(server, "/snapshot.jpg")
        get(server, "/status.json")
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("web")], 3)


def test_the_stream_gives_picture_after_picture():
    with serving() as (_, server):
        connection = http.client.HTTPConnection(*parse_address(server.url[7:-1]), timeout=5)
        connection.request("GET", "/stream.mjpg?view=over")
        response = connection.getresponse()
        assert response.headers["content-type"] == "multipart/x-mixed-replace; boundary=picture"
        assert response.readline() == b"--picture\r\n"
        found = []
        for _ in range(4):
            headers = http.client.parse_headers(response)
            found.append(int(headers["x-picture-number"]))
            jpeg = response.read(int(headers["content-length"]))
            assert (jpeg[:2], jpeg[-2:]) == (b"\xff\xd8", b"\xff\xd9")
            assert (response.readline(), response.readline()) == (b"\r\n", b"--picture\r\n")
        connection.close()
    assert found == sorted(set(found))


def test_each_picture_is_encoded_once_however_many_watch():
    with serving(rate=10) as (_, server):
        clients = [connect(server) for _ in range(10)]
        try:
            seen = {number for client in clients for number in numbers(client, 5)}
        finally:
            for client in clients:
                client.close()
        text = get(server, "/metrics").body.decode()
    (encoded,) = re.findall(r"^streamfuse_web_pictures_encoded_total (\S+)$", text, re.MULTILINE)
    assert float(encoded) <= max(seen) - min(seen) + 10  # not ten times as many


def test_the_number_of_streams_is_bounded_and_places_become_free():
    with serving() as (_, server):
        clients = [connect(server) for _ in range(MAX_STREAMS)]
        for client in clients:
            numbers(client, 1)
        refused = get(server, "/stream.mjpg")
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        assert str(MAX_STREAMS) in refused.json()["error"]
        for client in clients:
            client.close()
        until(lambda: get(server, "/status.json").json()["web"]["clients"] == 0)
        with connect(server) as client:
            numbers(client, 1)


@pytest.mark.slow
def test_a_client_that_reads_a_byte_a_second_harms_nobody_and_close_is_quick():
    with serving(paint=noise) as (_, server):
        slow = [connect(server, receive_bytes=4096) for _ in range(3)]
        for client in slow:
            assert client.recv(1)
        with connect(server) as quick:
            got = numbers(quick, 15)  # enough to fill what is between the server and the slow ones
            for client in slow:
                assert client.recv(1)
            got += numbers(quick, 15)
            begin = time.monotonic()
            assert get(server, "/healthz").status == 200
            assert time.monotonic() - begin < 2
        assert got[-1] - got[0] < 5 * len(got)  # few were left out
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 2
        for client in slow:
            assert closed_by_server(client)
            client.close()


def test_a_client_that_stops_reading_is_cut_off(monkeypatch):
    monkeypatch.setattr(protocol, "STALL_SECONDS", 0.3)
    with serving(paint=noise, rate=100) as (_, server), connect(server, receive_bytes=4096) as client:
        until(lambda: get(server, "/status.json").json()["web"]["clients"] == 1)
        until(lambda: get(server, "/status.json").json()["web"]["clients"] == 0)
        assert closed_by_server(client)


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: ", b"\r\n"])
def test_a_client_that_does_not_say_what_it_wants_is_cut_off(monkeypatch, said):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with serving() as (_, server), connect(server, path=None) as client:
        client.sendall(said)
        assert closed_by_server(client)


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: "])
def test_hundreds_of_idle_connections_keep_nobody_out(said):
    with serving() as (_, server):
        idle = []
        for _ in range(400):
            idle.append(connect(server, path=None))
            idle[-1].sendall(said)
        for path in ("/healthz", "/readyz", "/", "/status.json", "/metrics", "/picture.jpg"):
            assert get(server, path).status == 200
        assert all(closed_by_server(client) for client in idle[:100])  # the oldest made room
        idle[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):  # the youngest may still say what it wants
            idle[-1].recv(1)
        for client in idle:
            client.close()


def test_connections_that_are_kept_for_another_request_make_room_too(monkeypatch):
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 4)
    with serving() as (_, server):
        kept = [connect(server, "/healthz") for _ in range(4)]
        for client in kept:
            assert b" 200 " in client.recv(4096)
        assert get(server, "/healthz").status == 200
        assert closed_by_server(kept[0])
        for client in kept:
            client.close()


def test_health_is_told_while_all_requests_are_taken(monkeypatch):
    monkeypatch.setattr("streamfuse.web.crowd.MAX_REQUESTS", 8)
    with serving(rate=0) as (_, server):  # no picture comes, so each of these takes two seconds
        waiting = [connect(server, "/picture.jpg?after=5") for _ in range(8)]
        until(lambda: get(server, "/status.json").status == 503)
        refused = get(server, "/status.json")
        assert (refused.headers["retry-after"], "which is the most" in refused.json()["error"]) == ("5", True)
        assert get(server, "/healthz").status == 200
        assert get(server, "/readyz").status == 200
        for client in waiting:
            client.close()
        until(lambda: get(server, "/status.json").status == 200)


def test_where_all_connections_are_answered_the_newest_goes(monkeypatch):
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 3)
    with serving() as (_, server):
        watching = [connect(server) for _ in range(3)]
        assert all(numbers(client, 2) for client in watching)
        with connect(server, path=None) as late:
            assert closed_by_server(late)
        assert all(numbers(client, 2) for client in watching)
        for client in watching:
            client.close()


def test_bytes_that_come_one_by_one_do_not_buy_time(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with serving() as (_, server), connect(server, path=None) as client:
        begin = time.monotonic()
        with pytest.raises(ConnectionError):
            for _ in range(100):
                client.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() - begin < 4


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("streamfuse.web.guard.BODY_SECONDS", 0.2)
    with serving() as (_, server), connect(server, path=None) as client:
        client.sendall(
            b"POST /exposures HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert b" 413 " in client.recv(4096)


def test_requests_on_one_connection_go_on_after_the_limit_for_the_first(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with serving() as (_, server):
        connection = http.client.HTTPConnection(*parse_address(server.url[7:-1]), timeout=5)
        for _ in range(4):
            connection.request("GET", "/picture.jpg?after=-1")
            assert connection.getresponse().read()
            time.sleep(0.15)
        connection.close()


def test_many_clients_at_once():
    with serving() as (_, server):
        answers = []
        paths = ("/status.json", "/picture.jpg", "/histograms.json", "/metrics", "/")

        def ask(path):
            answers.append(get(server, path).status)

        threads = [threading.Thread(target=ask, args=(paths[index % len(paths)],)) for index in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert answers == [200] * 60


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"\x00" * 5000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /exposures HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET http://[/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_rubbish_is_refused_and_others_are_served(rubbish):
    with serving() as (_, server):
        with connect(server, path=None) as client:
            client.sendall(rubbish)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(4096)
            assert answer == b"" or answer.split()[1] in {b"400", b"403", b"404", b"405"}
        assert get(server, "/healthz").status == 200


def test_close_is_quick_while_a_picture_is_waited_for():
    with serving(rate=0) as (_, server):
        clients = [
            connect(server, path)
            for path in ("/picture.jpg", "/snapshot.jpg", "/stream.mjpg", "/histograms.json")
        ]
        time.sleep(0.1)
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 2
        for client in clients:
            client.close()


def test_close_is_quick_while_the_run_hangs():
    with serving() as (run, server):
        run.hang.set()
        clients = [connect(server, "/status.json") for _ in range(6)]
        time.sleep(0.2)
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 2.2
        run.release()
        for client in clients:
            client.close()
