"""Who may talk to the server: the right Host, the right Origin, the token."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["HEADERS", "Guard", "refusal"]

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What stands above every answer: it is kept nowhere, framed nowhere, and its address, which
carries the token, is told to nobody."""


def refusal(
    token: str, port: int, headers: Iterable[tuple[bytes, bytes]], query: str, live: bool
) -> str:
    """Why a request is refused, or an empty text.

    A page of somebody else can make a browser send requests here, under a name of its own that
    leads to this machine even (DNS rebinding). It cannot choose Host and Origin, and it does not
    know the token.

    Parameters
    ----------
    token : str
    port : int
    headers : iterable of pairs of bytes
    query : str
        What stands after the ``?``.
    live : bool
        Whether a websocket is asked for, which every browser says the origin of.

    Examples
    --------
    >>> good = [(b"host", b"127.0.0.1:8000")]
    >>> refusal("secret", 8000, good, "token=secret", live=False)
    ''
    >>> refusal("secret", 8000, [(b"host", b"evil.example:8000")], "token=secret", live=False)
    "the Host is 'evil.example:8000'; expected 127.0.0.1:8000 or localhost:8000"
    """
    places = [f"127.0.0.1:{port}", f"localhost:{port}"]
    if port == 80:  # which browsers leave out
        places += ["127.0.0.1", "localhost"]
    given: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        given.setdefault(name.lower(), []).append(value)
    hosts = given.get(b"host", [])
    if len(hosts) != 1 or hosts[0].decode("latin-1").lower() not in places:
        return f"the Host is {_shown(hosts)}; expected {' or '.join(places)}"
    origins = given.get(b"origin", [])
    expected = [f"http://{place}" for place in places]
    if (live or origins) and (len(origins) != 1 or origins[0].decode("latin-1") not in expected):
        return f"the Origin is {_shown(origins)}; expected {' or '.join(expected)}"
    tokens = parse_qs(query, max_num_fields=8, keep_blank_values=True).get("token", [])
    if len(tokens) != 1 or not hmac.compare_digest(tokens[0].encode(), token.encode()):
        return "the token is missing or wrong; open the address that the terminal shows"
    return ""


def _shown(values: list[bytes]) -> str:
    return ", ".join(repr(value.decode("latin-1")[:80]) for value in values) or "missing"


class Guard:
    """Refuses with 403 what :func:`refusal` has a reason for, before anything else sees it."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token, self.port = app, token, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        reason = self._reason(scope)
        if not reason:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "http":
            text = f"deltarule playground refuses: {reason}.\n"
            response = PlainTextResponse(text, 403, HEADERS)
            await response(scope, receive, send)
        else:
            # Closed before it is accepted: the browser is answered 403.
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason[:100]})

    def _reason(self, scope: Any) -> str:
        try:
            query = scope["query_string"].decode("ascii")
            live = scope["type"] == "websocket"
            return refusal(self.token, self.port, scope["headers"], query, live)
        except ValueError:
            return "the address cannot be read"
