"""The comparison: every library on every config, measured in turn."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.comparison.configs import Config
from benchmarks.comparison.machine import circumstances
from benchmarks.comparison.peers import PEERS
from benchmarks.comparison.processes import Absent, Worker, check_threads, in_turn, peer_command
from deltarule.engines import engine_name
from deltarule.errors import InputError, MissingDependency, UnknownName, WorkerFailed

__all__ = ["OTHERS", "Comparison", "Ratio", "Result", "Timing", "compare", "ratio"]

OTHERS = ("sklearn", "torch", "jax", "numpy")
"""The libraries that deltarule is compared with by default."""

# The largest difference between the losses after the first steps, relative to the change of
# deltarule's loss in them. Rounding, and Adam's epsilon added before or after the correction of
# the moments, gave at most 3e-5 in these configs; a learning rate 1 % off gave at least 5e-4.
_SAME = 3e-4
# The same with products of bfloat16.
_SAME_BFLOAT16 = 0.05

Show = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Timing:
    """The measurements of one library on one config.

    Parameters
    ----------
    seconds : tuple of float
        The time of one step in each round.
    epochs : int
        The number of epochs in one measurement.
    losses : tuple of two floats
        The loss before the first step and after a few, to check that all libraries train alike.
    """

    seconds: tuple[float, ...]
    epochs: int
    losses: tuple[float, float]

    @property
    def median(self) -> float:
        """The median over the rounds, in seconds."""
        return statistics.median(self.seconds)


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The time of another library divided by that of deltarule.

    Parameters
    ----------
    of_medians : float
        The ratio of the medians.
    median, least, most : float
        Of the ratios within each round, which are less sensitive to changes in the machine's speed.
    """

    of_medians: float
    median: float
    least: float
    most: float


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Ratio:
    """Ratios of two sequences of times, round by round.

    Parameters
    ----------
    theirs, ours : sequence of float
        One time for each round, in the same order; ``ours`` is deltarule's.

    Returns
    -------
    Ratio

    Examples
    --------
    >>> ratio([20.0, 30.0, 44.0], [10.0, 10.0, 11.0])
    Ratio(of_medians=3.0, median=3.0, least=2.0, most=4.0)
    """
    each = [a / b for a, b in zip(theirs, ours, strict=True)]
    of_medians = statistics.median(theirs) / statistics.median(ours)
    return Ratio(of_medians, statistics.median(each), min(each), max(each))


@dataclasses.dataclass(frozen=True)
class Result:
    """One config: its timings by name, deltarule's first."""

    config: Config
    timings: Mapping[str, Timing]

    def ratio(self, name: str) -> Ratio:
        """The time of ``name`` divided by that of deltarule."""
        return ratio(self.timings[name].seconds, self.timings["deltarule"].seconds)


@dataclasses.dataclass
class Comparison:
    """All measurements, and the circumstances in which they were made.

    Parameters
    ----------
    threads, rounds : int
    clock : {"wall", "processor"}
        Whether times are of the wall clock or processor time of all threads.
    circumstances : dict
        See :func:`benchmarks.comparison.machine.circumstances`.
    versions : dict of name to dict of str
        The versions that each library reports.
    not_run : dict of name to str
        Why a library was not run.
    results : list of Result
    """

    threads: int
    rounds: int
    circumstances: dict[str, Any]
    clock: str = "wall"
    versions: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    not_run: dict[str, str] = dataclasses.field(default_factory=dict)
    results: list[Result] = dataclasses.field(default_factory=list)

    def as_record(self) -> dict[str, Any]:
        """A dictionary for JSON, with every single time."""
        return {
            "format": "deltarule bench",
            "version": 1,
            "threads": self.threads,
            "rounds": self.rounds,
            "clock": self.clock,
            **self.circumstances,
            "versions": self.versions,
            "not_run": self.not_run,
            "configs": [_record(result) for result in self.results],
        }


def _record(result: Result) -> dict[str, Any]:
    return {
        **result.config.as_record(),
        "steps": result.config.steps,
        "flops_of_a_step": result.config.flops,
        "seconds_of_a_step": {
            name: {
                "median": timing.median,
                "rounds": list(timing.seconds),
                "epochs_of_a_measurement": timing.epochs,
                "loss_before": timing.losses[0],
                "loss_after_first_steps": timing.losses[1],
            }
            for name, timing in result.timings.items()
        },
        "times_as_long": {
            name: dataclasses.asdict(result.ratio(name))
            for name in result.timings
            if name != "deltarule"
        },
    }


def check_same_training(losses: Mapping[str, tuple[float, float]]) -> None:
    """Refuse libraries that did not train the same network.

    Parameters
    ----------
    losses : mapping of name to (before, after)
        The loss on the same rows, before the first step and after a few; deltarule's is included.

    Raises
    ------
    WorkerFailed
        If a loss after the steps differs from deltarule's by more than the tolerance.

    Examples
    --------
    >>> check_same_training({"deltarule": (2.0, 1.5), "jax": (2.0, 1.500001)})
    """
    before, ours = losses["deltarule"]
    for name, (_, theirs) in losses.items():
        # Written with "not", so that a loss that is NaN is refused as well.
        same = _SAME_BFLOAT16 if PEERS[name].bfloat16 else _SAME
        if not abs(theirs - ours) <= same * abs(before - ours):
            raise WorkerFailed(
                f"{PEERS[name].title} has the loss {theirs:.6g} after the first steps, and "
                f"deltarule {ours:.6g} (from {before:.6g}); expected the same, so "
                "the two do not train alike. Leave it out, and report it"
            )


