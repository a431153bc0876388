"""Takes docs/images/web.jpg: the page of a live run of the built-in scene, once it has run for a while.

python tools/web_screenshot.py docs/images/web.jpg [--seconds 60] [-- CAMERA AND OPTIONS OF streamfuse live]

Needs the extra `web`, playwright and a Chromium; a machine that does nothing else shows its real speed.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import sync_playwright

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seconds", type=float, default=60, help="that the run has had when it is taken")
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    found = parser.parse_args(sys.argv[1:split])
    options = sys.argv[split + 1 :] or ["sim:"]
    command = [sys.executable, "-m", "streamfuse", "live", *options, "--web", ADDRESS]
    run = subprocess.Popen(command)
    try:
        wait_for_page(run)
        take(found.path, found.seconds)
    finally:
        run.terminate()
        run.wait(30)


if __name__ == "__main__":
    main()
