"""``python -m benchmarks``: time a training step of deltarule and of other libraries."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltarule.cli import output
from deltarule.cli.app import CONTEXT, Grouped
from deltarule.cli.options import Force, Quiet, one, whole
from deltarule.cli.status import execute
from deltarule.errors import InputError

if TYPE_CHECKING:
    from benchmarks.comparison import Comparison, Scaling

__all__ = ["bench", "main"]

# Without X, which takes minutes.
_CONFIGS = "T,S,M,L,tanh"
_PICTURES = (".svg", ".png", ".pdf")


def bench(
    against: Annotated[
        str | None,
        one(
            "--against",
            metavar="NAMES",
            help="The libraries to compare with: sklearn, torch, jax, numpy; reference, which is "
            "deltarule's own reference engine; with products of bfloat16: bfloat16, which is "
            "deltarule, torch_bfloat16, jax_bfloat16. If not given, the first four. What is not "
            "installed is left out.",
            group="What",
        ),
    ] = None,
    configs: Annotated[
        str | None,
        one(
            "--configs",
            metavar="NAMES",
            help="The networks, from tiny to extra large: T, S, M, L, X, and tanh, a full batch. "
            f"If not given, {_CONFIGS}. X takes minutes.",
            group="What",
        ),
    ] = None,
    scaling: Annotated[
        bool,
        typer.Option(
            "--scaling",
            help="Measure instead how the time of deltarule's step grows with the rows of a step, "
            "the width and the depth.",
            rich_help_panel="What",
        ),
    ] = False,
    threads: Annotated[
        int,
        one(
            "--threads",
            metavar="N",
            help="The number of threads of every library.",
            group="How",
            read=whole,
        ),
    ] = 1,
    rounds: Annotated[
        int,
        one(
            "--rounds",
            metavar="N",
            help="Measurements of each library, taken in turn.",
            group="How",
            read=whole,
        ),
    ] = 7,
    engine: Annotated[
        str, one("--engine", metavar="NAME", help="deltarule's engine; or auto.", group="How")
    ] = "auto",
    processor_time: Annotated[
        bool,
        typer.Option(
            "--processor-time",
            help="Count the processor seconds of all threads, which other work on the machine "
            "changes less than the time that passes.",
            rich_help_panel="How",
        ),
    ] = False,
    json_file: Annotated[
        Path | None,
        one("--json", metavar="FILE", help="Write every time to a .json file.", group="Output"),
    ] = None,
    plot: Annotated[
        Path | None,
        one("--plot", metavar="FILE", help="Draw a .svg, .png or .pdf file.", group="Output"),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Time a training step of deltarule and of other libraries, each in its own process.

    All train the same network with Adam on the squared error, in float32. Only numbers of the
    same run can be compared: libraries are measured in turn, and other work on the machine
    makes all of them slower.
    """
    from deltarule.cli.output_paths import check_output_file

    for file, option, endings in (
        (json_file, "--json", (".json",)),
        (plot, "--plot", _PICTURES),
    ):
        if file is not None:
            check_output_file(file, force, option, endings)
    if scaling:
        others = (
            ("--against", against),
            ("--configs", configs),
            ("--processor-time", processor_time),
        )
        given = [name for name, value in others if value]
        if given:
            raise InputError(
                f"--scaling was given with {' and '.join(given)}; expected it alone, as it "
                "measures deltarule at sizes of its own; leave one out"
            )
        found: Comparison | Scaling = _scaling(threads, rounds, engine, quiet)
    else:
        found = _compare(
            _names(_CONFIGS if configs is None else configs),
            None if against is None else _names(against),
            {
                "threads": threads,
                "rounds": rounds,
                "engine": engine,
                "clock": "processor" if processor_time else "wall",
            },
            quiet,
        )
    _write(found, json_file, plot, force, quiet)


_app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
_app.command(cls=Grouped, context_settings=CONTEXT)(bench)


def main(arguments: Sequence[str]) -> int:
    """Run the comparison with these options, and return the exit status."""
    return int(execute(arguments, _app, "python -m benchmarks"))


def _names(text: str) -> list[str]:
    """The names in a list separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _compare(
    configs: list[str], against: list[str] | None, settings: dict[str, Any], quiet: bool
) -> Comparison:
    """Measure the configs one after another, and print each result at once."""
    from benchmarks.comparison import compare, find_configs
    from benchmarks.comparison.compare import OTHERS
    from benchmarks.comparison.tables import heading, result_table

    names = list(OTHERS) if against is None else against
    whole: Comparison | None = None
    for config in find_configs(configs):
        with output.live(quiet) as show:
            found = compare([config], names, show=show, **settings)
        if whole is None:
            whole = found
            names = [name for name in names if name not in found.not_run]
            _say(heading(found), quiet)
        else:
            whole.results += found.results
        _say("\n" + result_table(found.results[0]), quiet)
    assert whole is not None  # find_configs gives at least one
    return whole


def _scaling(threads: int, rounds: int, engine: str, quiet: bool) -> Scaling:
    from benchmarks.comparison import scaling
    from benchmarks.comparison.tables import heading, scaling_tables

    with output.live(quiet) as show:
        found = scaling(threads=threads, rounds=rounds, engine=engine, show=show)
    _say(heading(found) + "\n\n" + scaling_tables(found), quiet)
    return found


def _say(text: str, quiet: bool) -> None:
    if not quiet:
        output.say(text)


def _write(
    found: Comparison | Scaling,
    json_file: Path | None,
    plot: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    from deltarule.cli.output_paths import make_parent, saved_or_elsewhere, write_output
    from deltarule.files import write_json

    written = []
    if json_file is not None:

        def write(path: Path, *, overwrite: bool = False) -> None:
            make_parent(path)
            write_json(path, found.as_record(), overwrite=overwrite)

        saved_or_elsewhere(json_file, functools.partial(write, overwrite=force), write)
        written.append(str(json_file))
    if plot is not None:
        from benchmarks.comparison.pictures import picture

        write_output(plot, force, picture(found, plot.suffix.lower().removeprefix(".")))
        written.append(str(plot))
    if written:
        _say(f"\nWrote {' and '.join(written)}.", quiet)
