"""The growth of deltarule's step time with the rows of a step, the width and the depth."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.comparison.compare import Show, _silent, check_rounds, start
from benchmarks.comparison.configs import AXES, Config
from benchmarks.comparison.machine import circumstances
from benchmarks.comparison.processes import check_threads, in_turn
from deltarule.engines import engine_name

__all__ = ["Scaling", "scaling"]


@dataclasses.dataclass(frozen=True)
class Scaling:
    """The time of a step at every size.

    Parameters
    ----------
    threads, rounds : int
    circumstances : dict
        See :func:`benchmarks.comparison.machine.circumstances`.
    versions : dict of str
    axes : mapping of str to mapping of int to Config
        For each size that was varied, its values and their configs.
    seconds : dict of name of a config to list of float
        The time of one step in each round.
    """

    threads: int
    rounds: int
    circumstances: dict[str, Any]
    versions: dict[str, str]
    axes: Mapping[str, Mapping[int, Config]]
    seconds: Mapping[str, list[float]]

    def median(self, config: Config) -> float:
        """The median over the rounds, in seconds."""
        return statistics.median(self.seconds[config.name])

    def as_record(self) -> dict[str, Any]:
        """A dictionary for JSON, with every single time."""
        return {
            "format": "deltarule bench scaling",
            "version": 1,
            "threads": self.threads,
            "rounds": self.rounds,
            **self.circumstances,
            "versions": {"deltarule": self.versions},
            "axes": {
                axis: [
                    {
                        "value": value,
                        **config.as_record(),
                        "flops_of_a_step": config.flops,
                        "seconds_of_a_step": {
                            "median": self.median(config),
                            "rounds": self.seconds[config.name],
                        },
                    }
                    for value, config in configs.items()
                ]
                for axis, configs in self.axes.items()
            },
        }


def scaling(
    axes: Mapping[str, Mapping[int, Config]] = AXES,
    *,
    threads: int = 1,
    rounds: int = 7,
    engine: str = "auto",
    seconds: float = 0.1,
    show: Show = _silent,
) -> Scaling:
    """Time a training step of deltarule while one size after another is doubled.

    All sizes are prepared in one process and measured in turn.

    Parameters
    ----------
    axes : mapping of str to mapping of int to Config
    threads, rounds, engine, seconds, show
        As in :func:`benchmarks.comparison.compare`.

    Returns
    -------
    Scaling

    Raises
    ------
    InputError
        If the engine, or the number of threads or rounds is invalid.
    WorkerFailed
        If the process died, hung or failed.

    Examples
    --------
    >>> from benchmarks.comparison import Config, scaling
    >>> axes = {"width": {n: Config(f"{n}", (2, n, 1), batch_rows=4, rows=8) for n in (2, 4)}}
    >>> found = scaling(axes, rounds=1, seconds=0.0)
    >>> list(found.seconds)
    ['2', '4']
    """
    check_threads(threads)
    check_rounds(rounds)
    engine_name(engine)
    where = circumstances()
    # S is on every axis; configs of the same name are measured once.
    distinct = {config.name: config for configs in axes.values() for config in configs.values()}
    measures, versions = {}, {}
    with contextlib.ExitStack() as stack:
        worker = start("deltarule", threads, stack)
        for name, config in distinct.items():
            show(f"preparing {name}")
            facts, measures[name] = worker.prepare(
                config=config.as_record(), threads=threads, engine=engine, seconds=seconds
            )
            versions = facts["versions"]
        found = in_turn(measures, rounds, show)
    return Scaling(threads, rounds, where, versions, axes, found)
