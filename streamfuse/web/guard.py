"""What every request has to pass before it is answered."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamfuse.web import page
from streamfuse.web.access import Token, is_foreign, names_this_machine
from streamfuse.web.answers import refusal, with_headers

MAX_BODY_BYTES = 4096
BODY_SECONDS = 10.0
_OPEN = {"/healthz", "/readyz", "/login"}  # and /static/: what needs no token
_WRONG_TOKEN_SECONDS = 0.5  # before it is told, so that guessing takes long
_log = logging.getLogger(__name__)


class Guard:
    """Lets a request through to `app`, or refuses it; no failure inside is shown.

    Args:
        app: what answers.
        token: what a client has to know; None: only requests to a loopback name are answered.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = None if token is None else Token(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = _Answering(with_headers(send))
        try:
            refused = await self._refuse(Request(scope, receive))
            await (refused or self._app)(scope, receive, answering)
        except ClientDisconnect:
            pass
        except Exception:
            _log.exception("%s of the page failed.", scope["method"])
            if not answering.begun:
                await refusal(500, "That failed inside streamfuse; its log says why.")(
                    scope, receive, answering
                )

    async def _refuse(self, request: Request) -> Response | None:
        if self._token is None and not names_this_machine(request):
            return refusal(
                403,
                "Without a token only requests to 127.0.0.1, localhost and [::1] are answered; start streamfuse with a "
                "token to use another name.",
            )
        if is_foreign(request):
            return refusal(403, "A page of another site asked for this.")
        if request.url.path == "/login" and (self._token is None or self._token.admits(request)):
            return RedirectResponse("/", 303)
        return None if self._token is None else await self._ask_for(self._token, request)

    async def _ask_for(self, token: Token, request: Request) -> Response | None:
        path = request.url.path
        if token.admits(request):
            return None
        if path == "/login" and request.method == "POST":
            return await self._log_in(request, token)
        given = request.query_params.get("token") if request.method in {"GET", "HEAD"} else None
        if given is not None:
            return await self._by_query(request, token, given)
        if path in _OPEN - {"/login"} or path.startswith("/static/"):
            return None
        return _ask_for_token(path)

    async def _log_in(self, request: Request, token: Token) -> Response:
        body = await read_body(request)
        if body is None:
            return refusal(413, f"That is more than {MAX_BODY_BYTES} bytes.")
        fields = dict(parse_qsl(body.decode(errors="replace"), max_num_fields=10))
        if not token.matches(fields.get("token", "").strip()):
            await asyncio.sleep(_WRONG_TOKEN_SECONDS)
            return HTMLResponse(page.login("That is not the token."), 401)
        return RedirectResponse("/", 303, {"set-cookie": token.cookie(request)})

    async def _by_query(self, request: Request, token: Token, given: str) -> Response | None:
        """Once with `?token=` in the address: players cannot send headers, and links can be kept."""
        if not token.matches(given):
            await asyncio.sleep(_WRONG_TOKEN_SECONDS)
            return _ask_for_token(request.url.path, "That is not the token.")
        if request.url.path == "/":  # the address that stays in the browser does not hold the token
            return RedirectResponse("/", 303, {"set-cookie": token.cookie(request)})
        return None


class _Answering:
    """`send` that remembers whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self.begun = False
        self._send = send

    async def __call__(self, message: Message) -> None:
        self.begun = True
        await self._send(message)


async def read_body(request: Request) -> bytes | None:
    """Give the body of a request; None if it is larger than `MAX_BODY_BYTES`, or takes longer than `BODY_SECONDS`."""
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return None
    except TimeoutError:
        return None
    return body


def _ask_for_token(path: str, sentence: str | None = None) -> Response:
    if path in {"/", "/login"}:
        return HTMLResponse(page.login(sentence), 401)
    return refusal(401, sentence or "A token is needed.", {"www-authenticate": 'Bearer realm="streamfuse"'})
