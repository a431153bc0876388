"""Who may see and steer a run: tokens, and requests that another site makes in a visitor's browser."""

from __future__ import annotations

import hashlib
import hmac
import string
from urllib.parse import urlsplit

from starlette.requests import Request

from streamfuse.errors import UsageError
from streamfuse.web.address import is_loopback

SHORTEST_TOKEN = 8
COOKIE_SECONDS = 30 * 24 * 3600
_TOKEN_LETTERS = frozenset(string.ascii_letters + string.digits + string.punctuation) - set('"\\;,')


def checked_token(token: str) -> str:
    """Give the token, if it can be one.

    Raises:
        UsageError: it is too short, or has letters that a header or a cookie cannot carry. The message does not
            hold it.
    """
    if len(token) < SHORTEST_TOKEN or not set(token) <= _TOKEN_LETTERS:
        raise UsageError(
            f"The token of the page has to be {SHORTEST_TOKEN} or more letters, digits and signs without spaces, "
            "quotes, commas, semicolons and backslashes; `openssl rand -hex 16` makes a good one."
        )
    return token


class Token:
    """Recognises those who know the token: by header, by query, or by the cookie that they got for it."""

    def __init__(self, token: str) -> None:
        self._token = checked_token(token).encode()
        # Made of the token, so that it is still good after a restart, and the token cannot be had from it.
        self._session = hmac.new(self._token, b"streamfuse web session", hashlib.sha256).hexdigest()

    def matches(self, given: str) -> bool:
        """Tell whether it is the token, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(given.encode(errors="surrogateescape"), self._token)

    def admits(self, request: Request) -> bool:
        """Tell whether a request brings the token as `Authorization: Bearer`, or the cookie."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.matches(given.strip()):
            return True
        cookie = request.cookies.get(_cookie_name(request), "")
        return hmac.compare_digest(cookie.encode(errors="surrogateescape"), self._session.encode())

    def cookie(self, request: Request) -> str:
        """Give the `Set-Cookie` that lets this browser in from now on."""
        secure = "; Secure" if request.url.scheme == "https" else ""
        return (
            f"{_cookie_name(request)}={self._session}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Strict"
            + secure
        )


def names_this_machine(request: Request) -> bool:
    """Tell whether a request was made to a loopback name.

    Else a site could give its own name this machine's address (DNS rebinding), and read what is meant for it.
    """
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)


def is_foreign(request: Request) -> bool:
    """Tell whether a page of another origin makes this request, other than by a link that is followed.

    Browsers tell by `Sec-Fetch-Site`, older ones (and all on plain HTTP) by `Origin`; what has neither is no
    browser, or one that fetches for its user.
    """
    site = request.headers.get("sec-fetch-site")
    reading = request.method in {"GET", "HEAD"}
    if site is not None:
        followed = reading and request.headers.get("sec-fetch-mode") == "navigate"
        return site not in {"same-origin", "none"} and not followed
    origin = request.headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower() or origin == "null"
    except ValueError:
        return True


def _cookie_name(request: Request) -> str:
    """Browsers keep no cookies apart by port, so the name has it: two runs on one machine have two tokens."""
    _, port = request.scope.get("server") or ("", 0)
    return f"streamfuse_{port}"
