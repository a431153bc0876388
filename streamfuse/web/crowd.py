"""So many requests are answered at a time; whether the run is well is told to whoever asks, besides."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from streamfuse.web.answers import refusal, with_headers

MAX_REQUESTS = 200
HEALTH = frozenset({"/healthz", "/readyz"})


class Crowd:
    """Refuses requests while as many are being answered as there may be, but for those that ask for health.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._most = MAX_REQUESTS
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http" or scope["path"] in HEALTH:
            await self._app(scope, receive, send)
            return
        if self._count >= self._most:
            refused = refusal(
                503,
                f"{self._most} requests are being answered already, which is the most.",
                {"retry-after": "5", "connection": "close"},
            )
            await refused(scope, receive, with_headers(send))
            return
        self._count += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._count -= 1
