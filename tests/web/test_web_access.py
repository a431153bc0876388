"""Who is let in: tokens, other sites, other names of this machine."""

import http.client

import pytest
from fake_run import FakeRun, get, post, request, serving

from streamfuse.errors import UsageError
from streamfuse.web.server import WebServer
from streamfuse.web.site import create_app

TOKEN = "correct-horse-7"
PRIVATE = [
    "/status.json",
    "/history.json",
    "/histograms.json",
    "/metrics",
    "/snapshot.jpg",
    "/picture.jpg",
    "/stream.mjpg",
]
CHANGES = ["/recording/start", "/recording/stop", "/exposures"]


@pytest.fixture(scope="module")
def open_run():
    with serving() as both:
        yield both


@pytest.fixture(scope="module")
def locked():
    with serving(TOKEN) as (_, server):
        yield server


def log_in(server, token=TOKEN):
    return request(
        server, "POST", "/login", f"token={token}", Content_Type="application/x-www-form-urlencoded"
    )


def test_other_addresses_need_a_token():
    with pytest.raises(UsageError, match="needs a token"):
        WebServer(FakeRun(), "0.0.0.0", 0)
    with WebServer(FakeRun(), "0.0.0.0", 0, TOKEN) as server:
        assert get(server, "/status.json").status == 401
        assert (
            get(server, "/status.json", Authorization=f"Bearer {TOKEN}", Host="camera.example.org").status
            == 200
        )


@pytest.mark.parametrize(
    "token", ["", "short", "has a space in it", 'quote"quote', "semi;colon", "ümlaut-token", "tab\tand\nline"]
)
def test_tokens_that_cannot_be_sent_are_refused_without_being_shown(token):
    with pytest.raises(UsageError) as caught:
        create_app(FakeRun(), token)
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \xff\xfe", TOKEN]
)
def test_without_the_token_nothing_is_shown(locked, path, header):
    answer = get(locked, path, Authorization=header)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json() == {"error": "A token is needed."}


@pytest.mark.parametrize("path", CHANGES)
def test_without_the_token_nothing_is_changed(locked, path):
    assert post(locked, path).status == 401
    assert post(locked, f"{path}?token={TOKEN}").status == 401  # an address may come from anywhere


def test_probes_need_no_token(locked):
    assert [get(locked, path).status for path in ("/healthz", "/readyz")] == [200, 200]


def test_the_token_in_a_header_opens_everything(locked):
    for path in PRIVATE[:-1]:
        assert get(locked, path, Authorization=f"bearer {TOKEN}").status == 200


def test_the_form_gives_a_cookie_that_scripts_and_other_sites_cannot_use(locked):
    asked = get(locked, "/")
    assert asked.status == 401
    assert b"<form" in asked.body
    answer = log_in(locked)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert get(locked, "/status.json", Cookie=cookie.partition(";")[0]).status == 200
    assert get(locked, "/", Cookie=cookie.partition(";")[0]).status == 200


def test_a_wrong_token_in_the_form_is_said(locked):
    answer = log_in(locked, "wrong")
    assert answer.status == 401
    assert b"That is not the token." in answer.body
    assert answer.headers["set-cookie"] is None


@pytest.mark.parametrize("cookie", ["x", TOKEN, "", "ÿ"])
def test_a_cookie_that_was_not_given_opens_nothing(locked, cookie):
    port = locked.url.rstrip("/").rpartition(":")[2]
    assert get(locked, "/status.json", Cookie=f"streamfuse_{port}={cookie}".encode()).status == 401


def test_a_link_with_the_token_logs_in_and_drops_it_from_the_address(locked):
    answer = get(locked, f"/?token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert get(locked, "/", Cookie=answer.headers["set-cookie"].partition(";")[0]).status == 200
    assert get(locked, "/?token=wrong").status == 401


def test_players_may_put_the_token_into_the_address(locked):
    assert get(locked, f"/snapshot.jpg?token={TOKEN}").status == 200
    assert get(locked, "/snapshot.jpg?token=wrong").status == 401


def test_cookies_of_one_run_do_not_replace_those_of_another(locked):
    with serving("another-token-8") as (_, other):
        names = {log_in(server, token).headers["set-cookie"].partition("=")[0]
                 for server, token in ((locked, TOKEN), (other, "another-token-8"))}  # fmt: skip
    assert len(names) == 2


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example", "", "[", "[::1", "192.168.0.9"],
)
def test_names_that_may_be_rebound_are_refused(open_run, host):
    answer = get(open_run[1], "/status.json", Host=host)
    assert answer.status == 403
    assert "token" in answer.json()["error"]


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1", "[::1]:8080", "LocalHost"])
def test_names_of_this_machine_are_answered(open_run, host):
    assert get(open_run[1], "/status.json", Host=host).status == 200


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", CHANGES)
def test_other_sites_change_nothing(open_run, headers, path):
    run, server = open_run
    before = run.status()
    assert post(server, path, {"mode": "manual"}, **headers).status == 403
    assert run.status() == before
    assert run.asked == []


def test_other_sites_cannot_show_the_pictures(open_run):
    assert (
        get(open_run[1], "/snapshot.jpg", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
    )
    assert get(open_run[1], "/snapshot.jpg").headers["cross-origin-resource-policy"] == "same-origin"


def test_a_link_of_another_site_can_be_followed(open_run):
    assert get(open_run[1], "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


def test_the_page_itself_may_change_things():
    with serving() as (_, server):
        origin = server.url.rstrip("/")
        assert post(server, "/recording/start", Origin=origin).status == 200
        assert (
            post(
                server, "/recording/stop", Sec_Fetch_Site="same-origin", Origin="https://in-front.example"
            ).status
            == 200
        )


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
@pytest.mark.parametrize("path", CHANGES)
def test_only_post_changes_anything(open_run, method, path):
    run, server = open_run
    before = run.status()
    assert request(server, method, path).status == 405
    assert run.status() == before
    assert run.asked == []


@pytest.mark.parametrize(
    "path", ["/", "/status.json", "/nothing", "/static/main.js", "/recording/start", "/snapshot.jpg?view=x"]
)
def test_every_answer_has_the_headers_that_browsers_obey(open_run, path):
    headers = get(open_run[1], path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] in {"no-store", "no-cache"}


def test_large_bodies_are_refused(open_run, locked):
    big = b"{" + b" " * 100_000
    assert request(open_run[1], "POST", "/exposures", big, Content_Type="application/json").status == 413
    assert request(locked, "POST", "/login", b"token=" + big).status == 413


def test_failures_inside_show_nothing_of_the_inside(caplog):
    with serving() as (run, server):
        run.status = lambda: 1 / 0
        answer = get(server, "/status.json")
    assert (answer.status, answer.json()) == (
        500,
        {"error": "That failed inside streamfuse; its log says why."},
    )
    assert "ZeroDivisionError" in caplog.text


def test_huge_headers_end_only_their_own_connection(open_run):
    server = open_run[1]
    host, port = server.url[7:-1].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    connection.request("GET", "/healthz", headers={"X-Large": "x" * 1_000_000})
    try:
        assert connection.getresponse().status in {400, 431}
    except (ConnectionError, http.client.HTTPException):
        pass  # cut off while it was still sending
    finally:
        connection.close()
    assert get(server, "/healthz").status == 200
