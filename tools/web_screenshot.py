"""Takes docs/images/web.jpg: the page of a live run of the built-in scene, once it has run for a while.

    python tools/web_screenshot.py docs/images/web.jpg [--seconds 60] [-- CAMERA AND OPTIONS OF streamfuse live]

Needs the extra `web`, playwright and a Chromium; a machine that does nothing else shows its real speed.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import click
from PIL import Image
from playwright.sync_api import sync_playwright
from tool_options import help_of

ADDRESS = "127.0.0.1:18099"
URL = f"http://{ADDRESS}/"
START_SECONDS = 60


def wait_for_page(run: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and run.poll() is None:
        try:
            urlopen(f"{URL}healthz").close()
            return
        except OSError as error:
            if getattr(error, "code", None) == 503:  # served, and no frame yet
                return
            time.sleep(0.2)
    sys.exit("The run did not begin to serve its page.")


def take(path: Path, seconds: float) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 850}, color_scheme="dark")
        time.sleep(seconds)
        page.goto(URL)
        page.wait_for_selector("#picture[data-number]")
        page.click("#compare")
        page.wait_for_timeout(2500)
        shot = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        browser.close()
    shot.convert("RGB").save(path, quality=84, optimize=True)
    print(f"{path}: {shot.width}x{shot.height}, {path.stat().st_size // 1000} kB")


@click.command(help=help_of(__doc__))
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("live", nargs=-1)
@click.option("--seconds", default=60.0, show_default=True, help="That the run has had when it is taken.")
def main(path: Path, live: tuple[str, ...], seconds: float) -> None:
    """Run, wait and take it."""
    command = [sys.executable, "-m", "streamfuse", "live", *(live or ("sim:",)), "--web", ADDRESS]
    run = subprocess.Popen(command)
    try:
        wait_for_page(run)
        take(path, seconds)
    finally:
        run.terminate()
        run.wait(30)


if __name__ == "__main__":
    main()
