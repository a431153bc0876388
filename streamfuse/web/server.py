"""Serves the page of a live run from a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from streamfuse.errors import OutputError, UsageError
from streamfuse.runtime.live.status import LiveControl
from streamfuse.web.address import bind, is_loopback, parse_address, url

if TYPE_CHECKING:
    import uvicorn

__all__ = ["WebServer", "parse_address"]

_START_SECONDS = 10.0
_FINISH_SECONDS = 0.4  # for answers under way, when the server closes
_CUT_SECONDS = 0.7  # for the thread to end after clients were cut off


class WebServer:
    """The page of a run at an address.

    Args:
        control: the run.
        host, port: where; `parse_address` reads them from a text. Port 0 is any free one.
        token: what clients have to know. Needed where other machines can reach the address.

    Raises:
        UsageError: the address can be reached by others and there is no token, the token cannot be one, or the
            packages of the extra `web` are not installed.
    """

    def __init__(self, control: LiveControl, host: str, port: int, token: str | None = None) -> None:
        if token is None and not is_loopback(host):
            raise UsageError(
                f"Other machines can reach the page at {host}, so it needs a token (`openssl rand -hex 16` makes one); "
                "or serve it at 127.0.0.1."
            )
        self._host = host
        self._port = port
        self._server = _make_server(control, token)
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._began = threading.Event()
        self._url = ""

    @property
    def url(self) -> str:
        """Give what to open in a browser on this machine; empty before `start`."""
        return self._url

    def start(self) -> None:
        """Serve from now on; the address is bound and requests are answered when this returns.

        Raises:
            OutputError: the port is taken, or this machine does not have that address.
        """
        self._listener = bind(self._host, self._port)
        self._url = url(self._listener)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()
        if not self._began.wait(_START_SECONDS):
            self.close()
            raise OutputError(f"The page at {self._url} did not start in {_START_SECONDS:.0f} s.")

    def close(self) -> None:
        """Stop serving: answers under way get a moment to finish, then clients are cut off. Ends within 2 s."""
        if self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(_FINISH_SECONDS)
        if self._thread.is_alive() and self._loop is not None:
            with suppress(RuntimeError):  # the loop ended in between
                self._loop.call_soon_threadsafe(self._cut_off)
            self._thread.join(_CUT_SECONDS)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(_CUT_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        assert self._listener is not None
        self._loop = asyncio.get_running_loop()
        serving = asyncio.create_task(self._server.serve([self._listener]))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.005)
        if self._server.started:
            self._began.set()
        await serving

    def _cut_off(self) -> None:
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


def _make_server(control: LiveControl, token: str | None) -> uvicorn.Server:
    try:
        import uvicorn

        from streamfuse.web.protocol import TimedProtocol
        from streamfuse.web.site import create_app
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The page needs {error.name}, which cannot be found: pip install 'streamfuse[web]'."
        ) from None
    return uvicorn.Server(
        uvicorn.Config(
            create_app(control, token),
            http=TimedProtocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="critical",  # the application logs its own failures, and refused requests are no news
            access_log=False,  # an address may hold a token
            server_header=False,
            timeout_keep_alive=5,
        )
    )
