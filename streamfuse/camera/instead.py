"""The sentences on what is at an address instead of a video stream."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from streamfuse.camera.answer import Answer
from streamfuse.errors import without_credentials

STREAM_HINT = (
    "give the address of the stream, which its page or its manual names "
    "(often ending in /video, /stream or .mjpg)"
)
_FOUND = {
    "picture": "a single picture",
    "page": "a web page",
    "data": "data for programs",
    "text": "plain text",
    "empty": "an empty answer",
}
_GONE = "is not there ({}): check what stands behind the host; " + STREAM_HINT
_REFUSALS = {
    401: "refuses the user or the password ({}): check them in the URL",
    403: "refuses access ({}): check the user, the password or the token in the URL",
    404: _GONE,
    410: _GONE,
}
_MOVED = "leads in a circle or to nothing ({}): check the address"
_CLIENT = "cannot be opened, the server refuses ({}): check the address"
_SERVER = (
    "cannot be opened, the server has a problem of its own ({}): see that the camera is ready, or restart it"
)


def what_it_is(url: str, answer: Answer) -> str | None:
    """Give what an address, as it was given, answers with, and what to do; None if nothing can be said of it."""
    name = without_credentials(url)
    if answer.kind == "refused":
        return refusal(url, answer.status)
    if answer.kind == "page" and answer.led_to:
        return (
            f"{name} leads to the web page {answer.led_to} and is no video stream: if that wants a user and a "
            f"password, {_way_in(url)}; else {STREAM_HINT}."
        )
    if answer.kind == "sound":
        return f"{name} is a stream of sound and has no video: {STREAM_HINT}."
    if answer.kind not in _FOUND:
        return None
    told = f" ({answer.content_type})" if answer.kind in ("data", "text") and answer.content_type else ""
    return f"{name} is {_FOUND[answer.kind]}{told} and no video stream: {STREAM_HINT}."


def refusal(url: str, status: int, words: str = "") -> str:
    """Give what a server says with a status of HTTP (or RTSP) that is no success, and what to do.

    Args:
        url: the address as it was given.
        status: such as 404.
        words: what to call the status, where it is not known exactly.
    """
    name = without_credentials(url)
    words = words or _words(status)
    if status == HTTPStatus.UNAUTHORIZED and "@" not in urlsplit(url).netloc:
        return f"{name} asks for a user and a password: {_way_in(url)}."
    found = _REFUSALS.get(status)
    if found is None:
        found = _SERVER if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _CLIENT
        found = found if status >= HTTPStatus.BAD_REQUEST else _MOVED
    return f"{name} {found.format(words)}."


def _way_in(url: str) -> str:
    """Tell how to give them, where everybody on the machine may not read them."""
    scheme = urlsplit(url).scheme
    return f"write them into the address ({scheme}://USER:PASSWORD@HOST/...), and that into a file, given as @FILE"


def _words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}"
