"""The command line: fit, predict, evaluate, explain, check and warmup."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["main"]


def main() -> None:
    """Run the command line; the exit status says how it went.

    ====  ==================================================
    0     done
    1     a fault in deltarule or its installation
    2     an option or argument that cannot be used
    3     a file, table or model that cannot be used
    4     training diverged
    5     a check failed
    130   interrupted by Ctrl-C; fit saved the best epoch
    143   ended from outside (SIGTERM); otherwise as 130
    ====  ==================================================
    """
    import signal
    import sys

    status, begun = 130, False
    try:
        from deltarule.cli.status import execute, terminated

        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, terminated)
        for stream in (sys.stdout, sys.stderr):
            # Where the terminal cannot show a character, a "?" is better than a crash.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        begun = True
        status = int(execute(sys.argv[1:]))
    except KeyboardInterrupt as error:  # before the command began, or in its last words
        if type(error) is not KeyboardInterrupt:
            status = 143
        if not begun:
            print("error: interrupted; nothing was saved", file=sys.stderr)
    _leave(status)


def _leave(status: int) -> NoReturn:
    """End the process: the command is over, and has said how it went."""
    import signal
    import sys

    # There is nothing left to interrupt but the interpreter's own end.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    from deltarule.interruptible import any_abandoned, end_process

    # Who has interrupted it should not wait until all libraries are unloaded.
    if any_abandoned() or status in (130, 143):
        end_process(status)
    sys.exit(status)
