"""The page in a real browser."""

import shutil
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from fake_run import FakeRun, serving

from streamfuse.web.server import WebServer, parse_address

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install playwright"
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)"
)

PIXEL = """([x, y]) => {
    const canvas = document.getElementById("picture");
    const place = [x * canvas.width, y * canvas.height];
    return [...canvas.getContext("2d").getImageData(...place, 1, 1).data].slice(0, 3);
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def opened(browser, server, width=800, height=600, path="", **options):
    """The page in a fresh context; nothing may come from elsewhere, and nothing may fail in a script."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    page = context.new_page()
    problems, elsewhere = [], []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request", lambda asked: None if asked.url.startswith(server.url) else elsewhere.append(asked.url)
    )
    page.problems = problems
    page.goto(server.url + path)
    try:
        yield page
        assert [url for url in elsewhere if not url.startswith("blob:")] == []
    finally:
        context.close()


def number(page):
    """Number of the picture that is shown."""
    return int(page.locator("#picture[data-number]").get_attribute("data-number"))


def expect(page, selector, text):
    playwright.expect(page.locator(selector)).to_contain_text(text, timeout=8000)


def overflow(page):
    """Pixels that the page is wider than the window, and what sticks out."""
    return page.evaluate("""() => [document.documentElement.scrollWidth - innerWidth,
        [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.outerHTML.slice(0, 60))]""")


def test_the_page_shows_a_moving_picture_and_the_figures(browser):
    with serving(rate=10) as (_, server), opened(browser, server) as page:
        first = number(page)
        page.wait_for_timeout(500)
        assert number(page) > first
        expect(page, "#state", "running")
        expect(page, "#rate-out", "29.9")
        expect(page, "#age-p95", "84")
        expect(page, "#counters", "111,700")
        expect(page, "#outputs", "refused the connection")
        expect(page, "#over-clipped", "%")
        assert page.locator("#banner").is_hidden()
        for plot in ("rate-plot", "age-plot", "under-histogram", "over-histogram", "fused-histogram"):
            painted = page.evaluate(
                """id => {
                    const canvas = document.getElementById(id);
                    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                    return data.some(value => value > 0);
                }""",
                plot,
            )
            assert painted, plot
        assert page.problems == []


def test_nothing_sticks_out_at_any_width(browser):
    long = "rtsp://a-camera-with-a-very-long-name.example.org:8554/" + "x" * 60
    with (
        serving(source=long, state="reconnecting", error=f"{long} gives nothing.") as (_, server),
        opened(browser, server, has_touch=True) as page,
    ):
        number(page)
        expect(page, "#banner", "gives nothing")
        for width in (320, 390, 600, 601, 768, 1100, 1101, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            assert overflow(page) == [0, []], width


def test_views(browser):
    with serving(rate=10) as (_, server), opened(browser, server) as page:
        number(page)
        for view, level in (("under", 40), ("over", 200), ("weights", 120)):
            page.click(f"[data-view={view}]")
            page.wait_for_timeout(600)
            assert abs(page.evaluate(PIXEL, [0.99, 0.1])[1] - level) < 6
            assert page.locator("#snapshot").get_attribute("href") == f"/snapshot.jpg?view={view}"


def test_the_wipe_moves_by_keyboard_and_pointer(browser):
    with serving(rate=10) as (run, server), opened(browser, server) as page:
        number(page)
        page.click("#compare")
        page.wait_for_timeout(600)
        run.still.set()
        page.wait_for_timeout(300)
        sides = [page.evaluate(PIXEL, [x, 0.1])[1] for x in (0.02, 0.45, 0.99)]
        assert [abs(level - expected) < 8 for level, expected in zip(sides, (40, 40, 120), strict=True)] == [
            True
        ] * 3
        page.focus("#wipe")
        page.keyboard.press("Home")
        page.wait_for_timeout(100)
        assert page.locator("#wipe").get_attribute("aria-valuenow") == "0"
        assert abs(page.evaluate(PIXEL, [0.02, 0.1])[1] - 120) < 8
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        assert page.locator("#wipe").get_attribute("aria-valuenow") == "98"
        box = page.locator("#picture").bounding_box()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20, steps=3)
        page.mouse.up()
        assert abs(int(page.locator("#wipe").get_attribute("aria-valuenow")) - 25) <= 2
        page.click("[data-view=over]")  # the other input
        expect(page, "#left-label", "Over")
        page.click("[data-view=fused]")  # nothing to compare with itself
        assert page.locator("#wipe").is_hidden()
        assert page.problems == []


