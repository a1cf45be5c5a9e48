"""The command line: fit, predict, evaluate, explain, check and warmup."""

from __future__ import annotations

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
    130   interrupted by Ctrl-C; fit saved the best so far
    ====  ==================================================
    """
    import sys

    from deltarule.cli.status import execute

    for stream in (sys.stdout, sys.stderr):
        # Where the terminal cannot show a character, a "?" is better than a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    sys.exit(int(execute(sys.argv[1:])))
