""":func:`serve` checks its arguments and the optional packages, and starts the server."""

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

_REQUIRED = {"starlette", "uvicorn", "websockets"}


def serve(
    source: ReadTable | None = None,
    *,
    port: int = 0,
    token: str | None = None,
    open_browser: bool = True,
    settings: RunSettings | None = None,
    on_ready: Callable[[str], Any] = print,
) -> None:
    """Serve the playground on 127.0.0.1 until Ctrl-C.

    Parameters
    ----------
    source : ReadTable, optional
        A table to train on, beside the built-in data.
    port : int
        0 for any free port.
    token : str, optional
        The secret in the address, by default random: 16 to 200 letters, digits, ``-`` and ``_``.
    open_browser : bool
        Whether to open the page in the default browser.
    settings : RunSettings, optional
        The settings of the first run.
    on_ready : callable
        Called with the address once the server accepts connections.

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
        if importlib.util.find_spec("websockets") is None:  # which uvicorn imports only later
            raise ImportError("No module named 'websockets'", name="websockets")
        from deltarule.playground import server
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in _REQUIRED:
            raise
        raise MissingDependency(
            f"the playground needs Starlette, uvicorn and websockets ({error}); install them with "
            "pip install 'deltarule[playground]'"
        ) from error
    token = token or secrets.token_urlsafe(24)
    listener = server.listening_socket(port)
    port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}/?token={token}"

    def ready() -> None:
        on_ready(address)
        if open_browser:
            # In a thread, since a browser in the terminal blocks the call until it is closed.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    try:
        # Kernels are compiled in this thread, where Ctrl-C can interrupt it.
        make_engine("auto")
    except BaseException:
        listener.close()
        raise
    runner = Runner(source, settings=settings)
    try:
        runner.start()
        playground = server.Playground(runner, token, port)
        server.make_server(playground, ready).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # the intended end
    finally:
        listener.close()
        runner.close()
