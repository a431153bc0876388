"""The page of a live run, its pictures, figures and health, as a Starlette application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Literal, TypeVar

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streamfuse._version import __version__
from streamfuse.core.multipart import MEDIA_TYPE
from streamfuse.errors import StreamfuseError, UsageError
from streamfuse.runtime.live.status import LiveControl, LiveStatus, View
from streamfuse.web import page
from streamfuse.web.access import checked_token
from streamfuse.web.answers import json, not_found, refusal, wrong_method
from streamfuse.web.crowd import Crowd
from streamfuse.web.guard import MAX_BODY_BYTES, Guard, read_body
from streamfuse.web.health import Health, liveness, readiness
from streamfuse.web.history import History
from streamfuse.web.mjpeg import MAX_STREAMS, MotionJpeg, Streams
from streamfuse.web.pictures import VIEWS, Pictures, Size
from streamfuse.web.prometheus import registry

Result = TypeVar("Result")

ANSWER_SECONDS = 3.0  # for the run to answer
PICTURE_SECONDS = 2.0  # for a picture to come


class Exposures(BaseModel):
    """What POST /exposures takes: the arguments of `LiveControl.set_exposures`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["auto", "manual"]
    bias_ev: Annotated[float, Field(ge=-16, le=16)] = 0.0
    gap_ev: Annotated[float, Field(gt=0, le=16)] | None = None


def create_app(control: LiveControl, token: str | None = None) -> Starlette:
    """Build the application.

    Args:
        control: the live run.
        token: what a client has to know; None: everyone, but only under a loopback name.

    Raises:
        UsageError: a token that is too short, or cannot be sent in a header.
    """
    web = _Web(control)
    routes = [
        Route("/", web.front),
        Route("/static/{name}", web.static),
        Route("/healthz", web.healthz),
        Route("/readyz", web.readyz),
        Route("/metrics", web.metrics),
        Route("/status.json", web.status),
        Route("/history.json", web.history),
        Route("/histograms.json", web.histograms),
        Route("/picture.jpg", web.picture),
        Route("/snapshot.jpg", web.snapshot),
        Route("/stream.mjpg", web.stream),
        Route("/recording/start", web.start_recording, methods=["POST"]),
        Route("/recording/stop", web.stop_recording, methods=["POST"]),
        Route("/exposures", web.set_exposures, methods=["POST"]),
    ]
    if token is not None:
        checked_token(token)  # now, not at the first request
    return Starlette(
        routes=routes,
        middleware=[Middleware(Crowd), Middleware(Guard, token=token)],
        exception_handlers={404: not_found, 405: wrong_method},
        lifespan=web.lifespan,
    )


