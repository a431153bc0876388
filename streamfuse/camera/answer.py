"""What an HTTP address answers with, looked at where FFmpeg makes no stream of it."""

from __future__ import annotations

import ssl
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

_MAX_BYTES = 4096
_MAX_SECONDS = 3.0
_START_OF_JPEG = b"\xff\xd8\xff"
_STREAMS = ("multipart/", "video/x-motion-jpeg", "video/x-mjpeg", "video/mjpeg")


class Answer(NamedTuple):
    """What came back.

    Args:
        kind: `pictures` (JPEGs one after the other), `picture` (a single one), `page` (a web page) or `other`.
        content_type: as the server tells, without its parameters; "" if it does not.
    """

    kind: Literal["pictures", "picture", "page", "other"]
    content_type: str


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
        with opener.open(bare, timeout=min(seconds, _MAX_SECONDS)) as answer:
            kind = answer.headers.get_content_type() if answer.headers.get("Content-Type") else ""
            begin = b"" if kind.startswith("multipart/") else answer.read(_MAX_BYTES)
            return Answer(_kind(kind, begin, answer.headers.get("Content-Length")), kind)
    return None


def _opener(url: str) -> tuple[urllib.request.OpenerDirector, str]:
    """What opens the address as FFmpeg does (certificates of cameras are their own), and the address alone."""
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


def _kind(
    content_type: str, begin: bytes, length: str | None
) -> Literal["pictures", "picture", "page", "other"]:
    if content_type.startswith(_STREAMS):
        return "pictures"
    if content_type == "text/html" or begin.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return "page"
    if content_type.startswith("image/") or begin.startswith(_START_OF_JPEG):
        return "picture" if length is not None or not begin.startswith(_START_OF_JPEG) else "pictures"
    return "other"
