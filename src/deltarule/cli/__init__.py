"""The command line: ``deltarule fit``, ``predict``, ``evaluate``, ``check``."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; the exit status says how it went.

    ====  ==========================================================
    0     done
    1     an error in deltarule itself
    2     an option or argument that cannot be used
    3     a file or table that cannot be used
    4     training diverged
    5     a check failed
    130   interrupted (the best model so far is saved)
    ====  ==========================================================
    """
    from deltarule.cli.app import run

    run()