class _Web:
    """The endpoints. The run is never asked on the event loop."""

    def __init__(self, control: LiveControl) -> None:
        self._control = control
        self._pictures = Pictures(control)
        self._streams = Streams()
        self._history = History()
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="web-control")
        self._health_pool = ThreadPoolExecutor(1, thread_name_prefix="web-health")
        self._asked_exposures: dict[str, object] | None = None
        self._registry = registry(
            control, clients=lambda: self._streams.count, encoded=lambda: self._pictures.encoded
        )

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Keep the history for as long as the application runs."""
        sampling = asyncio.create_task(self._sample())
        try:
            yield
        finally:
            sampling.cancel()
            with suppress(asyncio.CancelledError):
                await sampling
            self._pictures.close()
            for pool in (self._pool, self._health_pool):
                pool.shutdown(wait=False, cancel_futures=True)

    async def front(self, request: Request) -> Response:
        """Give the page."""
        return Response(page.asset("index.html"), media_type=page.MEDIA_TYPES[".html"])

    async def static(self, request: Request) -> Response:
        """Give a file of the page."""
        name = request.path_params["name"]
        media_type = page.assets().get(name)
        if media_type is None:
            return await not_found(request, Exception())
        return Response(page.asset(name), media_type=media_type, headers={"cache-control": "no-cache"})

    async def healthz(self, request: Request) -> Response:
        """200 while fused frames flow, else 503."""
        return await self._health(liveness)

    async def readyz(self, request: Request) -> Response:
        """200 once there are pictures, else 503."""
        return await self._health(readiness)

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        text = await self._ask(lambda: generate_latest(self._registry))
        return _no_answer() if text is None else Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def status(self, request: Request) -> Response:
        """Everything that the run tells of itself."""
        status = await self._ask(self._control.status)
        if status is None:
            return _no_answer()
        web = {"version": __version__, "clients": self._streams.count, "exposures": self._asked_exposures}
        return json({**status.as_dict(), "web": web})

    async def history(self, request: Request) -> Response:
        """Rates and ages of the last minutes."""
        return json(self._history.as_dict())

    async def histograms(self, request: Request) -> Response:
        """Luma of under, over and fused."""
        return json(await self._pictures.histograms(PICTURE_SECONDS))

    async def picture(self, request: Request) -> Response:
        """Give the next picture after number `after`, at the size of the page; 204 if none came."""
        after = request.query_params.get("after", "-1")
        if not after.removeprefix("-").isdecimal() or len(after) > 18:
            return refusal(400, "after has to be the number of a picture.")
        return await self._jpeg(request, "preview", int(after))

    async def snapshot(self, request: Request) -> Response:
        """Give the newest picture at full size."""
        answer = await self._jpeg(request, "full", -1)
        if answer.status_code == 204:
            return refusal(503, "There is no picture yet.", {"retry-after": "1"})
        return answer

    async def stream(self, request: Request) -> Response:
        """Pictures without end."""
        view = _view(request)
        if view is None:
            return _no_such_view()
        if request.method == "HEAD":
            return Response(media_type=MEDIA_TYPE)
        if self._streams.full:
            return refusal(
                503, f"{MAX_STREAMS} clients watch already, which is the most.", {"retry-after": "10"}
            )
        return MotionJpeg(self._pictures, view, self._streams)

    async def start_recording(self, request: Request) -> Response:
        """Begin a file."""
        return await self._do(lambda: {"recording": self._control.start_recording()})

    async def stop_recording(self, request: Request) -> Response:
        """Finish it."""
        return await self._do(lambda: {"recorded": self._control.stop_recording()})

    async def set_exposures(self, request: Request) -> Response:
        """Tell the bracket controller."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return refusal(415, "The exposures have to be sent as application/json.")
        body = await read_body(request)
        if body is None:
            return refusal(413, f"That is more than {MAX_BODY_BYTES} bytes, or it took too long.")
        try:
            wanted = Exposures.model_validate_json(body)
        except ValidationError as error:
            return refusal(422, _explain(error))

        def apply() -> dict[str, object]:
            self._control.set_exposures(wanted.mode, wanted.bias_ev, wanted.gap_ev)
            self._asked_exposures = wanted.model_dump()
            return self._asked_exposures

        return await self._do(apply)

    async def _sample(self) -> None:
        while True:
            self._history.add(await self._ask(self._control.status))
            await asyncio.sleep(1.0)

    async def _health(self, judge: Callable[[LiveStatus], Health]) -> Response:
        status = await self._ask(self._control.status, self._health_pool)
        health = Health(False, "The run does not answer.") if status is None else judge(status)
        state = None if status is None else status.state
        return json({"ok": health.ok, "state": state, "reason": health.reason}, 200 if health.ok else 503)

    async def _jpeg(self, request: Request, size: Size, after: int) -> Response:
        view = _view(request)
        if view is None:
            return _no_such_view()
        found = await self._pictures.jpeg(view, size, after, PICTURE_SECONDS)
        if found is None:
            return Response(status_code=204)
        return Response(found.made, media_type="image/jpeg", headers={"x-picture-number": str(found.number)})

    async def _do(self, action: Callable[[], dict[str, object]]) -> Response:
        """Change something; what the run says against it is the answer."""
        try:
            done = await self._ask(action)
        except UsageError as error:
            return refusal(409, str(error))
        except StreamfuseError as error:
            return refusal(500, str(error))
        return _no_answer() if done is None else json(done)

    async def _ask(
        self, question: Callable[[], Result], pool: ThreadPoolExecutor | None = None
    ) -> Result | None:
        """Give the run's answer; None if it took too long."""
        asked = asyncio.get_running_loop().run_in_executor(pool or self._pool, question)
        try:
            return await asyncio.wait_for(asked, ANSWER_SECONDS)
        except TimeoutError:
            return None


def _view(request: Request) -> View | None:
    name = request.query_params.get("view", "fused")
    return next((view for view in VIEWS if view == name), None)


def _no_such_view() -> Response:
    return refusal(400, f"There is no such view: use one of {', '.join(VIEWS)}.")


def _no_answer() -> Response:
    return refusal(503, "The run does not answer.")


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the body"
    return f"The exposures do not fit: {place}: {first['msg']}."