def check_names(against: Iterable[str]) -> list[str]:
    """The given names of libraries without repetitions.

    Raises
    ------
    UnknownName
        If a name is unknown.

    Examples
    --------
    >>> check_names(["torch", "jax", "torch"])
    ['torch', 'jax']
    """
    names = list(dict.fromkeys(against))
    known = [name for name in PEERS if name != "deltarule"]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        given = ", ".join(map(repr, unknown)) or "none"
        raise UnknownName(f"unknown peer {given}; known: {', '.join(known)}")
    return names


def check_rounds(rounds: int) -> None:
    """Refuse a number of rounds below one.

    Raises
    ------
    InputError
        If it is less than 1.

    Examples
    --------
    >>> check_rounds(3)
    """
    if rounds < 1:
        raise InputError(parameter="rounds", given=rounds, expected="at least 1")


def _silent(text: str) -> None:
    pass


def compare(
    configs: Iterable[Config],
    against: Iterable[str] = OTHERS,
    *,
    threads: int = 1,
    rounds: int = 7,
    engine: str = "auto",
    seconds: float = 0.25,
    clock: str = "wall",
    show: Show = _silent,
) -> Comparison:
    """Time a training step of deltarule and of other libraries.

    Each library runs in its own process, which makes one measurement in every round.

    Parameters
    ----------
    configs : iterable of Config
    against : iterable of str
        Names in :data:`benchmarks.comparison.PEERS`. One that is not installed is left out.
    threads : int
        The number of threads of every library. Where the system allows, each process is bound
        to as many processors.
    rounds : int
        The number of measurements of each library on each config.
    engine : str
        The engine of deltarule.
    seconds : float
        The approximate length of one measurement, which is at least an epoch.
    clock : {"wall", "processor"}
        The clock to measure by. Other work on the machine changes processor time less.
    show : callable
        Called with a description of each measurement before it begins.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If a name, the engine, or the number of threads or rounds is invalid.
    MissingDependency
        If none of the libraries is installed.
    WorkerFailed
        If a process died, hung, failed or trained differently. All processes are ended.

    Examples
    --------
    >>> from benchmarks.comparison import Config, compare
    >>> tiny = Config("tiny", (2, 3, 1), batch_rows=4, rows=8)
    >>> found = compare([tiny], ["numpy"], rounds=1, seconds=0.0)
    >>> list(found.results[0].timings), found.not_run
    (['deltarule', 'numpy'], {})
    """
    names = check_names(against)
    check_threads(threads)
    check_rounds(rounds)
    engine_name(engine)  # raises for an unknown engine before anything is measured
    comparison = Comparison(threads, rounds, circumstances(), clock)
    for config in configs:
        comparison.results.append(_one(config, names, comparison, engine, seconds, show))
    return comparison


def _one(
    config: Config,
    names: Sequence[str],
    comparison: Comparison,
    engine: str,
    seconds: float,
    show: Show,
) -> Result:
    """Measure one config; add versions and missing libraries to ``comparison``."""
    wanted = ["deltarule", *(name for name in names if name not in comparison.not_run)]
    job = {
        "config": config.as_record(),
        "threads": comparison.threads,
        "engine": engine,
        "seconds": seconds,
        "clock": comparison.clock,
    }
    facts: dict[str, dict[str, Any]] = {}
    measures = {}
    with contextlib.ExitStack() as stack:
        for name in wanted:
            show(f"{config.name}: preparing {PEERS[name].title}")
            worker = start(name, comparison.threads, stack)
            try:
                facts[name], measures[name] = worker.prepare(**job)
            except Absent as reason:
                if name == "deltarule":
                    raise MissingDependency(f"deltarule: {reason}") from None
                comparison.not_run[name] = f"because {reason} (pip install {PEERS[name].install})"
        if len(facts) < 2:
            reasons = "; ".join(f"{name} {why}" for name, why in comparison.not_run.items())
            raise MissingDependency(
                f"nothing to compare with: not run: {reasons}; install one, or name another"
            )
        check_same_training({name: tuple(fact["losses"]) for name, fact in facts.items()})
        comparison.versions |= {name: fact["versions"] for name, fact in facts.items()}
        found = in_turn(measures, comparison.rounds, lambda text: show(f"{config.name}, {text}"))
    timings = {
        name: Timing(tuple(found[name]), int(fact["epochs"]), tuple(fact["losses"]))
        for name, fact in facts.items()
    }
    return Result(config, timings)


def start(name: str, threads: int, stack: contextlib.ExitStack) -> Worker:
    """The worker of a library, which ends with the stack."""
    return stack.enter_context(Worker(PEERS[name].title, threads, peer_command(name)))
