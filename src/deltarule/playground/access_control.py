"""Access control of the server: a request must have the right Host, Origin and token."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["HEADERS", "AccessControl", "refusal_reason"]

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every response: no caching, no embedding in other pages, and no Referer, since the
address contains the token."""


def refusal_reason(
    token: str, port: int, headers: Iterable[tuple[bytes, bytes]], query: str, websocket: bool
) -> str:
    """The reason why a request is refused, or an empty string if it is accepted.

    Any web page can make the browser send requests to this server, even under a host name of its
    own that resolves to 127.0.0.1 (DNS rebinding). But a page can set neither the Host nor the
    Origin header, and it does not know the token.

    ``query`` is the part of the address after the ``?``. A websocket handshake must have an
    Origin header; other requests may have none.

    Examples
    --------
    >>> good = [(b"host", b"127.0.0.1:8000")]
    >>> refusal_reason("secret", 8000, good, "token=secret", websocket=False)
    ''
    >>> bad = [(b"host", b"evil.example:8000")]
    >>> refusal_reason("secret", 8000, bad, "token=secret", websocket=False)
    "the Host is 'evil.example:8000'; expected 127.0.0.1:8000 or localhost:8000"
    """
    hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
    if port == 80:  # browsers omit the default port
        hosts += ["127.0.0.1", "localhost"]
    given: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        given.setdefault(name.lower(), []).append(value)
    sent = given.get(b"host", [])
    if len(sent) != 1 or sent[0].decode("latin-1").lower() not in hosts:
        return f"the Host is {_quoted(sent)}; expected {' or '.join(hosts)}"
    origins = given.get(b"origin", [])
    expected = [f"http://{host}" for host in hosts]
    if (websocket or origins) and (
        len(origins) != 1 or origins[0].decode("latin-1") not in expected
    ):
        return f"the Origin is {_quoted(origins)}; expected {' or '.join(expected)}"
    tokens = parse_qs(query, max_num_fields=8, keep_blank_values=True).get("token", [])
    if len(tokens) != 1 or not hmac.compare_digest(tokens[0].encode(), token.encode()):
        return "the token is missing or wrong; open the address that the terminal shows"
    return ""


def _quoted(values: list[bytes]) -> str:
    return ", ".join(repr(value.decode("latin-1")[:80]) for value in values) or "missing"


class AccessControl:
    """Middleware that answers 403 if :func:`refusal_reason` gives a reason."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token, self.port = app, token, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._reason(scope) if scope["type"] in ("http", "websocket") else ""
        if not reason:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "http":
            text = f"deltarule playground refuses: {reason}.\n"
            response = PlainTextResponse(text, 403, HEADERS)
            await response(scope, receive, send)
        else:
            # Closing before accepting makes the server answer 403.
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason[:100]})

    def _reason(self, scope: Any) -> str:
        try:
            query = scope["query_string"].decode("ascii")
            websocket = scope["type"] == "websocket"
            return refusal_reason(self.token, self.port, scope["headers"], query, websocket)
        except ValueError:
            return "the address cannot be read"