def test_the_wipe_moves_by_touch(browser):
    with (
        serving(rate=10) as (_, server),
        opened(browser, server, 390, 844, has_touch=True, is_mobile=True) as page,
    ):
        number(page)
        page.tap("#compare")
        box = page.locator("#wipe").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch = page.context.new_cdp_session(page)
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 6):
            at = [{"x": x - 20 * step, "y": y}]
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(200)
        assert int(page.locator("#wipe").get_attribute("aria-valuenow")) < 35


def test_recording_and_snapshot(browser):
    with serving(rate=10) as (run, server), opened(browser, server) as page:
        number(page)
        page.click("#record")
        expect(page, "#said", "Recording recording-1.mkv")
        expect(page, "#record", "Stop")
        assert run.status().recording == "recording-1.mkv"
        page.click("#record")
        expect(page, "#said", "Recorded recording-1.mkv")
        expect(page, "#record", "Record")
        with page.expect_download() as download:
            page.click("#snapshot")
        assert download.value.suggested_filename == "streamfuse-fused.jpg"
        assert download.value.path().read_bytes()[:2] == b"\xff\xd8"


def test_exposures_are_set(browser):
    with serving(rate=10) as (run, server), opened(browser, server) as page:
        expect(page, "#exposure-list", "8.0 ms")
        page.click("[data-mode=manual]")
        page.fill("#bias", "-0.5")
        page.fill("#gap", "4")
        page.click("#exposures .primary")
        expect(page, "#exposure-said", "Applied.")
        assert run.asked == [("manual", -0.5, 4.0)]


def test_exposures_that_cannot_be_set_say_why(browser):
    with serving(exposures=(), rate=10) as (_, server), opened(browser, server) as page:
        expect(page, "#exposure-list", "not controlled")
        assert page.locator("#bias").is_disabled()


def test_other_states_are_shown_plainly(browser):
    states = [
        (
            {"state": "reconnecting", "error": "cam <b>gave</b> nothing."},
            "opened again. cam <b>gave</b> nothing.",
        ),
        ({"state": "starting", "frames_out": 0}, "Waiting for the first fused frame."),
        ({"state": "stopped"}, "The run has ended."),
    ]
    with serving(rate=10) as (run, server), opened(browser, server) as page:
        number(page)
        for figures, text in states:
            run.figures = replace(run.figures, **figures)  # type: ignore[arg-type]
            expect(page, "#banner", text)
            expect(page, "#state", figures["state"])


def test_figures_that_are_not_known_yet(browser):
    nothing = (float("nan"),) * 3
    with (
        serving(rate=0, state="starting", age_ms=nothing, rate_out=float("nan"), outputs=(), order=(), cycle=0, width=0)
        as (_, server),
        opened(browser, server) as page,
    ):  # fmt: skip
        expect(page, "#banner", "Waiting for the first fused frame.")
        expect(page, "#no-outputs", "no outputs")
        expect(page, "#waiting", "Waiting for the first picture")
        assert page.locator("#age-p50").text_content() == "–"
        assert page.problems == []


def test_a_run_that_is_gone_is_said_and_the_next_one_is_shown(browser):
    with serving(rate=100) as (_, server), opened(browser, server) as page:
        page.wait_for_timeout(1000)
        last = number(page)
        server.close()
        expect(page, "#state", "no connection")
        expect(page, "#banner", "does not answer")
        address = parse_address(server.url[7:-1])
        with WebServer(FakeRun(rate=2), *address):  # which counts from the beginning
            expect(page, "#state", "running")
            deadline = time.monotonic() + 10
            while number(page) >= last:
                assert time.monotonic() < deadline, "the pictures of the new run are not shown"
                page.wait_for_timeout(100)


def test_the_token_is_asked_for_once(browser):
    token = "correct-horse-7"
    with serving(token, rate=10) as (_, server):
        with opened(browser, server) as page:
            page.fill("#token", "wrong")
            page.press("#token", "Enter")
            expect(page, ".problem", "That is not the token.")
            page.fill("#token", token)
            page.press("#token", "Enter")
            assert number(page) > 0
            page.click("#record")
            expect(page, "#said", "Recording")
            page.reload()
            assert number(page) > 0
        with opened(browser, server, path=f"?token={token}") as page:
            assert number(page) > 0
            assert page.url == server.url


def test_the_theme_can_be_switched_and_is_kept(browser):
    ground = "getComputedStyle(document.body).backgroundColor"
    with serving(rate=10) as (_, server), opened(browser, server, color_scheme="dark") as page:
        dark = page.evaluate(ground)
        page.click("#theme")
        light = page.evaluate(ground)
        assert light != dark
        page.reload()
        assert page.evaluate(ground) == light
