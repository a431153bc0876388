"""What an HTTP address answers with, looked at where FFmpeg makes no stream of it."""

from __future__ import annotations

import re
import ssl
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Literal
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit

_MAX_BYTES = 4096
_MAX_SECONDS = 3.0
_LARGEST_PICTURE = 16 << 20  # bytes after which one picture is no snapshot any more
_BLOCK = 1 << 16
_START_OF_JPEG = b"\xff\xd8\xff"
# Where one JPEG ends and the next begins, with what some cameras put between; a thumbnail inside ends otherwise.
_NEXT_JPEG = re.compile(rb"\xff\xd9[^\xff]{0,256}\xff\xd8\xff")
_STREAMS = ("multipart/", "video/x-motion-jpeg", "video/x-mjpeg", "video/mjpeg")
_PICTURES = (_START_OF_JPEG, b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")

Kind = Literal["pictures", "picture", "page", "data", "text", "sound", "empty", "refused", "other"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Args:
        kind: `pictures` (JPEGs one after the other), `picture` (a single one), `page` (a web page), `data` (JSON or
            XML), `text`, `sound`, `empty` (nothing), `refused` (no success: `status` says why) or `other`.
        content_type: as the server tells, without its parameters; "" if it does not.
        status: of HTTP, such as 404.
        led_to: host and path that the address was redirected to; "" if it was not.
    """

    kind: Kind
    content_type: str = ""
    status: int = 200
    led_to: str = ""


def look(url: str, seconds: float) -> Answer | None:
    """Ask an http or https address, with the user and the password in it, and look at how the answer begins.

    Args:
        url: the address.
        seconds: how long that may take.

    Returns:
        None if there was no answer.
    """
    with suppress(OSError, ValueError, HTTPException):  # of the network, of the address, of what is no HTTP
        opener, bare = _opener(url)
        seconds = min(seconds, _MAX_SECONDS)
        try:
            with opener.open(bare, timeout=seconds) as answer:
                kind = answer.headers.get_content_type() if answer.headers.get("Content-Type") else ""
                begin = b"" if kind.startswith("multipart/") else answer.read(_MAX_BYTES)
                found = _kind(kind, begin, answer, time.monotonic() + seconds)
                return Answer(found, kind, answer.status, _led_to(bare, answer.url))
        except HTTPError as refusal:
            with refusal:
                return Answer("refused", "", refusal.code, _led_to(bare, refusal.url))
    return None


def _opener(url: str) -> tuple[urllib.request.OpenerDirector, str]:
    """Give what opens the address as FFmpeg does (certificates of cameras are their own), and the address alone."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = urlunsplit(parts._replace(netloc=host))
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, bare, unquote(parts.username or ""), unquote(parts.password or ""))
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.HTTPBasicAuthHandler(passwords),
        urllib.request.HTTPDigestAuthHandler(passwords),
        urllib.request.HTTPSHandler(context=trusting),
    )
    return opener, bare


def _led_to(asked: str, answered: str) -> str:
    """Host and path of another address that answered; what stands behind them may be a secret."""
    parts = urlsplit(answered)
    if (parts.netloc, parts.path) == urlsplit(asked)[1:3]:
        return ""
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


def _kind(content_type: str, begin: bytes, answer: HTTPResponse, until: float) -> Kind:
    if content_type.startswith(_STREAMS):
        return "pictures"
    if not begin:
        return "empty"
    if begin.startswith(_START_OF_JPEG):
        return "pictures" if _goes_on(begin, answer, until) else "picture"
    if content_type.startswith("image/") or begin.startswith(_PICTURES):
        return "picture"
    return _kind_of_text(content_type, begin.lstrip(b"\xef\xbb\xbf \t\r\n"))


def _kind_of_text(content_type: str, begin: bytes) -> Kind:
    small = begin[:15].lower()
    if content_type == "text/html" or small.startswith((b"<!doctype html", b"<html")):
        return "page"
    if content_type.endswith(("/json", "+json", "/xml", "+xml")) or small.startswith((b"{", b"[{", b"<?xml")):
        return "data"
    if content_type.startswith("audio/"):
        return "sound"
    return "text" if content_type.startswith("text/") else "other"


def _goes_on(begin: bytes, answer: HTTPResponse, until: float) -> bool:
    """Tell whether another JPEG comes after the first one."""
    if answer.headers.get("Content-Length") is not None:
        return False
    seen = begin
    while not _NEXT_JPEG.search(seen):
        if len(seen) > _LARGEST_PICTURE or time.monotonic() > until:
            return True  # more than a snapshot has
        try:
            block = answer.read1(_BLOCK)
        except TimeoutError:
            return True  # the connection stands: it is a slow camera
        if not block:
            return False
        seen += block
    return True
