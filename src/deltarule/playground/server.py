"""The web server: the page, the websocket, and the downloads."""

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

from deltarule.errors import DeltaruleError, FileError, InputError, short_repr
from deltarule.playground import export
from deltarule.playground.access_control import HEADERS, AccessControl
from deltarule.playground.client_messages import MOST_BYTES, parse_message
from deltarule.playground.page import playground_html
from deltarule.playground.request_work import ClientLeft, RequestWork
from deltarule.playground.run_diagnosis import lens_of_run, rates_of_run
from deltarule.playground.run_state import Snapshot
from deltarule.playground.run_subject import ROWS, run_payload
from deltarule.playground.runner import Runner

__all__ = ["Playground", "listening_socket", "make_app", "make_server"]

# The largest number of frames that were sent to a browser and are not yet painted.
_MAX_IN_FLIGHT = 2
_MAX_CLIENTS = 16


class _Client:
    """One connected browser: the version and the frames that were sent and acknowledged."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.version = 0
        self.sent = 0
        self.in_flight: set[int] = set()

    def acknowledge(self, frame: Any) -> None:
        """Record that the browser has painted a frame; all earlier frames are then done too."""
        if isinstance(frame, bool) or not isinstance(frame, int):
            raise InputError("frame is no whole number; expected that of a frame that was sent")
        self.in_flight = {number for number in self.in_flight if number > frame}
        self.wake.set()


def _as_json(found: Any) -> Response:
    return JSONResponse(found, headers=HEADERS)


class Playground:
    """The state that the routes share: the run, the token, the connected browsers."""

    def __init__(self, runner: Runner, token: str, port: int) -> None:
        self.runner, self.token, self.port = runner, token, port
        self.boot = secrets.token_hex(8)
        self.clients: set[_Client] = set()
        self.work = RequestWork()
        self.loop: asyncio.AbstractEventLoop | None = None
        runner.on_update = self._on_update

    def _on_update(self) -> None:
        """Wake all senders; called from the training thread."""
        loop = self.loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for client in self.clients:
            client.wake.set()

    def _command(self, kind: str, **fields: Any) -> asyncio.Future[Any]:
        return asyncio.wrap_future(self.runner.submit(kind, **fields))

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """End the training thread when the server ends."""
        self.loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self.loop = None
            await run_in_threadpool(self.runner.close)

    # -- pages ---------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        """Serve the page."""
        nonce = secrets.token_urlsafe(16)
        text = playground_html(self.boot, nonce)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; "
            "font-src data:; img-src data: blob:; "
            f"connect-src 'self' ws://127.0.0.1:{self.port} ws://localhost:{self.port}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(text, headers={"Content-Security-Policy": policy, **HEADERS})

    async def who(self, request: Request) -> Response:
        """Serve the identifier of this process; a page that lost its connection compares it."""
        return JSONResponse({"boot": self.boot}, headers=HEADERS)

    async def payload(self, request: Request) -> Response:
        """Serve the data of the network drawing and the derivations."""
        rows = request.query_params.get("rows", ROWS[0])
        if rows not in ROWS:
            return _plain_text(f"there are no such rows; expected {' or '.join(ROWS)}", 404)
        text = request.query_params.get("row", "")
        if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
            return _plain_text(f"row is {short_repr(text)}; expected a whole number", 404)
        row = int(text) if text else None
        return await self._answer(
            request, lambda snapshot, check: run_payload(snapshot, rows, row, check)
        )

    async def lens(self, request: Request) -> Response:
        """Serve what the gradient lens finds in the current run."""
        return await self._answer(request, lambda snapshot, check: lens_of_run(snapshot))

    async def rates(self, request: Request) -> Response:
        """Serve the losses that some learning rates reach from the start of the current run."""
        return await self._answer(request, lambda snapshot, check: rates_of_run(snapshot))

    async def export(self, request: Request) -> Response:
        """Serve the script, the model or the explain page of the current run."""
        kind = request.path_params["kind"]
        if kind not in export.KINDS:
            return _plain_text(f"there is no {kind!r}; expected {', '.join(export.KINDS)}", 404)
        return await self._answer(
            request,
            lambda snapshot, check: export.export_file(kind, snapshot, self.runner.source, check),
            _download,
        )

    async def _answer(
        self,
        request: Request,
        work: Callable[[Snapshot, Callable[[], None]], Any],
        respond: Callable[[Any], Response] = _as_json,
    ) -> Response:
        """Answer with what ``work`` makes of the run at this moment, or with why it cannot."""
        try:
            made = await self.work.run(request, lambda: self._command("snapshot"), work)
        except DeltaruleError as error:
            return _plain_text(str(error), 409)
        except ClientLeft:
            return _LEFT
        return respond(made)

    # -- the socket ----------------------------------------------------------------------

    async def live(self, socket: WebSocket) -> None:
        """Serve one browser: send frames and execute its commands until it disconnects."""
        await socket.accept()
        if len(self.clients) >= _MAX_CLIENTS:
            await socket.close(1013, "too many browsers watch this run")
            return
        client = _Client()
        self.clients.add(client)
        self.runner.n_clients = len(self.clients)
        client.wake.set()
        sending = asyncio.create_task(self._send(socket, client))
        try:
            await self._receive(socket, client)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the browser has disconnected
        finally:
            self.clients.discard(client)
            self.runner.n_clients = len(self.clients)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sending

    async def _send(self, socket: WebSocket, client: _Client) -> None:
        await socket.send_text(json.dumps({"type": "hello", "boot": self.boot}))
        while True:
            await client.wake.wait()
            client.wake.clear()
            version, text = self.runner.description
            if version != client.version:
                client.version = version
                await socket.send_text(text)
            frame = self.runner.latest
            # A browser that has not painted enough is skipped; its acknowledgement wakes this loop.
            if frame is None or frame.number == client.sent:
                continue
            if len(client.in_flight) >= _MAX_IN_FLIGHT or frame.version != client.version:
                continue
            client.sent = frame.number
            client.in_flight.add(frame.number)
            await socket.send_bytes(frame.data)

    async def _receive(self, socket: WebSocket, client: _Client) -> None:
        while True:
            received = await socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            number = None
            try:
                text = received.get("text")
                message = parse_message(received.get("bytes") or b"" if text is None else text)
                number = message.id
                if message.type == "ack":
                    client.acknowledge(message.fields["frame"])
                    continue
                await self._command(message.type, **message.fields)
                answer: dict[str, Any] = {"type": "done", "id": number}
            except DeltaruleError as error:
                number = getattr(error, "id", number)
                answer = {"type": "error", "id": number, "message": str(error)}
            except Exception as error:  # noqa: BLE001  a bug; the connection stays open
                text = f"a fault in deltarule: {type(error).__name__}: {error}"
                answer = {"type": "error", "id": number, "message": text}
            await socket.send_text(json.dumps(answer))


def _plain_text(text: str, status: int) -> Response:
    return Response(f"{text}\n", status, HEADERS, "text/plain; charset=utf-8")


def _download(file: export.ExportedFile) -> Response:
    name = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.data, media_type=file.media_type, headers={**HEADERS, **name})


# Nobody gets it.
_LEFT = _plain_text("the client has left", 499)


def make_app(playground: Playground) -> Starlette:
    """The ASGI application, with access control."""
    routes = [
        Route("/", playground.page),
        Route("/who", playground.who),
        Route("/payload", playground.payload),
        Route("/lens", playground.lens),
        Route("/rates", playground.rates),
        Route("/export/{kind}", playground.export),
        WebSocketRoute("/live", playground.live),
    ]
    access = Middleware(AccessControl, token=playground.token, port=playground.port)
    return Starlette(routes=routes, middleware=[access], lifespan=playground.lifespan)


def listening_socket(port: int) -> socket.socket:
    """A socket bound to 127.0.0.1; port 0 selects any free port.

    Raises
    ------
    FileError
        If the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Allows a new server on the port of one that has just ended.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise FileError(
            f"port {port} of 127.0.0.1 cannot be used: {error.strerror}; expected a free one; "
            "choose another with --port, or leave it out"
        ) from error
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server, which calls ``ready`` once it listens."""

    ready: Callable[[], Any] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.ready is not None:
            self.ready()


def make_server(playground: Playground, ready: Callable[[], Any] | None = None) -> uvicorn.Server:
    """The uvicorn server of a playground, not started."""
    config = uvicorn.Config(
        make_app(playground),
        # No access log: addresses contain the token.
        access_log=False,
        log_config=None,
        log_level="critical",
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=MOST_BYTES,
        # Frames compress poorly, and do not leave this machine.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
    )
    server = _Server(config)
    server.ready = ready
    return server
