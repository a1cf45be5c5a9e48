"""The server: the page, its socket, and what can be taken away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from deltarule.errors import DeltaruleError, FileError, InputError
from deltarule.playground import export
from deltarule.playground.explained import ROWS, live_payload
from deltarule.playground.guard import HEADERS, Guard
from deltarule.playground.messages import MOST_BYTES, Message, parsed
from deltarule.playground.page import playground_html
from deltarule.playground.runner import Runner

__all__ = ["Playground", "listening", "make_app", "make_server", "run_server"]

# A browser is sent another frame when it has painted the one before the last.
_ON_THE_WAY = 2
# More browsers than anybody looks at are a mistake.
_MOST_WATCHERS = 16


class _Watcher:
    """One browser: what it was sent and what it has painted."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.version = 0
        self.sent = 0
        self.on_the_way: set[int] = set()

    def painted(self, frame: Any) -> None:
        """The browser has painted a frame, and so every frame before it."""
        if isinstance(frame, bool) or not isinstance(frame, int):
            raise InputError("frame is no whole number; expected that of a frame that was sent")
        self.on_the_way = {number for number in self.on_the_way if number > frame}
        self.wake.set()


class Playground:
    """What the routes share: the run, the token, the browsers.

    Parameters
    ----------
    runner : Runner
    token : str
    port : int
    """

    def __init__(self, runner: Runner, token: str, port: int) -> None:
        self.runner, self.token, self.port = runner, token, port
        self.boot = secrets.token_hex(8)
        self.watchers: set[_Watcher] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        runner.told = self._told

    def _told(self) -> None:
        """There is something new; called by the thread that trains."""
        loop = self.loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for watcher in self.watchers:
            watcher.wake.set()

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Start and end the run with the server."""
        self.loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self.loop = None
            await run_in_threadpool(self.runner.close)

    # -- pages ---------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        """The page."""
        nonce = secrets.token_urlsafe(16)
        text = playground_html(self.boot, nonce)
        policy = "; ".join(
            [
                "default-src 'none'",
                f"script-src 'nonce-{nonce}'",
                "style-src 'unsafe-inline'",
                "font-src data:",
                "img-src data: blob:",
                f"connect-src 'self' ws://127.0.0.1:{self.port} ws://localhost:{self.port}",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        )
        return HTMLResponse(text, headers={"Content-Security-Policy": policy, **HEADERS})

    async def who(self, request: Request) -> Response:
        """Which server this is, for a page that has lost its own."""
        return JSONResponse({"boot": self.boot}, headers=HEADERS)

    async def payload(self, request: Request) -> Response:
        """The run as the drawing and the derivation take it."""
        rows = request.query_params.get("rows", ROWS[0])
        if rows not in ROWS:
            return _plain_text(f"there are no such rows; expected {' or '.join(ROWS)}", 404)
        try:
            snapshot = await asyncio.wrap_future(self.runner.order("snapshot"))
            payload = await run_in_threadpool(live_payload, snapshot, rows)
        except DeltaruleError as error:
            return _plain_text(str(error), 409)
        return JSONResponse(payload, headers=HEADERS)

    async def export(self, request: Request) -> Response:
        """The script, the model or the page of the run as it is now."""
        kind = request.path_params["kind"]
        if kind not in export.KINDS:
            return _plain_text(f"there is no {kind!r}; expected {', '.join(export.KINDS)}", 404)
        try:
            snapshot = await asyncio.wrap_future(self.runner.order("snapshot"))
            made = await run_in_threadpool(export.made, kind, snapshot, self.runner.source)
        except DeltaruleError as error:
            return _plain_text(str(error), 409)
        name = {"Content-Disposition": f'attachment; filename="{made.name}"'}
        return Response(made.data, media_type=made.media_type, headers={**HEADERS, **name})

    # -- the socket ----------------------------------------------------------------------

    async def live(self, socket: WebSocket) -> None:
        """One browser: frames to it, orders from it, until one of the two ends."""
        await socket.accept()
        if len(self.watchers) >= _MOST_WATCHERS:
            await socket.close(1013, "too many browsers watch this run")
            return
        watcher = _Watcher()
        self.watchers.add(watcher)
        self.runner.watchers = len(self.watchers)
        watcher.wake.set()
        sending = asyncio.create_task(self._send(socket, watcher))
        try:
            await self._receive(socket, watcher)
        except (WebSocketDisconnect, RuntimeError):
            pass  # it is gone
        finally:
            self.watchers.discard(watcher)
            self.runner.watchers = len(self.watchers)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sending

    async def _send(self, socket: WebSocket, watcher: _Watcher) -> None:
        await socket.send_text(json.dumps({"type": "hello", "boot": self.boot}))
        while True:
            await watcher.wake.wait()
            watcher.wake.clear()
            version, text = self.runner.description
            if version != watcher.version:
                watcher.version = version
                await socket.send_text(text)
            frame = self.runner.latest
            # The newest only, and none to a browser that is behind: it is woken when it is not.
            if frame is None or frame.number == watcher.sent:
                continue
            if len(watcher.on_the_way) >= _ON_THE_WAY or frame.version != watcher.version:
                continue
            watcher.sent = frame.number
            watcher.on_the_way.add(frame.number)
            await socket.send_bytes(frame.data)

    async def _receive(self, socket: WebSocket, watcher: _Watcher) -> None:
        while True:
            received = await socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            number = None
            try:
                text = received.get("text")
                message = parsed(received.get("bytes") or b"" if text is None else text)
                number = message.id
                if message.type == "ack":
                    watcher.painted(message.fields["frame"])
                    continue
                await self._obey(message)
                answer: dict[str, Any] = {"type": "done", "id": number}
            except DeltaruleError as error:
                number = getattr(error, "id", number)
                answer = {"type": "error", "id": number, "message": str(error)}
            except Exception as error:  # noqa: BLE001  a fault of ours, and the line goes on
                words = f"a fault in deltarule: {type(error).__name__}: {error}"
                answer = {"type": "error", "id": number, "message": words}
            await socket.send_text(json.dumps(answer))

    async def _obey(self, message: Message) -> None:
        await asyncio.wrap_future(self.runner.order(message.type, **message.fields))


def _plain_text(text: str, status: int) -> Response:
    return Response(f"{text}\n", status, HEADERS, "text/plain; charset=utf-8")


def make_app(playground: Playground) -> Starlette:
    """The application, guarded."""
    routes = [
        Route("/", playground.page),
        Route("/who", playground.who),
        Route("/payload", playground.payload),
        Route("/export/{kind}", playground.export),
        WebSocketRoute("/live", playground.live),
    ]
    guard = Middleware(Guard, token=playground.token, port=playground.port)
    return Starlette(routes=routes, middleware=[guard], lifespan=playground.lifespan)


def listening(port: int) -> socket.socket:
    """A socket on 127.0.0.1; port 0 is one that is free.

    Raises
    ------
    FileError
        If the port is taken.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # So that a server can follow the one before it at once.
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(("127.0.0.1", port))
    except OSError as error:
        found.close()
        raise FileError(
            f"port {port} of 127.0.0.1 cannot be used: {error.strerror}; expected a free one; "
            "choose another with --port, or leave it out"
        ) from error
    return found


def run_server(
    playground: Playground, found: socket.socket, ready: Callable[[], Any] | None = None
) -> None:
    """Serve until Ctrl-C."""
    server = make_server(playground, ready)
    try:
        server.run(sockets=[found])
    finally:
        found.close()


class _Server(uvicorn.Server):
    """uvicorn's, that says when it listens."""

    ready: Callable[[], Any] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.ready is not None:
            self.ready()


def make_server(playground: Playground, ready: Callable[[], Any] | None = None) -> uvicorn.Server:
    """The server of a playground, not started."""
    config = uvicorn.Config(
        make_app(playground),
        # The token stands in addresses, so none is written down.
        access_log=False,
        log_config=None,
        log_level="critical",
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=MOST_BYTES,
        # Frames are numbers, which shrink little, and go nowhere but to this machine.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
    )
    server = _Server(config)
    server.ready = ready
    return server
