"""The answers that are not pictures: JSON, errors in one sentence, the headers of all of them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Send

from streamfuse.web.history import plain

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def json(values: Mapping[str, object], status_code: int = 200) -> Response:
    """Values as JSON; numbers that it has no word for are null."""
    return JSONResponse(plain(values), status_code)


def refusal(status_code: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """Answer with an error, as `{"error": sentence}`."""
    return JSONResponse({"error": sentence}, status_code, headers)


async def not_found(request: Request, error: Exception) -> Response:
    """Nothing has that name."""
    return refusal(404, "There is nothing of that name; the page is at /.")


async def wrong_method(request: Request, error: Exception) -> Response:
    """GET where it has to be POST, or the other way."""
    allowed = getattr(error, "headers", None) or {}
    return refusal(405, f"That does not take {request.method} requests.", dict(allowed))


def with_headers(send: Send) -> Send:
    """Wrap `send`, adding to each answer the headers of all answers that it does not set itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [
                (name.encode(), value.encode())
                for name, value in HEADERS.items()
                if name.encode() not in present
            ]
            message = {**message, "headers": headers}
        await send(message)

    return sending
