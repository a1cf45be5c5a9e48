"""The door: :func:`serve` starts the server, where what it needs is installed."""

from __future__ import annotations

import importlib.util
import re
import secrets
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

from deltarule.engines import make_engine
from deltarule.errors import InputError, MissingDependency
from deltarule.playground.runner import Runner
from deltarule.playground.settings import RunSettings
from deltarule.playground.tabledata import ReadTable

__all__ = ["serve"]

_NEEDED = {"starlette", "uvicorn", "websockets"}


def serve(
    source: ReadTable | None = None,
    *,
    port: int = 0,
    token: str | None = None,
    open_browser: bool = True,
    settings: RunSettings | None = None,
    told: Callable[[str], Any] = print,
) -> None:
    """Serve the playground on 127.0.0.1 until Ctrl-C.

    Parameters
    ----------
    source : ReadTable, optional
        A table to train on, beside the built-in data.
    port : int
        0 takes one that is free.
    token : str, optional
        What the address must carry; by default a new random one. At least 16 letters, digits,
        ``-`` and ``_``.
    open_browser : bool
        Whether to open the page in the user's browser.
    settings : RunSettings, optional
        What to begin with.
    told : callable
        Given the address, once the page can be opened.

    Raises
    ------
    MissingDependency
        If the extra ``playground`` is not installed.
    InputError
        If the port or the token cannot be used.
    FileError
        If the port is taken.

    Examples
    --------
    >>> from deltarule.playground import serve
    >>> serve(port=70000)
    Traceback (most recent call last):
    deltarule.errors.InputError: port is 70000; expected 0, for a free one, or 1 to 65535
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise InputError(parameter="port", given=port, expected="0, for a free one, or 1 to 65535")
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_-]{16,200}", token):
        raise InputError(
            "the token cannot be used",
            parameter="token",
            expected="16 to 200 letters, digits, '-' and '_', or none for a random one",
        )
    try:
        if importlib.util.find_spec("websockets") is None:  # uvicorn asks for it later
            raise ImportError("No module named 'websockets'", name="websockets")
        from deltarule.playground import server
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        raise _missing(error) from error
    token = token or secrets.token_urlsafe(24)
    found = server.listening(port)
    port = found.getsockname()[1]
    address = f"http://127.0.0.1:{port}/?token={token}"

    def ready() -> None:
        told(address)
        if open_browser:
            # In a thread of its own: a browser on the terminal would hold the server.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    try:
        # Compiled here, where Ctrl-C ends it, and not by the runner's thread.
        make_engine("auto")
    except BaseException:
        found.close()
        raise
    runner = Runner(source, settings=settings)
    try:
        runner.start()
        server.run_server(server.Playground(runner, token, port), found, ready)
    except KeyboardInterrupt:
        pass  # how it is ended
    finally:
        found.close()
        runner.close()


def _missing(error: ImportError) -> MissingDependency:
    """The error for a server that cannot be imported."""
    return MissingDependency(
        f"the playground needs Starlette, uvicorn and websockets ({error}); install them with "
        "pip install 'deltarule[playground]'"
    )
