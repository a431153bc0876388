"""The page itself: HTML, style and scripts, as they are sent."""

from __future__ import annotations

import html
from functools import cache
from importlib.resources import files

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def asset(name: str) -> bytes:
    """Give the content of a file of the page."""
    return (files(__name__) / name).read_bytes()


@cache
def assets() -> dict[str, str]:
    """Give name and media type of every file of the page."""
    suffixes = {entry.name: "." + entry.name.rpartition(".")[2] for entry in files(__name__).iterdir()}
    return {name: MEDIA_TYPES[suffix] for name, suffix in suffixes.items() if suffix in MEDIA_TYPES}


def login(sentence: str | None = None) -> str:
    """Give the form that asks for the token, with a sentence about what went wrong before."""
    return asset("login.html").decode().replace("<!-- message -->", html.escape(sentence or ""))
