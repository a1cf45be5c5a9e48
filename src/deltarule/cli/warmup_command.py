"""``deltarule warmup``: compile all kernels in advance."""

from __future__ import annotations

from deltarule.cli import output
from deltarule.cli.options import AsJson, Quiet
from deltarule.errors import MissingDependency

__all__ = ["warmup"]


def warmup(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Compile all kernels in advance, for a container image or a read-only installation.

    The kernels are stored in the folder that the environment variable DELTARULE_CACHE names, else
    in the user's cache. Using them needs only read access.
    """
    from deltarule.engines.registry import compiled_module

    with output.live(quiet or as_json) as show:
        show("compiling the code that all networks share")
        try:
            warmup_module = compiled_module("warmup")
        except MissingDependency as error:
            raise MissingDependency(
                f"the compiler cannot be loaded: {error}; install numba, or do without: the "
                "reference engine needs no compilation"
            ) from error
        kernels = warmup_module.warm_up(show)
    if as_json:
        output.json_object(
            {
                "networks": kernels.networks,
                "folder": str(kernels.folder),
                "seconds": kernels.seconds,
            }
        )
    elif not quiet:
        output.say(f"ready in {kernels.seconds:.1f} s: compiled code is in {kernels.folder}")
