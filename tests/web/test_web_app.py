"""What the endpoints answer."""

import http.client
import json

import cv2
import numpy as np
import pytest
from fake_run import get, post, request, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from streamfuse.runtime.live.status import OutputStatus
from streamfuse.web import page
from streamfuse.web.server import parse_address

VIEWS = ["fused", "under", "over", "weights"]


@pytest.fixture(scope="module")
def served():
    with serving() as both:
        yield both


@pytest.fixture(scope="module")
def server(served):
    return served[1]


def decoded(answer):
    picture = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[..., ::-1]


def test_the_page_and_all_its_files(server):
    front = get(server, "/")
    assert (front.status, front.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for name, media_type in page.assets().items():
        answer = get(server, f"/static/{name}")
        assert (answer.status, answer.headers["content-type"], answer.body) == (
            200,
            media_type,
            page.asset(name),
        )


def test_nothing_is_loaded_from_elsewhere():
    for name in page.assets():
        text = page.asset(name).decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "//cdn" not in text


@pytest.mark.parametrize(
    "path", ["/static/__init__.py", "/static/..%2fapp.py", "/static/", "/static/%2e%2e/app.py", "/x", "//"]
)
def test_nothing_else_is_there(server, path):
    answer = get(server, path)
    assert answer.status == 404
    assert "error" in answer.json()


def test_status(served):
    run, server = served
    answer = get(server, "/status.json").json()
    web = answer.pop("web")
    assert answer == json.loads(json.dumps(run.status().as_dict()))
    assert web["exposures"] is None
    assert answer["outputs"][1]["state"] == "waiting"


def test_figures_that_are_not_known_yet_are_null():
    nothing = float("nan")
    with serving(age_ms=(nothing, nothing, float("inf")), state="starting", rate_out=0.0, outputs=()) as (
        _,
        server,
    ):
        assert get(server, "/status.json").json()["age_ms"] == [None, None, None]
        assert get(server, "/history.json").json()["age_p50"][0] is None
        assert "streamfuse_frame_age_seconds{" not in get(server, "/metrics").body.decode()


def test_history_grows(server):
    answer = get(server, "/history.json").json()
    assert set(answer) == {"rate_in", "rate_out", "age_p50", "age_p95"}
    assert answer["age_p95"][0] == 84.0


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("path", ["/picture.jpg", "/snapshot.jpg"])
def test_pictures(server, path, view):
    answer = get(server, f"{path}?view={view}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert decoded(answer).shape == (180, 320, 3)
    level = {"under": 40, "over": 200}.get(view, 120)
    assert abs(int(np.median(decoded(answer))) - level) <= 2


def test_the_next_picture_is_waited_for(server):
    first = int(get(server, "/picture.jpg").headers["x-picture-number"])
    numbers = [first]
    for _ in range(3):
        numbers.append(int(get(server, f"/picture.jpg?after={numbers[-1]}").headers["x-picture-number"]))
    assert numbers == sorted(set(numbers))


def test_where_no_picture_comes_it_is_said(monkeypatch):
    monkeypatch.setattr("streamfuse.web.site.PICTURE_SECONDS", 0.4)
    with serving() as (run, server):
        last = int(get(server, "/picture.jpg").headers["x-picture-number"])
        run.still.set()
        newest = int(get(server, "/snapshot.jpg").headers["x-picture-number"])  # the last one is still there
        assert newest >= last
        assert get(server, f"/picture.jpg?after={newest}").status == 204
        run.rate = 0
        answer = get(server, "/snapshot.jpg?view=under")
    assert (answer.status, answer.json()["error"]) == (503, "There is no picture yet.")


def test_the_page_shows_a_smaller_picture_than_a_snapshot():
    with serving(paint=lambda number, view: np.zeros((1440, 2560, 3), np.uint8)) as (_, server):
        assert decoded(get(server, "/picture.jpg")).shape == (720, 1280, 3)
        assert decoded(get(server, "/snapshot.jpg")).shape == (1440, 2560, 3)


@pytest.mark.parametrize(
    "path",
    [
        "/picture.jpg?view=",
        "/snapshot.jpg?view=../fused",
        "/stream.mjpg?view=all",
        "/picture.jpg?after=x",
        "/picture.jpg?after=1e3",
        "/picture.jpg?after=" + "9" * 400,
    ],
)
def test_wrong_questions_are_400(server, path):
    answer = get(server, path)
    assert answer.status == 400
    assert answer.json()["error"].endswith(".")


def test_histograms(server):
    answer = get(server, "/histograms.json").json()
    assert list(answer) == ["under", "over", "fused"]
    assert np.argmax(answer["under"]["luma"]) == 40 // 4
    assert sum(answer["over"]["luma"]) == pytest.approx(1, abs=1e-3)
    assert answer["over"]["bright"] > 0  # the white digits


def test_recording(served):
    run, server = served
    assert post(server, "/recording/stop").status == 409
    assert post(server, "/recording/start").json() == {"recording": "recording-1.mkv"}
    again = post(server, "/recording/start")
    assert (again.status, again.json()["error"]) == (409, "recording-1.mkv is being recorded already.")
    assert post(server, "/recording/stop").json() == {"recorded": "recording-1.mkv"}
    assert run.status().recording is None


def test_exposures():
    with serving() as (run, server):
        assert post(server, "/exposures", {"mode": "manual", "bias_ev": -0.5, "gap_ev": 4}).status == 200
        assert post(server, "/exposures", {"mode": "auto"}).status == 200
        assert run.asked == [("manual", -0.5, 4.0), ("auto", 0.0, None)]
        assert get(server, "/status.json").json()["web"]["exposures"]["mode"] == "auto"


def test_a_camera_that_is_not_controlled_says_so():
    with serving(exposures=()) as (_, server):
        answer = post(server, "/exposures", {"mode": "auto"})
    assert (answer.status, answer.json()["error"]) == (409, "The exposure of sim: cannot be controlled.")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"mode": 1}', b'{"mode": "manual", "bias_ev": "x"}', b'{"mode": "auto", "gap_ev": 0}',
     b'{"mode": "auto", "more": 1}', b'{"mode": "auto", "bias_ev": NaN}', b'{"mode": "auto", "bias_ev": 1e999}',
     b"\xff\xfe", b"[" * 3000],
)  # fmt: skip
def test_exposures_that_make_no_sense_are_422(served, body):
    run, server = served
    answer = request(server, "POST", "/exposures", body, Content_Type="application/json")
    assert answer.status == 422
    assert answer.json()["error"].startswith("The exposures do not fit: ")
    assert run.asked == []


