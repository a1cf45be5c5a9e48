"""The command line: fit, predict, evaluate, explain, check and warmup."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["main"]


def main() -> None:
    """Run the command line; exit with a :class:`deltarule.cli.status.Status`."""
    import signal
    import sys

    status, begun = 130, False
    try:
        from deltarule.cli.status import execute, terminated

        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, terminated)
        for stream in (sys.stdout, sys.stderr):
            # A character that the terminal cannot show becomes "?" instead of an exception.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        begun = True
        status = int(execute(sys.argv[1:]))
    except KeyboardInterrupt as error:  # before the command began, or after it ended
        if type(error) is not KeyboardInterrupt:
            status = 143
        if not begun:
            print("error: interrupted; nothing was saved", file=sys.stderr)
    _exit(status)


def _exit(status: int) -> NoReturn:
    """End the process with a status, without waiting for threads at Ctrl-C."""
    import signal
    import sys

    # A signal from here on could only interrupt the interpreter's shutdown.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    from deltarule.interruptible import any_abandoned, end_process

    # After Ctrl-C the process ends without unloading its libraries, which takes time.
    if any_abandoned() or status in (130, 143):
        end_process(status)
    sys.exit(status)
