"""The tables that ``python -m benchmarks`` prints."""

from __future__ import annotations

from benchmarks.comparison import PEERS, Comparison, Result, Scaling
from deltarule.cli import output

__all__ = ["heading", "result_table", "scaling_tables"]


def heading(found: Comparison | Scaling) -> str:
    """The heading: versions, the machine, and the meaning of the numbers."""
    where = found.circumstances
    if isinstance(found, Scaling):
        versions, not_run = {"deltarule": found.versions}, {}
    else:
        versions, not_run = found.versions, found.not_run
    libraries: dict[str, str] = {}
    for each in versions.values():
        libraries |= {name: number for name, number in each.items() if name != "engine"}
    libraries["deltarule"] += f" (engine {versions['deltarule']['engine']})"
    machine = f"{where['processor']}, {_count(where['cores'], 'core')}; {where['system']}"
    load = "" if where["load"] is None else f", load of the machine before {where['load']}"
    lines = [
        ", ".join(f"{name} {number}" for name, number in libraries.items()),
        f"{machine}, Python {where['python']}; {where['date']}",
        f"{_count(found.threads, 'thread')}, medians of {_count(found.rounds, 'round')}{load}"
        + (", in processor time" if getattr(found, "clock", "wall") == "processor" else ""),
    ]
    lines += [f"{PEERS[name].title}: not run, {why}" for name, why in not_run.items()]
    return "\n".join(lines)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def microseconds(seconds: float) -> str:
    """Seconds as microseconds.

    Examples
    --------
    >>> microseconds(7.12e-6), microseconds(0.0142348)
    ('7.1', '14,235')
    """
    value = 1e6 * seconds
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def times(value: float) -> str:
    """A ratio, with the digits that mean something.

    Examples
    --------
    >>> times(1.0449), times(39.28), times(140.2)
    ('1.04', '39.3', '140')
    """
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def result_table(result: Result) -> str:
    """The table of a config: for each library its time, and the ratio to deltarule's."""
    config = result.config
    columns = [
        [""],
        ["µs/step"],
        ["times deltarule's"],
        ["median by round"],
        ["least–most"],
    ]
    for name, timing in result.timings.items():
        cells = [PEERS[name].title, microseconds(timing.median)]
        if name == "deltarule":
            cells += ["", "", ""]
        else:
            ratio = result.ratio(name)
            spread = f"{times(ratio.least)}–{times(ratio.most)}"
            cells += [times(ratio.of_medians), times(ratio.median), spread]
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
    return (
        f"{config.name}: {config.shape} {config.activation}, {config.batch_rows:,} rows a step, "
        f"{_count(config.steps, 'step')} an epoch\n{output.aligned(columns)}"
    )


def scaling_tables(found: Scaling) -> str:
    """A table for each size that was varied; growth is relative to the line above."""
    tables = []
    for axis, configs in found.axes.items():
        columns = [[axis], ["µs/step"], ["grows"], ["operations grow"], ["GFLOP/s"]]
        before = None
        for value, config in configs.items():
            seconds = found.median(config)
            grows = ["", ""]
            if before is not None:
                last = found.median(before)
                grows = [f"× {times(seconds / last)}", f"× {times(config.flops / before.flops)}"]
            speed = f"{config.flops / seconds / 1e9:.1f}"
            for column, cell in zip(
                columns, [f"{value:,}", microseconds(seconds), *grows, speed], strict=True
            ):
                column.append(cell)
            before = config
        tables.append(output.aligned(columns))
    return "\n\n".join(tables)