def test_forms_cannot_set_exposures(server):
    assert request(server, "POST", "/exposures", b'{"mode": "auto"}', Content_Type="text/plain").status == 415


@pytest.mark.parametrize(
    ("figures", "health", "ready"),
    [
        ({}, 200, 200),
        ({"rate_out": 0.0}, 503, 200),
        ({"rate_out": float("nan")}, 503, 200),
        ({"state": "starting", "frames_out": 0, "rate_out": 0.0}, 503, 503),
        ({"state": "reconnecting", "error": "rtsp://cam is away."}, 503, 200),
        ({"state": "stopping"}, 503, 503),
        ({"state": "stopped"}, 503, 503),
    ],
)
def test_health(figures, health, ready):
    with serving(**figures) as (run, server):
        answers = [get(server, path) for path in ("/healthz", "/readyz")]
    assert [answer.status for answer in answers] == [health, ready]
    for answer in answers:
        said = answer.json()
        assert said["ok"] == (answer.status == 200)
        assert said["state"] == run.status().state
        assert said["reason"].endswith(".")
        assert "rtsp" not in said["reason"]  # anyone may ask


def test_a_run_that_hangs_is_not_well(monkeypatch):
    monkeypatch.setattr("streamfuse.web.site.ANSWER_SECONDS", 0.2)
    with serving() as (run, server):
        run.hang.set()
        for path in ("/healthz", "/readyz", "/status.json", "/metrics"):
            assert get(server, path).status == 503
        assert get(server, "/healthz").json()["reason"] == "The run does not answer."
        assert get(server, "/snapshot.jpg").status == 200


def samples(server):
    text = get(server, "/metrics").body.decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics(served):
    found = samples(served[1])
    assert found["streamfuse_frames_captured_total",] == 111_700
    assert found["streamfuse_output_frames_per_second",] == 29.9
    assert found["streamfuse_frame_age_seconds", "0.95"] == pytest.approx(0.084)
    assert found["streamfuse_exposure_seconds", "1"] == pytest.approx(0.008)
    assert found["streamfuse_state", "running"] == 1
    assert found["streamfuse_state", "reconnecting"] == 0
    assert found["streamfuse_output_frames_dropped_total", served[0].status().outputs[1].name] == 310
    assert found["streamfuse_run_info", "cpu", "lcndr-xs", "fast", "sim:"] == 1
    assert found["process_resident_memory_bytes",] > 0


def test_metrics_are_what_a_checker_of_them_takes(served):
    families = list(text_string_to_metric_families(get(served[1], "/metrics").body.decode()))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.documentation
        labels = {label for sample in family.samples for label in sample.labels}
        assert "quantile" not in labels or family.type == "summary"
        assert "le" not in labels or family.type == "histogram"
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
            assert family.type in ("summary", "histogram") or not sample.name.endswith(
                ("_sum", "_count", "_bucket")
            )
    (ages,) = (family for family in families if family.name == "streamfuse_frame_age_seconds")
    assert ages.type == "summary"
    assert [sample.labels["quantile"] for sample in ages.samples] == ["0.5", "0.95", "0.99"]


def test_metrics_of_outputs_with_odd_and_equal_names():
    names = ['a"b\\c\nd', "same", "same"]
    with serving(outputs=tuple(OutputStatus(name, "running", 1, 0, 0) for name in names)) as (_, server):
        found = samples(server)
    for label in ('a"b\\c\nd', "same", "same #2"):
        assert found["streamfuse_output_frames_total", label] == 1


def test_head_of_a_stream_ends(server):
    connection = http.client.HTTPConnection(*parse_address(server.url[7:-1]), timeout=5)
    connection.request("HEAD", "/stream.mjpg")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    connection.request("GET", "/healthz")  # on the same connection
    assert connection.getresponse().status == 200
    connection.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/picture.jpg", "/snapshot.jpg", "/status.json", "/static/x", "/", "/login"]),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=60),
)
def test_no_query_makes_a_failure(server, path, query):
    assert get(server, f"{path}?{query}").status in {200, 204, 303, 400, 404}
